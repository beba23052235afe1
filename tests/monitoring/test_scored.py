"""A scored portfolio is assessed as if its people had been logged, and nothing is recorded."""

import json
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base.errors import BadInput, NotFound
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import reading
from insurance_predictor.scoring import portfolio
from insurance_predictor.scoring.score import ScoreOptions, score
from insurance_predictor.serving.served_model import refresh
from insurance_predictor.store.versions import Version
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring import cli
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment
from monitoring.scored import look_at_scored
from monitoring.window.reader import ModelLog
from monitoring.window.reference import build
from tests.monitoring.logged_quotes import NOW, in_folder, population
from tests.monitoring.windows import DAY, database, log

WORDS = {"male": "M", "female": "F", "yes": "sim", "no": "Não"}


@pytest.fixture
def settings(settings: Settings, production: Version, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


@pytest.fixture
def people() -> pd.DataFrame:
    """Somewhat younger than those that the version knows."""
    made = population(600)
    return made.assign(age=(made["age"] - 4).clip(lower=18))


@pytest.fixture
def scored(settings: Settings, tmp_path: Path):
    """Scores people and says where they are."""

    def call(people: pd.DataFrame, name: str = "out") -> str:
        source = tmp_path / f"{name}.parquet"
        people.to_parquet(source)
        return scored_file(source, name)

    def scored_file(source: Path, name: str) -> str:
        score(settings, str(source), str(tmp_path / name), ScoreOptions(jobs=1))
        return str(tmp_path / name)

    call.file = scored_file
    return call


def look(settings: Settings, out: str) -> Assessment:
    return look_at_scored(settings, out, now=NOW).assessment


def judged(assessment: Assessment, *kinds: str) -> list:
    return [one for one in assessment.verdicts if one.kind in kinds]


def logged(settings: Settings, people: pd.DataFrame, folder: Path) -> Assessment:
    """The assessment of the same people, had they been quoted one by one."""
    served = refresh(settings, None)
    answers = served.predictor.pair.predict(people[list(FEATURE_NAMES)]).round(2)
    with database(folder) as engine:
        given = {name: answers[name] for name in answers}
        log(engine, people.assign(charges=0.0), **given)
        with reading(str(engine.url)) as reader:
            kept = ModelLog(reader, "insurance_predictor")
            return assess(settings, served.facts.version, build(served), DAY, kept)


def test_it_is_assessed_as_if_it_had_been_logged(settings, people, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", 250)
    (tmp_path / "log").mkdir()
    found, usual = look(settings, scored(people)), logged(settings, people, tmp_path / "log")
    assert len(list((tmp_path / "out").glob("part-*"))) == 3
    assert judged(found, "schema", "drift") == judged(usual, "schema", "drift")
    assert found.distributions == usual.distributions
    assert found.power == usual.power
    assert found.average_premium == usual.average_premium
    assert (found.rows, found.version, found.status) == (600, "1", "alarm")
    assert {one.name for one in found.alarms} == {"drift.age", "drift.premium"}
    undecided = judged(found, "performance", "service")
    assert {one.status for one in undecided if one.check != "estimated_error"} == {"unknown"}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_values_are_understood_as_the_version_understood_them(
    settings, people, scored, tmp_path, kind
):
    plain = look(settings, scored(people))
    odd = people.replace(WORDS).rename(columns={"age": "Idade", "bmi": "IMC (kg/m²)"})
    odd["IMC (kg/m²)"] = [f"{bmi:.3f}".replace(".", ",") for bmi in people["bmi"]]
    path = tmp_path / f"odd.{kind}"
    odd.to_parquet(path) if kind == "parquet" else odd.to_csv(path, sep=";", index=False)
    found = look(settings, scored.file(path, "odd"))
    assert judged(found, "schema", "drift") == judged(plain, "schema", "drift")


def test_who_could_not_be_quoted_is_a_fault_of_the_data(settings, people, scored):
    people = people.astype(object)
    people.loc[:4, "region"] = "Atlantis"
    people.loc[5:7, "bmi"] = None
    people.loc[8, "age"] = 17
    done = look_at_scored(settings, scored(people), now=NOW)
    assert (done.assessment.rows, done.faulty) == (591, 9)
    faults = {one.check: one for one in judged(done.assessment, "schema") if one.status == "alarm"}
    assert {name: one.effects["rows"] for name, one in faults.items()} == {
        "unseen.region": 5.0,
        "null.bmi": 3.0,
        "outside.age": 1.0,
    }
    assert faults["unseen.region"].details == ("Atlantis",)
    assert faults["unseen.region"].value == 5 / 600
    assert {one.money for one in faults.values()} == {None}


def test_nothing_is_recorded_and_the_page_says_what_it_is_of(settings, people, scored, tmp_path):
    out = scored(people)
    before = sorted(path for path in (tmp_path / "out").rglob("*"))
    done = look_at_scored(settings, out, now=NOW)
    assert done.report is not None
    page = done.report.read_text()
    assert f"Portfolio scored by version 1 · {out}" in page
    assert "Over time" not in page
    assert sorted(path for path in (tmp_path / "out").rglob("*")) == before
    assert not (tmp_path / "log.db").exists()
    assert not (tmp_path / "spool").exists()
    again = look_at_scored(settings, out, dry_run=True, now=NOW)
    assert again.report is None
    assert again.assessment == done.assessment


def test_workers_find_what_one_machine_finds(settings, people, scored, monkeypatch):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", 200)
    out = scored(people)
    many = settings.model_copy(update={"scheduler": "local"})
    assert look(many, out) == look(settings, out)


def test_a_folder_that_is_not_finished_is_refused(settings, people, scored, tmp_path):
    out = scored(people)
    (tmp_path / "out" / "_manifest.json").unlink()
    with pytest.raises(BadInput, match="not finished"):
        look(settings, out)
    with pytest.raises(BadInput, match="not finished"):
        look(settings, str(tmp_path / "nothing"))
    with pytest.raises(BadInput, match="SCORED="):
        look(settings, "ftp://x/y")


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_part_that_is_not_as_it_was_written_is_named(settings, people, scored, tmp_path, damage):
    out = scored(people)
    (part,) = (tmp_path / "out").glob("part-*")
    if damage == "gone":
        part.unlink()
    else:
        pd.read_parquet(part).assign(premium=1.0).to_parquet(part)
    with pytest.raises(BadInput, match=f"{part.name} is (gone|not as it was written)"):
        look(settings, out)


def test_what_another_version_or_model_scored_is_refused(settings, people, scored, tmp_path):
    out = scored(people)
    with pytest.raises(BadInput, match="MODEL_NAME is 'another'"):
        look(settings.model_copy(update={"model_name": "another"}), out)
    path = tmp_path / "out" / "_manifest.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"version_sha256": "0" * 64}))
    with pytest.raises(BadInput, match="does not have"):
        look(settings, out)
    path.write_text(json.dumps(facts | {"version": "99"}))
    with pytest.raises(NotFound, match="99"):
        look(settings, out)


def test_a_portfolio_of_nobody_is_refused(settings, people, scored):
    out = scored(people.astype({"age": float}).assign(age=17.0))
    with pytest.raises(BadInput, match="nobody who could be quoted"):
        look(settings, out)


def test_the_command_prints_the_table(settings, people, scored, monkeypatch, capsys):
    out = scored(people)
    monkeypatch.setattr(cli, "_settings", lambda: settings)
    cli.run(scored=out)
    said = capsys.readouterr().out
    assert f"{out}: 600 people scored by version 1: alarm." in said
    assert "Performance and service are not judged" in said
    assert "report.html" in said
    cli.run(scored=out, as_json=True, dry_run=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["faulty"], told["report"]) == ("alarm", 0, None)
    with pytest.raises(Exception, match="no window"):
        cli.run(scored=out, window="7d")
