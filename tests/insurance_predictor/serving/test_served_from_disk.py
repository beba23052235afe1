"""What is kept on disk serves when it is what was checked, whatever the registry does meanwhile."""

import json
import shutil
import subprocess
import sys
import time

import joblib
import pytest

from insurance_predictor.base.errors import (
    IntegrityFault,
    InvalidSettings,
    NoProductionModel,
    Unreachable,
)
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import folder_sha256
from insurance_predictor.model.run_layout import (
    MODEL_FILE,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    REFERENCE,
    SERVING,
)
from insurance_predictor.serving.served_model import ANSWER_PATIENCE, Served, read, refresh
from insurance_predictor.serving.version_cache import RECORD, find, own_folder
from insurance_predictor.store.tracking import CONNECT_TIMEOUT
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled, sealed
from tests.insurance_predictor.serving.test_predictor import PERSON
from tests.insurance_predictor.serving.test_served_model import (
    HANG,
    PATIENCE,
    copies,
    kept_files,
    premium,
    put_in_production,
)
from tests.servers import host_that_answers, host_that_only_greets, silent_host

READ_COLD = """
import json, sys
from pathlib import Path
from insurance_predictor.serving.served_model import read
from insurance_predictor.base.settings import Settings
served = read(Settings.model_validate_json(sys.argv[1]))
quote = served.predictor.quote(json.loads(sys.argv[2]))
print(json.dumps([quote.premium, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def kept_once(client, store, trained, tmp_path_factory) -> tuple[Settings, Served]:
    """A version in production that no test here changes, and the folder that keeps it."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    settings = store.model_copy(update={"model_name": "unchanged", "model_cache": folder})
    put_in_production(client, settings, trained.run_id)
    return settings, refresh(settings, None)


@pytest.fixture
def settings(kept_once, tmp_path):
    """Those of `kept_once`, with a copy of its folder that a test may spoil."""
    settings, _ = kept_once
    shutil.copytree(settings.model_cache, tmp_path / "cache")
    return settings.model_copy(update={"model_cache": tmp_path / "cache"})


@pytest.fixture
def served(kept_once) -> Served:
    return kept_once[1]


@pytest.fixture
def hosted(served, settings, elsewhere):
    """`served`, as if its registry were at another port of this machine."""

    def at(port: int) -> Settings:
        return settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{port}"})

    return at


@pytest.mark.parametrize(
    "file",
    [PREPROCESSOR_SKOPS, SERVING, MODEL_FILE, "model/MLmodel", REFERENCE, "model_card.md"],
)
@pytest.mark.parametrize("spoil", ["tampered", "lost"])
def test_a_folder_that_is_not_what_was_kept_is_not_served_but_fetched_anew(
    file, spoil, served, settings, caplog
):
    path = kept_files(settings) / file
    content = path.read_bytes()
    path.unlink()
    if spoil == "tampered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert read(settings) is None
    assert "Version 1 is refused: its files in" in caplog.text
    assert premium(refresh(settings, None)) == premium(served)
    assert premium(read(settings)) == premium(served)
    assert copies(settings) == 1


@pytest.mark.parametrize("file", [PREPROCESSOR_SKOPS, SERVING, MODEL_FILE, REFERENCE])
def test_who_does_not_predict_reads_nothing_that_was_not_kept_either(file, served, settings):
    path = kept_files(settings) / file
    content = path.read_bytes()
    whole = read(settings, to_predict=False)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    assert read(settings, to_predict=False) is None
    with pytest.raises(IntegrityFault, match="Version 1"):
        whole.predictor.pair.predict(whole.documents.reference)


def test_who_does_not_predict_is_told_of_facts_that_were_doctored(served, settings):
    record = own_folder(settings) / RECORD
    facts = json.loads(record.read_text())
    facts["facts"]["digests"]["manifest_sha256"] = "0" * 64
    record.write_text(json.dumps(facts))

    assert read(settings, to_predict=False) is None


def test_nothing_on_disk_is_unpickled_before_it_is_compared(served, settings, tmp_path):
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), kept_files(settings) / PREPROCESSOR_SKOPS)
    assert read(settings) is None
    assert not made.exists()


