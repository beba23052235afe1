"""The app as the user that the stack makes for it: one who may look, and change nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.server.auth.client import AuthServiceClient

from app import serving, text
from insurance_predictor.base.settings import Settings
from monitoring.history import mlflow_runs
from monitoring.words import dashboard_words
from tests.app.conftest import page, press, words
from tests.integration.stack import READER
from tests.mlflow_users import Mlflow, as_in_its_container, in_production, refused
from tests.monitoring import example_assessments as examples

pytestmark = pytest.mark.process


@pytest.fixture
def mlflow(tmp_path: Path) -> Mlflow:
    return as_in_its_container(tmp_path / "server")


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def sign_in(name: str, password: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return sign_in


def test_the_reader_serves_the_app_and_changes_nothing(
    mlflow: Mlflow, sign_in, place: Callable[..., None], elsewhere: None, tmp_path: Path
):
    mlflow.had_a_user_of_other_rights(READER)
    with mlflow.running() as server:
        settings = Settings(mlflow_tracking_uri=server.uri)
        sign_in("admin", mlflow.password("ADMIN"))
        run_id = in_production(settings, tmp_path)
        mlflow_runs.begin(settings, examples.alarming(model_name=settings.model_name))

        sign_in(READER, mlflow.password("READER"))
        place("MLFLOW_TRACKING_URI", server.uri)
        place("MODEL_NAME", settings.model_name)
        serving.try_again()
        quoted = press(page("en"), text.CALCULATE("en"))
        assert not quoted.exception
        assert serving.served().facts.version == "1"
        assert re.search(r"[1-9][\d,]* a year|US\$", words(quoted))
        for name in ("batch", "model", "monitoring"):
            visit = page("en", name)
            assert not visit.exception
            assert not visit.error
            assert text.UNREACHABLE("en") not in words(visit)
        assert dashboard_words.NOTHING_YET("en") not in words(visit)

        refused(settings, run_id)
        assert not AuthServiceClient(server.uri).get_user(READER).is_admin
