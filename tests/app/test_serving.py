"""What serves: from the disk at once, from the registry behind it, and what when neither can."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import serving, text
from app.frame import FIRST_STEPS
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.model.run_layout import MODEL_URI_TAG
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving import served_model
from insurance_predictor.store import versions
from insurance_predictor.store.versions import Version, logged_model_id
from tests.app.conftest import PATIENCE, copied, events, logged_rows, page, press, until, words
from tests.predictions import kept
from tests.servers import Quiet, host

PAGES = ("quote", "batch", "model")
TABLE = b"age,sex,bmi,children,smoker,region\n40,female,28.5,1,no,southeast\n"
BROKEN_DATABASE = b"SQLite format 3\0" + bytes(200)


@pytest.mark.parametrize(("name", "language"), [*((name, "pt") for name in PAGES), ("quote", "en")])
def test_with_nothing_to_serve_the_page_says_what_to_do(
    place: Callable[..., None], language: str, name: str, capsys: pytest.CaptureFixture[str]
):
    visit = page(language, name)
    shown = words(visit)
    assert text.NO_MODEL(language) in shown
    assert FIRST_STEPS in shown
    told = events(capsys.readouterr().err)
    assert [event["error"] for event in told] == ["NoProductionModel", "NoProductionModel"]


def failures() -> list[tuple]:
    """What was asked for in vain, by the log."""
    assert serving.prediction_log().flush(PATIENCE)
    url = serving.settings().prediction_log_url
    if not Path(url.removeprefix("sqlite:///")).exists():
        return []
    names = ("model", "version", "source", "error")
    return [tuple(row[name] for name in names) for row in kept(url, FAILURES)]


def test_with_nothing_to_serve_each_quote_that_is_asked_for_is_a_failure(
    place: Callable[..., None], settings: Settings
):
    visit = page("en").run()
    assert failures() == []  # who looks has asked for nothing
    asked = (settings.model_name, None, "app", "NoProductionModel")
    visit = press(visit, text.CALCULATE("en")).run()
    assert failures() == [asked]
    visit = press(visit, text.TRY_AGAIN("en"))
    assert failures() == [asked]
    press(visit, text.CALCULATE("en"))
    assert failures() == [asked] * 2
    person = {"age": "30", "sex": "male", "bmi": "33.5", "children": "0"}
    page("en", **person, smoker="yes", region="northwest").run()
    assert failures() == [asked] * 3


def test_with_nothing_to_serve_each_table_that_is_brought_is_a_failure(
    place: Callable[..., None], settings: Settings
):
    visit = page("en", "batch")
    visit.file_uploader[0].upload("people.csv", TABLE, "text/csv").run()
    visit = press(visit.run(), text.TRY_AGAIN("en"))
    assert failures() == [(settings.model_name, None, "batch", "NoProductionModel")]


def test_trying_again_finds_what_has_been_promoted_meanwhile(
    place: Callable[..., None], client, settings: Settings, trained, language: str
):
    visit = page(language)
    promote(client, settings, register(client, settings, trained.run_id).version.number)
    assert text.NO_MODEL(language) in words(visit.run())
    visit = press(visit, text.TRY_AGAIN(language))
    assert text.NO_MODEL(language) not in words(visit)
    assert press(visit, text.CALCULATE(language)).header


def test_a_registry_that_cannot_be_asked_and_nothing_on_disk(
    own_store: Path, language: str, capsys: pytest.CaptureFixture[str]
):
    own_store.write_bytes(BROKEN_DATABASE)
    shown = words(page(language))
    assert text.UNREACHABLE(language) in shown
    assert {event["error"] for event in events(capsys.readouterr().err)} == {"Unreachable"}


def test_settings_that_cannot_be_used(place: Callable[..., None], language: str):
    place("PRODUCTION_ALIAS", "latest")
    serving.try_again()
    shown = words(page(language))
    assert text.BAD_SETTINGS(language) in shown
    assert "PRODUCTION_ALIAS" in shown
    place("PRODUCTION_ALIAS", "producao")
    serving.try_again()


def test_a_first_version_that_is_refused(
    place: Callable[..., None], client, settings: Settings, production: Version, language: str
):
    bad = copied(client, settings, production, preprocessor_sha256="0" * 64)
    versions.set_alias(client, settings, settings.production_alias, bad.number)
    shown = words(page(language))
    assert text.NOT_SERVABLE(language) in shown
    assert "Version 2 is refused" in shown


def test_the_version_on_disk_answers_although_the_registry_is_gone(
    production: Version, own_store: Path, language: str, monkeypatch: pytest.MonkeyPatch
):
    serving.served()
    own_store.write_bytes(BROKEN_DATABASE)
    serving.try_again()
    monkeypatch.setattr(serving, "HEAD_START", 0.0)
    visit = press(page(language), text.CALCULATE(language))
    assert visit.header
    until(lambda: serving.served().problem is not None)
    [warning] = visit.run().warning
    assert warning.value.startswith(text.OUTAGE(language, version="1", ago="X").partition("X")[0])


def test_quotes_during_an_outage_are_logged_as_stale(
    production: Version, own_store: Path, monkeypatch: pytest.MonkeyPatch
):
    serving.served()
    own_store.write_bytes(BROKEN_DATABASE)
    serving.try_again()
    monkeypatch.setattr(serving, "HEAD_START", 0.0)
    visit = page("en")
    until(lambda: serving.served().problem is not None)
    press(visit, text.CALCULATE("en"))
    assert [row["stale"] for row in logged_rows()] == [1]


def test_a_promotion_shows_up_without_anybody_waiting(
    quoting: Version,
    client,
    settings: Settings,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
):
    visit = press(page(language), text.CALCULATE(language))
    newer = copied(client, settings, quoting)
    promote(client, settings, newer.number)
    serving.try_again()  # as another process that finds version 1 on its disk
    monkeypatch.setattr(serving, "HEAD_START", 0.0)
    visit.run()
    until(lambda: serving.served().predictor.version == "2")
    visit.run()
    assert text.NEWER(language, version="2") in words(visit)
    visit = press(visit, text.CALCULATE(language))
    assert text.ANSWERED(language, version="2", time="X").partition("X")[0] in words(visit)


def test_a_refused_version_is_shown_and_logged_and_the_good_one_stays(
    quoting: Version,
    client,
    settings: Settings,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    bad = copied(client, settings, quoting, preprocessor_sha256="0" * 64)
    versions.set_alias(client, settings, settings.production_alias, bad.number)
    serving.try_again()
    monkeypatch.setattr(serving, "HEAD_START", 0.0)
    page(language)
    until(lambda: serving.served().refusal is not None)
    visit = page(language, "model")
    assert text.REFUSED(language, version="1") in words(visit)
    assert "Version 2 is refused" in visit.code[0].value
    assert press(page(language), text.CALCULATE(language)).header
    assert "version_refused" in [event["event"] for event in events(capsys.readouterr().err)]


def test_what_crashes_is_one_sentence_and_a_line_in_the_log(
    quoting: Version, language: str, capsys: pytest.CaptureFixture[str]
):
    visit = page(language)
    # What a bug would do: the button is pressed on a person that the schema does not know.
    visit.session_state["answer"] = "not an answer"
    visit.run()
    assert [error.value for error in visit.error] == [text.UNEXPECTED(language)]
    [event] = [event for event in events(capsys.readouterr().err) if event["level"] == "ERROR"]
    assert (event["event"], event["error"]) == ("page_crashed", "AttributeError")


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of Streamlit's secrets, which is not there yet."""
    monkeypatch.setenv("PRODUCTION_ALIAS", "")  # and is put back afterwards
    (tmp_path / ".streamlit").mkdir()
    path = tmp_path / ".streamlit" / "secrets.toml"
    yield path
    path.unlink(missing_ok=True)
    serving.try_again()


