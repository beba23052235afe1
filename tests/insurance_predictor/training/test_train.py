"""What one training leaves in MLflow: everything a stranger needs, in one finished run."""

import json
import math
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow.models import Model

from insurance_predictor.base.errors import InvalidTable, RefusedByGate
from insurance_predictor.console import training_summary
from insurance_predictor.model.cross_validation import FOLD_METRICS
from insurance_predictor.model.estimators import TRUSTED_TYPES
from insurance_predictor.model.manifest import Digests, Manifest
from insurance_predictor.model.run_layout import MODEL_URI_TAG
from insurance_predictor.release.registration import register
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.table.split import split_table
from insurance_predictor.training.train import TrainingOptions, train

FILES = {
    "columns.json",
    "configuration.json",
    "evaluation/holdout.csv",
    "model_card.html",
    "model_card.md",
    "manifest.json",
    "plots_avaliacao/importance.png",
    "plots_avaliacao/learning_curve.png",
    "plots_avaliacao/predicted_against_actual.png",
    "plots_avaliacao/residuals.png",
    "preprocessing/preprocessor.joblib",
    "preprocessing/preprocessor.skops",
    "reference/reference.csv",
    "run_notes.txt",
    "serving/serving.json",
}


@pytest.fixture(scope="module")
def run(client, trained):
    return client.get_run(trained.run_id)


