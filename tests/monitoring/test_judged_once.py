"""What people were charged is judged when the log gets it, by what the version that quoted said."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.outcomes import record_outcomes
from insurance_predictor.release.promotion import promote
from insurance_predictor.serving import served_model
from monitoring import console
from monitoring.run import MonitoringOptions, monitor
from tests.app.conftest import copied
from tests.monitoring.logged_quotes import in_folder, log_quotes, population

WEEK = MonitoringOptions(window="7d", dry_run=True)
LONG_AGO = datetime(2025, 3, 1, tzinfo=UTC)
KNOWN_SINCE = "2026-01-31T12:00:00Z"


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    ours = in_folder(settings, tmp_path)
    return ours.model_copy(update={"registry_check_seconds": 0.1})


@pytest.fixture
def served(own: Settings, production) -> served_model.Served:
    return served_model.refresh(own, None)


def charge(own: Settings, served, rows: int, factor: float, folder: Path, **logged) -> None:
    """Quote people a year ago and record what they were charged, as known since a past day."""
    people = population(rows)
    log_quotes(own, served, people, LONG_AGO, **logged)
    holdout = served.documents.holdout
    usual = (holdout["charges"] / holdout["premium"]).sample(rows, replace=True, random_state=1)
    premium = served.predictor.pair.predict(people)["premium"].to_numpy()
    ids = [f"{LONG_AGO:%Y%m%d%H%M}-{number}" for number in range(rows)]
    charges = factor * usual.to_numpy() * premium
    table = pd.DataFrame({"id": ids, "charges": charges, "time": KNOWN_SINCE})
    table.to_csv(folder / "outcomes.csv", index=False)
    record_outcomes(own, folder / "outcomes.csv")


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def test_outcomes_that_carry_an_old_time_are_judged_when_the_log_gets_them(own, served, tmp_path):
    charge(own, served, 300, 1.2, tmp_path)
    done = monitor(own, WEEK, now())
    assert done.assessment.outcomes == 300
    assert "performance.residuals" in {verdict.name for verdict in done.assessment.alarms}
    later = monitor(own, WEEK, now() + timedelta(days=8))
    assert later.assessment.outcomes == 0


def test_charges_of_an_earlier_version_are_judged_by_what_it_had_said(
    own, served, client, production, tmp_path
):
    promote(client, own, copied(client, own, production).number)
    charge(own, served, 300, 1.2, tmp_path, version="1")
    found = monitor(own, WEEK, now()).assessment
    assert (found.version, found.outcomes) == ("2", 0)
    assert found.other_outcomes == {"1": 300}
    [verdict] = [one for one in found.alarms if one.kind == "performance"]
    assert (verdict.name, verdict.rows, verdict.details) == (
        "performance.other_versions",
        300,
        ("1",),
    )
    assert verdict.money > 0
    assert "300 more by other versions" in console.text(monitor(own, WEEK, now()))


def test_charges_as_an_earlier_version_had_said_are_quiet(
    own, served, client, production, tmp_path
):
    promote(client, own, copied(client, own, production).number)
    charge(own, served, 300, 1.0, tmp_path, version="1")
    found = monitor(own, WEEK, now()).assessment
    statuses = {verdict.check: verdict.status for verdict in found.verdicts}
    assert statuses["other_versions"] == "quiet"
    assert statuses["ratio"] == "unknown"


def test_outcomes_of_a_version_that_is_gone_are_counted_and_not_judged(own, served, tmp_path):
    charge(own, served, 300, 1.2, tmp_path, version="7")
    found = monitor(own, WEEK, now()).assessment
    assert found.other_outcomes == {"7": 300}
    [verdict] = [one for one in found.verdicts if one.check == "other_versions"]
    assert (verdict.status, verdict.rows) == ("unknown", 0)
