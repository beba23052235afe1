"""A version's files are checked before they are loaded, and must fit together after."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io

from insurance_predictor.base.errors import IntegrityFault, Unreachable
from insurance_predictor.model.fitting import features
from insurance_predictor.model.manifest import Digests, Manifest
from insurance_predictor.model.pair import (
    Golden,
    Serving,
    golden_faults,
    open_pair,
    signature_columns,
)
from insurance_predictor.model.run_layout import (
    MANIFEST,
    MODEL,
    MODEL_CARD,
    MODEL_FILE,
    MODEL_URI_TAG,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    REFERENCE,
    SERVING,
)
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.store.tracking import store_errors
from tests.planting import Altered, Planted, plant, stored_files
from tests.servers import free_port, storage_that_breaks_off

OWNER = "Version 3"


class WritesWhenUnpickled:
    """What an attacker would store: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def run_tags(client, trained):
    return client.get_run(trained.run_id).data.tags


@pytest.fixture(scope="module")
def expected(run_tags) -> Digests:
    return Digests.from_tags(run_tags, OWNER)


@pytest.fixture(scope="module")
def stored(client, store, trained, run_tags, expected, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    fetch(client, store, trained.run_id, run_tags[MODEL_URI_TAG], expected, folder, OWNER)
    return folder


def sealed(folder: Path) -> Digests:
    """What a run would carry whose files had been these from the beginning."""
    manifest = Manifest.of(folder)
    (folder / MANIFEST).write_text(manifest.text)
    return manifest.digests


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


def test_the_digests_on_the_run_are_those_of_its_files(stored, expected):
    assert Manifest.of(stored).digests == expected
    assert set(Manifest.of(stored).files) > {MODEL_FILE, f"{MODEL}/MLmodel", MODEL_CARD, REFERENCE}


def test_digests_survive_being_written_as_tags(expected):
    assert Digests.from_tags(expected.as_tags() | {"other": "x"}, OWNER) == expected
    assert all(len(value) == 64 for value in expected.as_tags().values())


@pytest.mark.parametrize("name", ["preprocessor_sha256", "manifest_sha256"])
def test_a_digest_that_is_absent_is_named(expected, name):
    tags = expected.as_tags()
    del tags[name]
    with pytest.raises(IntegrityFault, match=f"{OWNER} carries no {name}") as fault:
        Digests.from_tags(tags, OWNER)
    assert fault.value.exit_code == 3


@pytest.mark.parametrize(
    "file",
    [
        PREPROCESSOR,
        PREPROCESSOR_SKOPS,
        SERVING,
        MODEL_FILE,
        f"{MODEL}/MLmodel",
        f"{MODEL}/requirements.txt",
        REFERENCE,
        MODEL_CARD,
        MANIFEST,
    ],
)
def test_one_changed_byte_is_refused_and_its_file_named(folder, expected, file):
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(IntegrityFault, match=f"its {file} is not the one that was trained"):
        open_pair(folder, expected, OWNER)


@pytest.mark.parametrize("file", [PREPROCESSOR_SKOPS, REFERENCE, MANIFEST])
def test_a_file_that_is_gone_is_named(folder, expected, file):
    (folder / file).unlink()
    with pytest.raises(IntegrityFault, match=f"{OWNER} has lost a file: {file} is not there"):
        open_pair(folder, expected, OWNER)


def test_every_changed_file_is_named(folder, expected):
    for file in (PREPROCESSOR, SERVING):
        (folder / file).write_bytes(b"x")
    with pytest.raises(IntegrityFault, match=f"its {PREPROCESSOR} and {SERVING} is not"):
        open_pair(folder, expected, OWNER)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a//b", ""])
def test_a_manifest_names_only_files_below_its_folder(folder, name):
    text = json.dumps({"format": 1, "files": {PREPROCESSOR: "a" * 64, name: "b" * 64}})
    (folder / MANIFEST).write_text(text)
    digests = Digests("a" * 64, sha256(text.encode()).hexdigest())
    with pytest.raises(IntegrityFault, match="is no name of a file in a run"):
        open_pair(folder, digests, OWNER)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 9, "files": {}}', "null"])
def test_a_manifest_that_is_none_is_a_fault(folder, content):
    (folder / MANIFEST).write_text(content)
    digests = Digests("a" * 64, sha256(content.encode()).hexdigest())
    with pytest.raises(IntegrityFault, match="cannot be read"):
        open_pair(folder, digests, OWNER)


def test_a_manifest_that_is_too_large_is_not_read(folder, expected):
    os.truncate(folder / MANIFEST, 2**20 + 1)
    with pytest.raises(IntegrityFault, match="has 1,048,577 bytes; 1,048,576 is the most"):
        open_pair(folder, expected, OWNER)


def test_nothing_is_unpickled_before_its_digest_is_compared(folder, expected, tmp_path):
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), folder / PREPROCESSOR)
    with pytest.raises(IntegrityFault, match=f"its {PREPROCESSOR} is not the one"):
        open_pair(folder, expected, OWNER)
    assert not made.exists()
    joblib.load(folder / PREPROCESSOR)
    assert made.exists()  # so the check above could have failed


def test_nothing_of_a_version_is_unpickled_even_with_the_right_digest(folder, tmp_path):
    made = tmp_path / "made by unpickling"
    for file in (PREPROCESSOR, PREPROCESSOR_SKOPS, MODEL_FILE):
        joblib.dump(WritesWhenUnpickled(made), folder / file)
        with suppress(IntegrityFault):
            open_pair(folder, sealed(folder), OWNER)
        assert not made.exists()