@pytest.fixture(scope="module")
def folder(client, trained, tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def files(client, store, run, folder):
    tags = run.data.tags
    expected = Digests.from_tags(tags, "the run")
    fetch(client, store, run.info.run_id, tags[MODEL_URI_TAG], expected, folder, "the run")
    return folder


def paths(client, run_id, under=None):
    for entry in client.list_artifacts(run_id, under):
        if entry.is_dir:
            yield from paths(client, run_id, entry.path)
        else:
            yield entry.path


def test_the_run_is_finished_and_holds_every_file(client, run):
    assert run.info.status == "FINISHED"
    assert set(paths(client, run.info.run_id)) == FILES


def test_parameters_say_what_the_model_was_made_from(run, sample):
    parameters = run.data.params
    assert parameters["data_fingerprint"] == sample.fingerprint
    assert int(parameters["rows_train"]) + int(parameters["rows_holdout"]) == len(sample.frame)
    assert parameters["rows_left_out"] == "0"
    assert parameters["candidate"] == "typical_plus_mean"
    assert parameters["typical__epsilon"] == "1.35"
    assert {"git_commit", "version.scikit-learn", "version.python"} <= set(parameters)


def test_the_table_is_an_input_of_the_run_under_its_fingerprint(run, sample):
    (entry,) = run.inputs.dataset_inputs
    assert entry.dataset.digest == sample.fingerprint[:12] == run.data.tags["versao_dataset"]


def test_the_kinds_of_the_columns_are_those_that_mlflow_finds_in_all_rows(run, sample):
    (entry,) = run.inputs.dataset_inputs
    numbers = [column.name for column in (*sample.columns.numbers, sample.columns.target)]
    whole = mlflow.data.from_pandas(
        sample.frame.astype(dict.fromkeys(numbers, float)), targets="charges"
    )
    assert json.loads(entry.dataset.schema) == {"mlflow_colspec": whole.schema.to_dict()}
    assert json.loads(entry.dataset.profile) == whole.profile


def test_each_fold_is_a_step_of_its_metric(client, run):
    for name in FOLD_METRICS:
        steps = client.get_metric_history(run.info.run_id, f"cv.typical_plus_mean.{name}")
        assert sorted(entry.step for entry in steps) == list(range(30))
        summary = run.data.metrics[f"cv.typical_plus_mean.{name}_mean"]
        assert summary == pytest.approx(np.mean([entry.value for entry in steps]))


def test_every_metric_of_the_hold_out_has_its_interval_and_its_slices(run):
    found = run.data.metrics
    for name in ("rmse", "mae", "r2", "median_absolute_error", "total_bias", "gamma_deviance"):
        for where in ("holdout", "holdout.smoker_yes", "holdout.region_southeast"):
            value, low, high = (found[f"{where}.{name}{end}"] for end in ("", "_low", "_high"))
            assert low <= value <= high
    assert 0.8 < found["holdout.coverage"] < 1


def test_the_model_has_signature_example_and_explicit_requirements(client, run, files):
    described = Model.load(str(files / "model"))
    columns = [column.name for column in described.signature.inputs]
    assert columns[0] == "age_squared"
    assert len(described.load_input_example(str(files / "model"))) == 5
    requirements = (files / "model" / "requirements.txt").read_text()
    assert "scikit-learn==" in requirements
    assert "skops==" in requirements


def test_the_model_is_stored_with_skops_and_only_trusted_types(files):
    stored = files / "model" / "model.skops"
    assert set(skops.io.get_untrusted_types(file=stored)) <= set(TRUSTED_TYPES)


def test_the_digests_on_the_run_are_those_of_the_stored_files(run, files):
    assert Manifest.of(files).digests == Digests.from_tags(run.data.tags, "the run")


def test_hold_out_and_reference_are_the_two_sides_of_the_split(files, sample):
    split = split_table(sample.frame)
    for name, side in (
        ("reference/reference.csv", split.train),
        ("evaluation/holdout.csv", split.holdout),
    ):
        stored = pd.read_csv(files / name)
        pd.testing.assert_frame_equal(
            stored[list(side.columns)], side, check_dtype=False, check_exact=True
        )


def test_the_configuration_repeats_what_was_asked(client, run, tmp_path):
    path = client.download_artifacts(run.info.run_id, "configuration.json", str(tmp_path))
    configuration = json.loads(Path(path).read_text())
    assert configuration["candidate"] == "typical_plus_mean"
    assert configuration["cross_validation"] == {"repeats": 3, "seed": 0, "splits": 10}
    assert configuration["options"]["tune"] is False


def test_a_table_that_is_too_short_leaves_no_run(client, store, sample):
    where = client.get_experiment_by_name(store.mlflow_experiment_name).experiment_id
    before = len(client.search_runs([where]))
    short = type(sample)(sample.frame.head(15), "short", "0" * 64, (), synthetic=False)
    with pytest.raises(InvalidTable, match="at least"):
        train(client, store, short, TrainingOptions())
    assert len(client.search_runs([where])) == before


def test_a_table_of_few_price_levels_is_trained_and_measured_as_far_as_that_is_defined(
    client, store, sample
):
    people = sample.frame.head(150)
    few = people.assign(charges=np.where(people.index % 40 == 0, 2_000.0, 1_000.0))
    done = train(client, store, replace(sample, frame=few), TrainingOptions())
    logged = client.get_run(done.run_id)
    assert logged.info.status == "FINISHED"
    assert all(map(math.isfinite, logged.data.metrics.values()))
    assert any(np.isnan(fold["r2"]) for fold in done.every[0].folds)
    assert "cv.r2_mean" in logged.data.metrics
    assert "nan" not in training_summary(store, done)
    with pytest.raises(RefusedByGate):
        register(client, store.model_copy(update={"model_name": "few_levels"}), done.run_id)


@pytest.mark.parametrize(
    ("charge", "sentence"),
    [(1_000.0, "charged the same"), (1e300, r"more than 1e\+15 \(US\$ a year\) cannot be learned")],
)
def test_charges_that_cannot_be_learned_from_leave_no_run(client, store, sample, charge, sentence):
    ours = store.model_copy(update={"mlflow_experiment_name": "cannot_be_learned"})
    table = replace(sample, frame=sample.frame.assign(charges=charge))
    with pytest.raises(InvalidTable, match=sentence):
        train(client, ours, table, TrainingOptions())
    assert client.get_experiment_by_name(ours.experiment(False)) is None


def test_production_trainings_have_an_experiment_of_their_own(store):
    assert store.experiment(production=False) == "insurance_predictor_dev"
    assert store.experiment(production=True) == "insurance_predictor_prod_training"
