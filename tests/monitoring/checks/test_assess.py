"""One assessment over a real log, by a version that was trained, registered and promoted."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import NotFound, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES, insert, reading
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.quoting import recording_failure
from insurance_predictor.serving.served_model import read, refresh
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment, Window
from monitoring.history.tables import opened
from monitoring.window.reader import ModelLog
from monitoring.window.reference import build
from tests.monitoring.windows import DAY, START, log, people
from tests.predictions import log_in


@pytest.fixture
def served(settings: Settings, production, tmp_path):
    return refresh(settings.model_copy(update={"model_cache": tmp_path / "cache"}), None)


@pytest.fixture
def log_settings(settings: Settings, tmp_path) -> Settings:
    where = log_in(tmp_path)
    names = ("prediction_log_url", "prediction_spool")
    return settings.model_copy(update={name: getattr(where, name) for name in names})


@pytest.fixture
def assessment(log_settings, served):
    """An assessment of what has been logged until then."""

    def at(window: Window = DAY) -> Assessment:
        with reading(log_settings.prediction_log_url) as engine:
            log = ModelLog(engine, log_settings.model_name, served.facts.incarnation)
            return assess(log_settings, served.facts.version, build(served), window, log)

    return at


def quote(settings: Settings, served, rows: int, outcomes: int = 0, **columns) -> None:
    """Log people of the sample's population with the served version's own premiums."""
    table = people(rows, seed=4)
    answers = served.predictor.pair.predict(table[list(FEATURE_NAMES)])
    with opened(settings.prediction_log_url) as engine:
        log(engine, table, outcomes, **{name: answers[name] for name in answers} | columns)


def test_an_assessment_has_a_verdict_for_everything(log_settings, served, assessment):
    quote(log_settings, served, 400, outcomes=200)
    quote(log_settings, served, 30, version="7", start=START + timedelta(hours=2), stale=True)
    with opened(log_settings.prediction_log_url) as engine:
        failure = {"id": "f", "time": START, "version": None, "source": "app", "error": "KeyError"}
        insert(engine, FAILURES, [failure | {"latency_ms": None}])

    found = assessment()

    names = {verdict.name for verdict in found.verdicts}
    assert len(names) == len(found.verdicts) == 12 + 7 + 5 + 4
    assert (found.version, found.rows, found.outcomes) == ("1", 400, 200)
    assert found.other_versions == {"7": 30}
    assert [verdict.name for verdict in found.alarms] == []
    assert {distribution.feature for distribution in found.distributions} == {
        *FEATURE_NAMES,
        "premium",
    }
    for distribution in found.distributions:
        assert sum(distribution.reference) == pytest.approx(1)
        assert sum(distribution.window) == pytest.approx(1)
        assert len(distribution.labels) == len(distribution.window) <= 12
    assert {card.check for card in found.power} == {"bmi", "age", "smoker", "charges"}
    assert found.average_premium == pytest.approx(13_500, rel=0.1)
    verdicts = {verdict.name: verdict for verdict in found.verdicts}
    assert verdicts["service.stale"].value == pytest.approx(30 / 430)
    assert verdicts["service.error_rate"].value == pytest.approx(1 / 431)


def test_an_outage_in_which_nothing_was_served_is_an_error_rate(log_settings, assessment):
    with PredictionLog(log_settings) as log:
        for _ in range(3):
            with suppress(Unreachable), recording_failure(log, "app"):
                raise Unreachable
    now = datetime.now(UTC)
    found = assessment(Window(now - timedelta(hours=1), now + timedelta(hours=1), now))
    assert "service.error_rate" in {verdict.name for verdict in found.alarms}
    [verdict] = [verdict for verdict in found.verdicts if verdict.check == "error_rate"]
    assert (verdict.value, verdict.rows) == (1.0, 3)


def test_alarms_come_with_the_most_expensive_first(log_settings, served, assessment):
    quote(log_settings, served, 200, smoker="yes", premium=40_000.0, sex=None)

    alarms = assessment().alarms

    money = [abs(verdict.money or 0) for verdict in alarms]
    assert money == sorted(money, reverse=True)
    assert {"drift.smoker", "drift.premium", "schema.null.sex"} <= {v.name for v in alarms}


def test_unknown_words_are_shown_with_their_verdict(log_settings, served, assessment):
    quote(log_settings, served, 1, region="<script>")

    verdict = next(v for v in assessment().verdicts if v.name == "schema.unseen.region")

    assert (verdict.status, verdict.details) == ("alarm", ("<script>",))


def test_an_empty_window_is_assessed_without_a_verdict(assessment):
    found = assessment()

    assert (found.rows, found.average_premium, found.distributions, found.power) == (
        0,
        None,
        (),
        (),
    )
    statuses = {verdict.name: verdict.status for verdict in found.verdicts}
    assert statuses.pop("service.backlog") == "quiet"
    assert set(statuses.values()) == {"unknown"}


def test_values_of_nothing_but_null_are_assessed(log_settings, served, assessment):
    quote(log_settings, served, 150, **dict.fromkeys(FEATURE_NAMES))

    found = assessment()

    assert {verdict.name for verdict in found.alarms} == {
        *(f"schema.null.{name}" for name in FEATURE_NAMES)
    }
    assert [distribution.feature for distribution in found.distributions] == ["premium"]


def test_a_version_without_its_rows_cannot_be_compared(served):
    bare = replace(served, documents=replace(served.documents, holdout=None))

    with pytest.raises(NotFound, match=r"Version 1 has no evaluation/holdout\.csv"):
        build(bare)


def test_of_a_large_holdout_a_part_is_enough(served):
    holdout = served.documents.holdout
    many = pd.concat([holdout] * (6_000 // len(holdout) + 1), ignore_index=True)
    large = replace(served, documents=replace(served.documents, holdout=many))

    reference = build(large)

    assert len(reference.holdout) == 5_000
    assert len(reference.people) == 5_000 + len(served.documents.reference)
    assert reference.holdout.equals(build(large).holdout)


def test_what_training_kept_is_what_the_version_asks(served, settings, tmp_path):
    kept = read(settings.model_copy(update={"model_cache": tmp_path / "cache"}), to_predict=False)
    former = replace(served, documents=replace(served.documents, fitted=None))

    reference, predicted = build(kept), build(former)

    assert reference.people.equals(predicted.people)
    np.testing.assert_allclose(reference.premium, predicted.premium, rtol=1e-12)
    assert not vars(kept.predictor.pair).keys() & {"model", "preprocessor"}  # nothing is loaded
    asked = kept.predictor.pair.predict(reference.people)["premium"]
    np.testing.assert_array_equal(asked, predicted.premium)
