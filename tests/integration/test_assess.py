"""An assessment over PostgreSQL is the assessment over SQLite."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from insurance_predictor.log.database import PREDICTIONS, reading
from insurance_predictor.serving.served_model import refresh
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Verdict
from monitoring.history.tables import opened
from monitoring.window.reader import ModelLog
from monitoring.window.reference import build
from tests.monitoring.windows import DAY, log, people
from tests.predictions import log_in

ROWS = 700


@pytest.fixture
def served(settings, production, tmp_path):
    return refresh(settings.model_copy(update={"model_cache": tmp_path / "cache"}), None)


@pytest.mark.parametrize("strange", [{}, {"smoker": None}, {"region": "midwest"}, {"bmi": 0.04}])
def test_postgresql_gives_the_assessment_of_sqlite(url, served, settings, tmp_path, strange):
    table = people(ROWS, seed=4)
    answers = served.predictor.pair.predict(table[list(FEATURE_NAMES)])
    given = {name: answers[name] for name in answers} | strange
    assessments = []
    for place in (url, f"sqlite:///{tmp_path}/log.db"):
        own = log_in(tmp_path, place)
        with opened(place) as engine:
            log(engine, table, 300, version=served.facts.version, **given)
        with reading(place) as engine:
            kept = ModelLog(engine, own.model_name, served.facts.incarnation)
            assessments.append(assess(own, served.facts.version, build(served), DAY, kept))
    ours, theirs = assessments
    assert ours.rows == ROWS
    assert ours.outcomes == 300
    assert [plain(verdict) for verdict in ours.verdicts] == [
        plain(verdict) for verdict in theirs.verdicts
    ]
    assert ours.distributions == theirs.distributions
    assert bool(ours.alarms) == bool(strange)


def plain(verdict: Verdict) -> Verdict:
    """Without what depends on the order of rows, which a database is free to choose."""
    is_resampled = verdict.check in ("ratio", "estimated_error")
    digits = 1 if is_resampled else 6
    return replace(
        verdict,
        p_value=None if is_resampled else verdict.p_value and round(verdict.p_value, 6),
        value=verdict.value and round(verdict.value, 6),
        money=verdict.money and round(verdict.money, 4),
        effects={
            name: round(value, digits)
            for name, value in verdict.effects.items()
            if not (is_resampled and name in ("low", "high", "actual_low", "actual_high"))
        },
        details=(),
    )


def test_the_engine_of_an_assessment_cannot_write(url):
    with opened(url):
        pass
    with reading(url) as engine, engine.begin() as connection, pytest.raises(DBAPIError):
        connection.execute(PREDICTIONS.delete())
