"""A version with columns of its own is judged by them, whatever the schema says today."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from insurance_predictor.base.settings import MonitorThresholds, Settings
from insurance_predictor.log.database import PREDICTIONS, insert
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT
from monitoring.alerts.messages import MessageLinks, incident_message, plain_text
from monitoring.checks import drift
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment
from monitoring.domain.incidents import Change, Incident
from monitoring.history.json import assessment_from_json, assessment_json
from monitoring.history.mlflow_runs import Trend
from monitoring.report.evidently_page import comparable
from monitoring.report.page import ReportLinks, report_page
from monitoring.window.reader import sample
from monitoring.window.reference import Reference
from monitoring.window.slices import slices_of
from tests.monitoring.windows import DAY, START, database, of_model, people

TRADES = ("clerk", "cook", "driver", "farmer", "miner", "nurse", "pilot", "teacher")
DEDUCTIBLE = NumberColumn(
    name="deductible",
    low=0,
    high=5000,
    whole=False,
    decimals=0,
    unit={"pt": "US$", "en": "US$"},
    label={"pt": "Franquia", "en": "Deductible"},
    help={"pt": "Franquia.", "en": "Deductible."},
    must_matter=True,
)
OCCUPATION = CategoryColumn(
    name="occupation",
    values=TRADES,
    label={"pt": "Ocupação", "en": "Occupation"},
    help={"pt": "Ocupação.", "en": "Occupation."},
    value_labels={trade: {"pt": f"{trade} (pt)", "en": f"{trade} (en)"} for trade in TRADES},
    must_matter=True,
)
OWN = Columns(features=(*CURRENT.features, DEDUCTIBLE, OCCUPATION), target=CURRENT.target)
THRESHOLDS = MonitorThresholds()
DAY_HALF = timedelta(hours=12)
NEW = ("drift.deductible", "drift.occupation")


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened:
        with opened.begin() as connection:
            there = {row[1] for row in connection.execute(text("PRAGMA table_info(predictions)"))}
            for name, kind in (("deductible", "FLOAT"), ("occupation", "VARCHAR")):
                if name not in there:
                    connection.execute(text(f"ALTER TABLE predictions ADD COLUMN {name} {kind}"))
        yield opened


def table(rows: int, seed: int) -> pd.DataFrame:
    """People with the two columns, and an answer that depends on them."""
    dice = np.random.default_rng(seed)
    found = people(rows, seed).assign(
        deductible=dice.uniform(0, 4000, rows), occupation=dice.choice(TRADES, rows)
    )
    premium = found["charges"] + 3000 - found["deductible"] / 2
    return found.assign(premium=premium, low=0.8 * premium, high=1.3 * premium)


def reference(columns: Columns = OWN, **changed: object) -> Reference:
    rows = table(1000, 1).assign(**changed)
    learned = rows[list(columns.feature_names)]
    return Reference(learned, rows["premium"].to_numpy(), rows.tail(300), columns)


def log(engine, rows: pd.DataFrame, version: str = "1", start=START) -> None:
    """Log them a second apart, with whatever columns `rows` has."""
    kept = rows.drop(columns="charges").assign(
        version=version, latency_ms=5.0, source="app", stale=False
    )
    records = kept.astype(object).where(kept.notna(), None).to_dict("records")
    usual, own = [], []
    for number, record in enumerate(records):
        record |= {"id": f"{version}-{start}-{number}", "time": start + timedelta(seconds=number)}
        usual.append({name: record[name] for name in record if name in PREDICTIONS.c})
        own.append({name: record.get(name) for name in ("deductible", "occupation", "id")})
    assert insert(engine, PREDICTIONS, usual) == []
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE predictions SET deductible=:deductible, occupation=:occupation WHERE id=:id"
            ),
            own,
        )


def assessed(engine, columns: Columns = OWN, **changed: object) -> Assessment:
    found = reference(columns, **changed)
    return assess(Settings(), "1", found, DAY, of_model(engine))


def shifted(rows: int) -> pd.DataFrame:
    """Deductibles 800 higher, and twice as many pilots."""
    found = table(rows, 11)
    fly = np.arange(rows) % 5 == 0
    return found.assign(
        deductible=found["deductible"] + 800, occupation=found["occupation"].mask(fly, "pilot")
    )


def test_its_own_people_are_quiet_and_each_column_is_judged(engine):
    log(engine, table(400, 11))

    found = assessed(engine)

    names = {verdict.name for verdict in found.verdicts}
    assert {*NEW, "schema.null.deductible", "schema.unseen.occupation"} <= names
    assert found.alarms == ()
    assert {one.feature for one in found.distributions} == {*OWN.feature_names, "premium"}
    assert {one.limit for one in found.verdicts if one.kind == "drift"} == {
        THRESHOLDS.drift_budget / (len(OWN.features) + 1)
    }
    assert drift.limit_of(THRESHOLDS, CURRENT) == THRESHOLDS.drift_budget / 7


def test_drift_in_new_columns_is_told_in_both_languages(engine):
    log(engine, shifted(400))

    found = assessed(engine)

    alarms = {verdict.name: verdict for verdict in found.alarms}
    assert set(NEW) <= set(alarms)
    assert not {f"drift.{column.name}" for column in CURRENT.features} & set(alarms)
    assert alarms["drift.deductible"].money < -200  # half of what the deductibles rose by
    for language, said, trade in (("en", "has shifted", "(en)"), ("pt", "mudou", "(pt)")):
        page = report_page(found, (), Trend(), ReportLinks("https://x.org"), language, START)
        told = message(found, language)
        for label in (DEDUCTIBLE.label[language], OCCUPATION.label[language]):
            assert f"{label} {said}" in page
            assert f"{label} {said}" in told
        assert f"pilot {trade}" in told
        assert "US$" in told
        assert "#a-feature-has-shifted" in page


def message(found: Assessment, language) -> str:
    incident = Incident(
        model_name=found.model_name,
        kind="drift",
        version=found.version,
        schedule="1d",
        opened=START,
        seen=START,
        findings=NEW,
    )
    links = MessageLinks(None, "https://x.org")
    change = Change(incident=incident, event="opened")
    return plain_text(incident_message(change, found, links, language))


def test_what_such_a_window_could_see_is_said_of_new_columns(engine):
    log(engine, table(400, 11))

    least = {power.check: power for power in assessed(engine).power}

    assert 100 < least["deductible"].least < 1500
    assert 3 < least["occupation"].least < 20
    assert least["occupation"].unit == "pp"


def test_faults_in_new_columns_are_faults(engine):
    log(engine, table(97, 11))
    log(engine, table(3, 8).assign(occupation="astronaut", deductible=-1.0), start=START + DAY_HALF)

    alarms = {verdict.name: verdict for verdict in assessed(engine).alarms}

    assert alarms["schema.unseen.occupation"].details == ("astronaut",)
    assert alarms["schema.outside.deductible"].effects["rows"] == 3


def test_rows_of_a_version_before_the_column_are_no_fault_of_the_one_that_has_it(engine):
    log(engine, table(200, 3).drop(columns=["deductible", "occupation"]), version="0")
    log(engine, table(200, 11), start=START + DAY_HALF)

    found = assessed(engine)

    assert found.other_versions == {"0": 200}
    assert found.alarms == ()


def test_a_column_that_the_log_has_never_had_is_missing_and_breaks_nothing(tmp_path):
    extra = replace(DEDUCTIBLE, name="never_logged")
    columns = Columns((*CURRENT.features, extra), CURRENT.target)
    with database(tmp_path) as opened:
        rows = table(150, 11).drop(columns=["deductible", "occupation"])
        kept = rows.drop(columns="charges").assign(
            version="1", latency_ms=5.0, source="app", stale=False
        )
        records = [
            one | {"id": str(number), "time": START + timedelta(seconds=number)}
            for number, one in enumerate(kept.astype(object).to_dict("records"))
        ]
        assert insert(opened, PREDICTIONS, records) == []
        found = assessed(opened, columns, never_logged=1.0)
        drawn = sample(of_model(opened), DAY, "1", 10, columns)

    assert [verdict.name for verdict in found.alarms] == ["schema.null.never_logged"]
    assert drawn["never_logged"].isna().all()
    assert "never_logged" in comparable(drawn.assign(never_logged=1.0), drawn, columns).left_out


def test_an_optional_column_may_be_missing_but_not_more_often_than_before(engine):
    columns = Columns(
        (*CURRENT.features, replace(DEDUCTIBLE, optional=True), OCCUPATION), CURRENT.target
    )
    before = table(1000, 1)["deductible"].mask(np.arange(1000) % 10 < 3)
    usual, more = table(300, 11), table(300, 8)
    log(engine, usual.assign(deductible=usual["deductible"].mask(np.arange(300) % 10 < 3)))

    quiet = assessed(engine, columns, deductible=before)
    log(
        engine,
        more.assign(deductible=more["deductible"].mask(np.arange(300) % 10 < 8)),
        start=START + DAY_HALF,
    )
    found = assessed(engine, columns, deductible=before)

    assert quiet.alarms == ()
    assert "schema.null.deductible" not in {verdict.name for verdict in found.verdicts}
    (alarm,) = (verdict for verdict in found.alarms if "deductible" in verdict.name)
    assert alarm.name == "drift.missing.deductible"
    assert alarm.effects["reference"] == pytest.approx(0.30, abs=0.01)
    assert alarm.effects["window"] == pytest.approx(0.55, abs=0.01)
    page = report_page(found, (), Trend(), ReportLinks("https://x.org"), "pt", START)
    assert "Franquia falta em 55,0" in page


def test_the_columns_are_kept_with_the_assessment(engine):
    log(engine, shifted(200))
    found = assessed(engine)
    kept = json.loads(json.dumps(assessment_json(found)))

    assert assessment_from_json(kept) == found
    del kept["columns"]  # as an earlier release wrote it
    assert assessment_from_json(kept).columns.feature_names == CURRENT.feature_names


def test_twelve_columns_with_many_values_are_counted_one_by_one(engine):
    many = tuple(f"town_{number}" for number in range(500))
    labels = {town: {"pt": town, "en": town} for town in many}
    each = replace(OCCUPATION, values=many, value_labels=labels, must_matter=False)
    wide = [replace(each, name=f"wide_{number}") for number in range(10)]
    columns = Columns((*OWN.features, *wide), CURRENT.target)
    log(engine, table(150, 11))
    town = {column.name: many[0] for column in wide}

    found = assessed(engine, columns, **town)

    by_name = {verdict.name: verdict for verdict in found.verdicts}
    assert by_name["schema.null.wide_3"].value == 1.0
    assert by_name["drift.occupation"].status == "quiet"


def test_slices_are_of_the_group_and_the_first_bands():
    own = slices_of(OWN)
    neither = slices_of(Columns((DEDUCTIBLE, OCCUPATION), CURRENT.target))

    assert (own.count, neither.count) == (8, 1)
    assert own.of(np.array([0, 1, 1, 2]), np.array([18.0, 65, np.nan, 40])).tolist() == [
        0,
        7,
        -1,
        -1,
    ]
    assert neither.of(np.zeros(2, dtype=np.int64), np.array([np.nan, 1.0])).tolist() == [0, 0]
