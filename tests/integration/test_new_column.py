"""A column comes while a model serves: the log goes on, and so does whoever asks for a quote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from app import text as app_text
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.versions import Version
from insurance_predictor.table.read import Table
from tests.process.own_tables import OWN_TABLES, PERSON, UNCHANGED, Team

OWN = OWN_TABLES["deductible"]
QUOTED = 300  # people in a file


@pytest.fixture(scope="module")
def places(store: Settings) -> Mapping[str, str]:
    return {
        "MLFLOW_TRACKING_URI": store.mlflow_tracking_uri,
        "ARTIFACT_LOCATION": str(store.artifact_location),
    }


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("before"), UNCHANGED)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, places: Mapping[str, str]) -> Team:
    """The same program with a column more in its schema, and a run that has learned it."""
    team = Team(tmp_path_factory.mktemp("after"), OWN, **places)
    team.ok("train")
    return team


@pytest.fixture(params=["sqlite", "postgresql"])
def log_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.db"
    return str(request.getfixturevalue("url"))


@pytest.fixture
def teams(
    before: Team,
    after: Team,
    log_url: str,
    settings: Settings,
    production: Version,
    places: Mapping[str, str],
    tmp_path: Path,
) -> tuple[Team, Team]:
    """Both programs on one log, with version 1, which learned from six columns, in production."""
    for name, team in (("before", before), ("after", after)):
        team.environment = {
            **places,
            "MODEL_NAME": settings.model_name,
            "PREDICTION_LOG_URL": log_url,
            "PREDICTION_SPOOL": str(tmp_path / name / "spool"),
            "MODEL_CACHE": str(tmp_path / name / "model"),
            "REPORT_FOLDER": str(tmp_path / name / "reports"),
            "MONITORING_EXPERIMENT_NAME": f"monitoring of {settings.model_name}",
        }
    return before, after


def rows(url: str) -> list[dict[str, Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM predictions ORDER BY time")).mappings().all()
    engine.dispose()
    return [dict(row) for row in found]


def test_a_column_comes_and_nobody_has_to_stop(
    teams: tuple[Team, Team], log_url: str, sample: Table, tmp_path: Path
):
    old, new = teams
    people = sample.frame.drop(columns="charges").head(QUOTED)
    with old.app() as old_app:
        [first] = old_app.form("en", PERSON)["rows"]
        assert len(old_app.batch("en", people)["rows"]) == QUOTED
        assert "deductible" not in first

        # The schema has a column more; the version that serves does not know it.
        with new.app() as new_app:
            told = new_app.form("en", OWN.person)
            note = app_text.LATER_COLUMNS("en", version="1", columns="Deductible")
            assert note in told["notes"]
            assert told["errors"] == []
            [same] = told["rows"]
            assert same["premium"] == pytest.approx(first["premium"])
            assert same["deductible"] is None
            assert "version 1" in new.ok("predict", *new.options(OWN.person))
            assert "version 1" in new.ok("predict", *new.options(PERSON))
            assert "version 1" in old.ok("predict", *old.options(PERSON))
            assert old_app.form("pt", PERSON)["errors"] == []
            quiet = new.monitor()
            assert quiet.code == 0, quiet

            # A version that has learned the column serves.
            assert "is approved" in new.ok("register")
            new.ok("promote")
            assert new_app.refresh() == "2"
            told = new_app.form("en", OWN.person)
            assert told["notes"] == told["errors"] == []
            [row] = told["rows"]
            assert (row["version"], row["deductible"]) == ("2", OWN.person["deductible"])
            drifted = new_app.batch("en", people.assign(deductible=4_900))
            assert [row["deductible"] for row in drifted["rows"]] == [4_900] * QUOTED

        # Who has not got the new schema yet hears what is missing.
        assert old_app.refresh() == "2"
        told = old_app.form("en", PERSON)
        [said] = told["errors"]
        assert said.startswith("Model version 2 needs columns that the schema has lost: Deductible")
        assert told["premiums"] == told["rows"] == []
    refused = old.run("predict", *old.options(PERSON))
    assert refused.code == 2
    assert "needs deductible, which the schema has lost." in refused.err

    found = new.monitor()
    assert found.code == 10, found
    assert "Deductible" in found.out
    [report] = (tmp_path / "after" / "reports").rglob("*version-2/report.html")
    assert "Franquia" in report.read_text()
    logged = pd.DataFrame(rows(log_url))
    assert logged.groupby("version").size().to_dict() == {"1": QUOTED + 6, "2": QUOTED + 1}
    assert logged.groupby("version")["deductible"].count().to_dict() == {"1": 0, "2": QUOTED + 1}