def test_whoever_can_write_the_folder_can_still_run_no_code(served, settings, tmp_path):
    made = tmp_path / "made by unpickling"
    folder = kept_files(settings)
    for file in (PREPROCESSOR, PREPROCESSOR_SKOPS, MODEL_FILE):
        joblib.dump(WritesWhenUnpickled(made), folder / file)
        digests = sealed(folder)
        record = own_folder(settings) / RECORD
        facts = json.loads(record.read_text())
        facts["facts"]["digests"] = digests.as_tags()
        facts["sha256"] = folder_sha256(folder)
        record.write_text(json.dumps(facts))
        read(settings)
        assert not made.exists()
    assert find(settings).facts.digests == digests
    assert read(settings) is None


def test_files_that_agree_with_facts_that_were_doctored_too_do_not_serve(served, settings):
    record = own_folder(settings) / RECORD
    facts = json.loads(record.read_text())
    facts["facts"]["digests"]["preprocessor_sha256"] = "0" * 64
    record.write_text(json.dumps(facts))
    assert read(settings) is None


def test_a_folder_without_its_files_or_facts_is_fetched_anew(served, settings):
    shutil.rmtree(kept_files(settings))
    assert read(settings) is None
    assert premium(refresh(settings, None)) == premium(served)
    (own_folder(settings) / RECORD).write_text("{")
    assert read(settings) is None
    assert premium(refresh(settings, None)) == premium(served)
    assert premium(read(settings)) == premium(served)
    assert copies(settings) == 1


def test_what_is_kept_never_serves_for_another_model_or_alias(client, served, settings):
    for changes in (
        {"model_name": "another"},
        {"production_alias": "canary"},
        {"mlflow_tracking_uri": "http://127.0.0.1:9"},
    ):
        other = settings.model_copy(update=changes)
        assert read(other) is None
        with pytest.raises((NoProductionModel, Unreachable)):
            refresh(other, None)
    assert premium(read(settings)) == premium(served)


@pytest.mark.process
def test_reading_loads_nothing_that_asks_a_registry_draws_or_checks_tables(served, settings):
    given = json.loads(settings.model_dump_json(exclude_none=True))
    done = subprocess.run(
        [sys.executable, "-c", READ_COLD, json.dumps(given), json.dumps(PERSON)],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    answered, loaded = json.loads(done.stdout)
    assert answered == premium(served)
    assert "sklearn" in loaded
    heavy = {"mlflow", "requests", "matplotlib", "sqlalchemy", "boto3", "dask"}
    assert heavy & set(loaded) == set()


@pytest.mark.process
@pytest.mark.parametrize("host", [silent_host, host_that_only_greets])
def test_a_registry_that_hangs_is_given_up_on_within_ten_seconds(host, hosted, served):
    assert CONNECT_TIMEOUT + ANSWER_PATIENCE <= 10
    with host() as port:
        began = time.monotonic()
        now = refresh(hosted(port), served)
        assert time.monotonic() - began < HANG
        assert (now.facts.version, now.refusal) == ("1", None)
        assert now.checked == served.checked
        assert now.problem.startswith(("No answer from http", "The registry did not name"))
        assert premium(now) == premium(served)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_host_that_is_no_registry_is_a_problem_and_no_refusal(status, hosted, served):
    with host_that_answers(status) as port:
        now = refresh(hosted(port), served)
        assert f"http://127.0.0.1:{port}" in now.problem
        assert now.refusal is None
        assert premium(now) == premium(served)
        with pytest.raises(Unreachable):
            refresh(hosted(port), None)


def test_an_address_that_cannot_be_one_is_a_problem_of_the_settings(served, settings):
    wrong = settings.model_copy(update={"mlflow_tracking_uri": "ftp://127.0.0.1"})
    now = refresh(wrong, served)
    assert now.problem.startswith("MLFLOW_TRACKING_URI='ftp://127.0.0.1' is of a kind")
    with pytest.raises(InvalidSettings):
        refresh(wrong, None)
