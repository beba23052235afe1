"""A version's files are checked before they are loaded, and must fit together after."""

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import IntegrityFault, Unreachable
from insurance_predictor.model.fitting import features
from insurance_predictor.model.pair import (
    GOLDEN_TOLERANCE,
    Digests,
    Golden,
    Serving,
    file_digests,
    golden_faults,
    open_pair,
    signature_columns,
)
from insurance_predictor.model.run_layout import (
    ADDED_BY_DOWNLOAD,
    MODEL,
    MODEL_FILE,
    MODEL_URI_TAG,
    PREPROCESSOR,
    SERVING,
)
from insurance_predictor.store.artifacts import download
from insurance_predictor.store.tracking import store_errors
from tests.planting import Altered
from tests.servers import free_port, storage_that_breaks_off

OWNER = "Version 3"


class WritesWhenUnpickled:
    """What an attacker would store: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def stored(client, trained, tmp_path_factory) -> Path:
    source = client.get_run(trained.run_id).data.tags[MODEL_URI_TAG]
    return download(client, trained.run_id, source, tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def expected(stored) -> Digests:
    return file_digests(stored)


@pytest.fixture
def folder(stored, tmp_path) -> Path:
    """A copy of the downloaded files that a test may spoil."""
    return shutil.copytree(stored, tmp_path / "files")


def test_a_downloaded_pair_quotes_as_the_one_in_memory(stored, expected, trained):
    people = features(trained.trained.holdout)
    reloaded = open_pair(stored, expected, OWNER).predict(people)
    assert np.allclose(reloaded, trained.trained.pair.predict(people), atol=1e-6, rtol=0)
    assert list(reloaded.columns) == ["premium", "low", "high"]
    assert reloaded.index.equals(people.index)


def test_the_digests_are_those_written_on_the_run(client, trained, expected):
    assert Digests.from_tags(client.get_run(trained.run_id).data.tags, OWNER) == expected


def test_digests_survive_being_written_as_tags(expected):
    assert Digests.from_tags(expected.as_tags() | {"other": "x"}, OWNER) == expected
    assert all(len(value) == 64 for value in expected.as_tags().values())


@pytest.mark.parametrize("name", [field.name for field in fields(Digests)])
def test_a_digest_that_is_absent_is_named(expected, name):
    tags = expected.as_tags()
    del tags[name]
    with pytest.raises(IntegrityFault, match=f"{OWNER} carries no {name}") as fault:
        Digests.from_tags(tags, OWNER)
    assert fault.value.exit_code == 3


@pytest.mark.parametrize(
    ("file", "piece"),
    [
        (PREPROCESSOR, "preprocessor"),
        (SERVING, "serving"),
        (MODEL_FILE, "model"),
        (f"{MODEL}/MLmodel", "model"),
        (f"{MODEL}/requirements.txt", "model"),
    ],
)
def test_one_changed_byte_is_refused_and_its_piece_named(folder, expected, file, piece):
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(IntegrityFault, match=f"its {piece} is not the one that was trained"):
        open_pair(folder, expected, OWNER)


def test_a_file_added_to_the_model_is_refused_but_not_the_one_that_mlflow_adds(folder, expected):
    (folder / MODEL / ADDED_BY_DOWNLOAD).write_text("model_name: x\n")
    open_pair(folder, expected, OWNER)
    (folder / MODEL / "sitecustomize.py").write_text("")
    with pytest.raises(IntegrityFault, match="its model is not the one"):
        open_pair(folder, expected, OWNER)


def test_every_changed_piece_is_named(folder, expected):
    for file in (PREPROCESSOR, SERVING):
        (folder / file).write_bytes(b"x")
    with pytest.raises(IntegrityFault, match="its preprocessor and serving is not"):
        open_pair(folder, expected, OWNER)


def test_nothing_is_unpickled_before_its_digest_is_compared(folder, expected, tmp_path):
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), folder / PREPROCESSOR)
    with pytest.raises(IntegrityFault, match="its preprocessor is not the one"):
        open_pair(folder, expected, OWNER)
    assert not made.exists()
    joblib.load(folder / PREPROCESSOR)
    assert made.exists()  # so the check above could have failed


@pytest.mark.parametrize("file", [PREPROCESSOR, SERVING, MODEL_FILE])
def test_a_file_that_cannot_be_loaded_is_named(folder, file):
    (folder / file).write_bytes(b"[]")
    with pytest.raises(IntegrityFault, match=f"{OWNER} cannot be loaded: {file} raises"):
        open_pair(folder, file_digests(folder), OWNER)


def test_a_model_without_a_signature_does_not_fit(folder):
    described = folder / MODEL / "MLmodel"
    text = described.read_text()
    described.write_text(text[: text.index("signature:")])
    assert signature_columns(folder) == ()
    with pytest.raises(IntegrityFault) as fault:
        open_pair(folder, file_digests(folder), OWNER)
    assert len(fault.value.reasons) == 1
    assert fault.value.reasons[0].endswith("the model expects none")


def test_a_preprocessor_of_other_people_does_not_reproduce_the_golden_predictions(folder):
    preprocessor = joblib.load(folder / PREPROCESSOR)
    preprocessor["scale"].mean_[0] += 1
    joblib.dump(preprocessor, folder / PREPROCESSOR)
    with pytest.raises(IntegrityFault, match="does not fit together") as fault:
        open_pair(folder, file_digests(folder), OWNER)
    assert [reason.split(" differs")[0] for reason in fault.value.reasons] == [
        f"golden predictions are not reproduced: {name}" for name in ("premium", "low", "high")
    ]


def test_serving_facts_survive_json(trained):
    serving = trained.trained.pair.serving
    assert Serving.from_json(serving.to_json()) == serving
    assert json.loads(serving.to_json())["ranges"]["age"] == list(serving.ranges["age"])


def _golden(pair, **changes):
    serving = pair.serving
    return replace(pair, serving=replace(serving, golden=replace(serving.golden, **changes)))


def test_golden_predictions_may_differ_by_less_than_half_a_cent(trained):
    pair = trained.trained.pair
    premium = np.asarray(pair.serving.golden.premium)
    near = _golden(pair, premium=tuple(premium + 0.9 * GOLDEN_TOLERANCE))
    far = _golden(pair, premium=tuple(premium + 2.0))
    assert golden_faults(pair) == golden_faults(near) == []
    assert golden_faults(far) == [
        "golden predictions are not reproduced: premium differs by up to US$ 2.00"
    ]


def test_no_golden_predictions_are_no_proof(trained):
    empty = replace(trained.trained.pair.serving, golden=Golden((), (), (), ()))
    faults = golden_faults(replace(trained.trained.pair, serving=empty))
    assert faults != []


def _fails(people: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError("no such column")


def test_whatever_a_foreign_preprocessor_raises_is_a_fault(trained):
    pair = trained.trained.pair
    broken = replace(pair, preprocessor=Altered(pair.preprocessor, _fails))
    assert golden_faults(broken) == [
        "the golden predictions could not be made (RuntimeError: no such column)"
    ]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_golden_predictions_that_are_not_numbers_are_counted(trained, number):
    class Strange:
        def predict(self, columns):
            return np.full(len(columns), number)

    faults = golden_faults(replace(trained.trained.pair, model=Strange()))
    assert faults[0] == "golden predictions are not finite numbers: premium of 24 people"


def test_a_run_without_the_file_is_named(client, trained, tmp_path):
    source = client.get_run(trained.run_id).data.tags[MODEL_URI_TAG]
    with pytest.raises(IntegrityFault, match=r"has lost a file: nowhere/nothing.csv is not there"):
        download(client, trained.run_id, source, tmp_path, extra=("nowhere/nothing.csv",))


def test_a_model_that_is_not_in_the_store_is_named(client, trained, tmp_path):
    with pytest.raises(IntegrityFault, match=r"has lost a file: model/model.skops is not there"):
        download(client, trained.run_id, f"models:/m-{'0' * 32}", tmp_path)


def test_a_storage_that_does_not_answer_has_lost_nothing(
    client, store, trained, tmp_path, monkeypatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    experiment = client.create_experiment("on_a_dead_s3", artifact_location="s3://nobody/artifacts")
    run_id = client.create_run(experiment).info.run_id
    source = client.get_run(trained.run_id).data.tags[MODEL_URI_TAG]
    with pytest.raises(Unreachable, match="did not do its part"), store_errors(store):
        download(client, run_id, source, tmp_path)


def test_a_storage_that_breaks_off_has_lost_nothing(client, store, trained, tmp_path):
    with (
        storage_that_breaks_off() as uri,
        pytest.raises(Unreachable, match="did not do its part"),
        store_errors(store),
    ):
        download(client, trained.run_id, uri, tmp_path)