def test_the_secrets_of_streamlit_are_settings_as_they_are_when_one_tries_again(
    place: Callable[..., None], secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MODEL_NAME", "")
    (tmp_path / ".env").write_text("MODEL_NAME=from_env\n")
    for content, name in (
        (None, "from_env"),
        ('MODEL_NAME = "made"\n', "made"),
        ('MODEL_NAME = "changed"\n', "changed"),
        ("", "from_env"),
        ('MODEL_NAME = "again"\n', "again"),
        (None, "from_env"),
    ):
        secrets.unlink(missing_ok=True)
        if content is not None:
            secrets.write_text(content)
        serving.try_again()
        assert serving.settings().model_name == name


def test_a_secret_that_was_corrected_is_used_when_one_tries_again(
    quoting: Version, secrets: Path, language: str
):
    secrets.write_text('PRODUCTION_ALIAS = "latest"\n')
    serving.try_again()
    visit = page(language)
    assert text.BAD_SETTINGS(language) in words(visit)
    secrets.write_text('PRODUCTION_ALIAS = "producao"\n')
    visit = press(visit, text.TRY_AGAIN(language))
    assert press(visit, text.CALCULATE(language)).header


@pytest.mark.parametrize("content", [b"MODEL_NAME = from_secrets\n", b"MODEL_NAME = '\xff'\n"])
def test_secrets_that_cannot_be_read_are_no_settings_left_out(
    quoting: Version, secrets: Path, language: str, content: bytes
):
    secrets.write_bytes(content)
    serving.try_again()
    visit = page(language)
    assert text.BAD_SETTINGS(language) in words(visit)
    assert "secrets.toml cannot be read. Write it as TOML" in words(visit)
    secrets.write_text('PRODUCTION_ALIAS = "producao"\n')
    visit = press(visit, text.TRY_AGAIN(language))
    assert press(visit, text.CALCULATE(language)).header


def test_a_value_that_was_corrected_in_the_file_is_used_when_one_tries_again(
    quoting: Version, tmp_path: Path, language: str
):
    (tmp_path / ".env").write_text("PRODUCTION_ALIAS=latest\n")
    serving.try_again()
    visit = page(language)
    assert text.BAD_SETTINGS(language) in words(visit)
    (tmp_path / ".env").write_text("PRODUCTION_ALIAS=producao\n")
    visit = press(visit, text.TRY_AGAIN(language))
    assert press(visit, text.CALCULATE(language)).header


def test_a_log_whose_place_was_corrected_is_the_one_that_is_used(
    quoting: Version, tmp_path: Path, place: Callable[..., None]
):
    before = serving.prediction_log()
    place("PREDICTION_LOG_URL", f"sqlite:///{tmp_path}/other.db")
    serving.try_again()
    assert serving.prediction_log() is not before
    press(page("en"), text.CALCULATE("en"))
    assert len(logged_rows()) == 1


def test_nobody_waits_for_a_storage_that_hangs_and_one_thread_asks_it(
    place: Callable[..., None],
    production: Version,
    client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
):
    arrived, over, asked = threading.Event(), threading.Event(), []

    class Storage(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            asked.append(self.path)
            arrived.set()
            over.wait(PATIENCE)
            self.send_error(503)

    with host(Storage) as port:
        place("REGISTRY_CHECK_SECONDS", "0.1")
        place("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(PATIENCE)))
        place("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        storage = f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts"
        place("ARTIFACT_LOCATION", storage)
        far = copied(client, settings, production)
        versions.set_alias(client, settings, settings.production_alias, far.number)
        local = keep_model_files_at(f"{storage}/model", settings, client, production)
        monkeypatch.setattr(served_model, "FIRST_PATIENCE", 1.0)
        serving.try_again()
        shown = words(page(language))
        assert arrived.wait(PATIENCE)
        assert text.UNREACHABLE(language) in shown
        before = threading.active_count()
        for _ in range(5):
            visit = page(language)
            assert text.UNREACHABLE(language) in words(visit)
            press(visit, text.TRY_AGAIN(language))
        until(lambda: threading.active_count() <= before)
        assert len(asked) == len(set(asked))  # one look, and in it each file once
        versions.set_alias(client, settings, settings.production_alias, production.number)
        keep_model_files_at(local, settings, client, production)
        over.set()
        until(lambda: text.UNREACHABLE(language) not in words(tried_again(language)))


def keep_model_files_at(place: str, settings: Settings, client, version: Version) -> str:
    """Have the store say that the files of the version's model are at `place`; where they were."""
    model = logged_model_id(client.get_run(version.run_id).data.tags[MODEL_URI_TAG])
    before = client.get_logged_model(model).artifact_location
    with sqlite3.connect(settings.mlflow_tracking_uri.removeprefix("sqlite:///")) as database:
        database.execute(
            "update logged_models set artifact_location = ? where model_id = ?", (place, model)
        )
    return str(before)


def tried_again(language: str):
    visit = page(language)
    known = [button.label for button in visit.button]
    return press(visit, text.TRY_AGAIN(language)) if text.TRY_AGAIN(language) in known else visit