def test_a_type_in_the_preprocessor_that_nobody_named_is_refused(folder):
    skops.io.dump(Altered(None, None), folder / PREPROCESSOR_SKOPS)
    with pytest.raises(IntegrityFault, match="holds types that are not trusted"):
        open_pair(folder, sealed(folder), OWNER)


@pytest.mark.parametrize("file", [PREPROCESSOR_SKOPS, SERVING, MODEL_FILE])
def test_a_file_that_cannot_be_loaded_is_named(folder, file):
    (folder / file).write_bytes(b"[]")
    with pytest.raises(IntegrityFault, match=f"{OWNER} cannot be loaded: {file} raises"):
        open_pair(folder, sealed(folder), OWNER)


def test_a_model_without_a_signature_does_not_fit(folder):
    described = folder / MODEL / "MLmodel"
    text = described.read_text()
    described.write_text(text[: text.index("signature:")])
    assert signature_columns(folder) == ()
    with pytest.raises(IntegrityFault) as fault:
        open_pair(folder, sealed(folder), OWNER)
    assert len(fault.value.reasons) == 1
    assert fault.value.reasons[0].endswith("the model expects none")


def test_a_preprocessor_of_other_people_does_not_reproduce_the_golden_predictions(folder):
    preprocessor = joblib.load(folder / PREPROCESSOR)
    preprocessor["scale"].mean_[0] += 1
    skops.io.dump(preprocessor, folder / PREPROCESSOR_SKOPS)
    with pytest.raises(IntegrityFault, match="does not fit together") as fault:
        open_pair(folder, sealed(folder), OWNER)
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
    near = _golden(pair, premium=tuple(premium + 0.0045))
    far = _golden(pair, premium=tuple(premium + 2.0))
    assert golden_faults(pair) == golden_faults(near) == []
    assert golden_faults(far) == [
        "golden predictions are not reproduced: premium differs by up to US$ 2.00"
    ]


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_half_a_cent_is_that_of_the_currency(trained, factor):
    pair = trained.trained.pair
    intervals = pair.serving.intervals
    scaled = replace(intervals, floor=factor * intervals.floor)
    other = replace(pair, serving=replace(pair.serving, intervals=scaled))
    premium = np.asarray(pair.serving.golden.premium)
    for share, faults in ((0.9, 0), (1.1, 1)):
        off = _golden(other, premium=tuple(premium + share * factor * 0.005))
        found = [fault for fault in golden_faults(off) if "premium differs" in fault]
        assert len(found) == faults


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


@pytest.mark.parametrize("file", [PREPROCESSOR_SKOPS, MANIFEST])
def test_a_run_without_the_file_is_named(client, store, sample, trained, tmp_path, file):
    run_id = plant(client, store, sample, Planted(trained.trained, 1))
    tags = client.get_run(run_id).data.tags
    (stored_files(client, run_id, tags[MODEL_URI_TAG]).run / file).unlink()
    with pytest.raises(IntegrityFault, match=f"The run {run_id} has lost a file: {file} is not"):
        fetched(client, store, run_id, tags, tmp_path)


def test_a_file_that_was_added_is_never_fetched(client, store, sample, trained, tmp_path):
    run_id = plant(client, store, sample, Planted(trained.trained, 1))
    tags = client.get_run(run_id).data.tags
    files = stored_files(client, run_id, tags[MODEL_URI_TAG])
    for added in (files.run / MODEL_CARD, files.run / "preprocessing" / "x.skops"):
        added.write_text("![](https://outside.example/x.png)")
    (files.model / "sitecustomize.py").write_text("")
    fetched(client, store, run_id, tags, tmp_path)
    found = {path.name for path in tmp_path.rglob("*")}
    assert "preprocessor.skops" in found
    assert found.isdisjoint({MODEL_CARD, "x.skops", "sitecustomize.py"})


def fetched(client, settings, run_id, tags, folder, source=None) -> None:
    source = source or tags[MODEL_URI_TAG]
    fetch(client, settings, run_id, source, Digests.from_tags(tags, OWNER), folder, OWNER)


def test_a_model_that_is_not_in_the_store_is_named(client, store, trained, run_tags, tmp_path):
    with pytest.raises(IntegrityFault, match=r"has lost a file: model/model.skops is not there"):
        fetched(client, store, trained.run_id, run_tags, tmp_path, f"models:/m-{'0' * 32}")


def test_a_storage_that_does_not_answer_has_lost_nothing(
    client, store, run_tags, tmp_path, monkeypatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    experiment = client.create_experiment("on_a_dead_s3", artifact_location="s3://nobody/artifacts")
    with pytest.raises(Unreachable, match="did not do its part"), store_errors(store):
        fetched(client, store, *a_run_in(client, experiment, run_tags), tmp_path)


def test_a_storage_that_breaks_off_has_lost_nothing(client, store, run_tags, tmp_path):
    with storage_that_breaks_off() as uri:
        experiment = client.create_experiment("on_one_that_breaks_off", artifact_location=uri)
        there = store.model_copy(update={"artifact_location": uri})
        with pytest.raises(Unreachable, match="did not do its part"), store_errors(store):
            fetched(client, there, *a_run_in(client, experiment, run_tags), tmp_path)


def a_run_in(client, experiment, tags) -> tuple[str, dict[str, str]]:
    """The id and tags of a run that names a model of its own, and has no files."""
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    return run_id, {**tags, MODEL_URI_TAG: f"models:/{model.model_id}"}
