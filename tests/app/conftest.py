"""The app over the session's store, with a cache, a spool and a log of its own for each test."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import serving
from insurance_predictor.base.settings import Settings, read_settings
from insurance_predictor.model.run_layout import APPROVED, STATUS_TAG
from insurance_predictor.serving import served_model
from insurance_predictor.store import versions
from insurance_predictor.store.versions import Version
from tests.repository import ROOT

LOCALES = {"pt": "pt-BR", "en": "en-US"}
PATIENCE = 60.0  # seconds
in_both_languages = pytest.mark.parametrize("language", ["pt", "en"])
OUR_SETTINGS = ("MLFLOW_TRACKING_URI", "MODEL_NAME", "MODEL_CACHE", "PREDICTION_LOG_URL")
OUR_SETTINGS += ("PREDICTION_SPOOL", "UPLOAD_FOLDER")


@pytest.fixture
def language() -> str:
    """What the visitor of a test reads; a test of a page's words is given both."""
    return "pt"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer to read a small SQLite file than people should wait."""
    monkeypatch.setattr(served_model, "ANSWER_PATIENCE", PATIENCE)


@pytest.fixture
def place(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Sets the app up in an empty folder, with a model name that nobody has registered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.mlflow_tracking_uri)
    monkeypatch.setenv("MODEL_NAME", settings.model_name)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "model"))
    monkeypatch.setenv("PREDICTION_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("UPLOAD_FOLDER", str(tmp_path / "uploads"))
    monkeypatch.setenv("PREDICTION_LOG_URL", f"sqlite:///{tmp_path}/log.db")
    serving.try_again()
    serving.prediction_log.clear()
    yield monkeypatch.setenv
    serving.prediction_log().close()
    serving.prediction_log.clear()
    serving.try_again()


@pytest.fixture
def own_store(store: Settings, place: Callable[..., None], tmp_path: Path, elsewhere: None) -> Path:
    """A copy of the session's database that a test may take away; the app uses it."""
    copy = tmp_path / "copy.db"
    original = store.mlflow_tracking_uri.removeprefix("sqlite:///")
    with sqlite3.connect(original) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    place("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    serving.try_again()
    return copy


@pytest.fixture
def quoting(place: Callable[..., None], production: Version) -> Version:
    """The app with version 1 in production, fetched already."""
    serving.served()
    return production


def copied(client: Any, settings: Settings, version: Version, **tags: str) -> Version:
    """Another version made of the same run, approved unless `tags` say otherwise."""
    return versions.create_version(
        client,
        settings,
        source=version.source,
        run_id=version.run_id,
        description="again",
        tags={**version.tags, STATUS_TAG: APPROVED, **tags},
    )


def page(language: str, name: str = "quote", **parameters: str) -> AppTest:
    """One visit to a page, run once, by a browser that speaks `language`."""
    visit = AppTest.from_file(str(ROOT / "app" / "app.py"), default_timeout=PATIENCE)
    visit.context["locale"] = LOCALES[language]
    visit.context["timezone"] = "America/Sao_Paulo"
    visit.context["url"] = "http://127.0.0.1:8501"
    for key, value in parameters.items():
        visit.query_params[key] = value
    visit._page_hash = calc_hash(name)  # AppTest.switch_page knows pages that are files only
    return visit.run()


def words(visit: AppTest) -> str:
    """All that a person reads on the page, outside of tables."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "code")
    kinds += ("warning", "error", "info", "success")
    return "\n".join(str(element.value) for kind in kinds for element in visit.get(kind))


def press(visit: AppTest, label: str) -> AppTest:
    """Press the one button with `label`."""
    [button] = [button for button in visit.button if button.label == label]
    return button.click().run()


def logged_rows() -> list[dict[str, Any]]:
    """The rows of the prediction log, oldest first."""
    assert serving.prediction_log().flush(PATIENCE)
    location = read_settings().prediction_log_url.removeprefix("sqlite:///")
    with sqlite3.connect(location) as connection:
        connection.row_factory = sqlite3.Row
        known = connection.execute("select name from sqlite_master where name = 'predictions'")
        if known.fetchone() is None:  # the first row makes the table
            return []
        return [dict(row) for row in connection.execute("select * from predictions order by time")]


def events(errors: str) -> list[dict[str, Any]]:
    """The JSON lines of the app in what went to stderr."""
    lines = [line for line in errors.splitlines() if line.startswith('{"time"')]
    return [event for event in map(json.loads, lines) if event["logger"].endswith(".events")]


def until(found: Callable[[], bool]) -> None:
    """Return once `found` says so."""
    end = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
