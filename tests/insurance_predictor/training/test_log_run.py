"""What was trained is what is kept: a run whose files come back as others has failed."""

import pickle

import pytest

from insurance_predictor.base.errors import BadInput, IntegrityFault
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MANIFEST,
    MODEL_FILE,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    REFERENCE,
    ROLE_TAG,
    SERVING,
)
from insurance_predictor.release.registration import register
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.planting import Planted, plant
from tests.servers import storage_that_swaps


@pytest.mark.parametrize(
    "file",
    [
        PREPROCESSOR,
        PREPROCESSOR_SKOPS,
        MODEL_FILE,
        "model/MLmodel",
        SERVING,
        REFERENCE,
        HOLDOUT,
        MANIFEST,
    ],
)
def test_a_file_that_is_swapped_as_soon_as_it_was_uploaded_ends_the_run_as_failed(
    client, settings, sample, trained, tmp_path, file
):
    made = tmp_path / "made by unpickling"
    evil = pickle.dumps(WritesWhenUnpickled(made))
    name = settings.model_name  # an experiment that no other test knows
    with storage_that_swaps(file.removeprefix("model/"), evil) as uri:
        there = settings.model_copy(update={"artifact_location": uri})
        with pytest.raises(IntegrityFault, match=f"its {file} is not the one") as fault:
            plant(client, there, sample, Planted(trained.trained, 1), experiment=name)
        assert "between its upload and its being read back" in str(fault.value)
        assert fault.value.exit_code == 3
        experiment = client.get_experiment_by_name(name).experiment_id
        (run,) = client.search_runs([experiment])
        (model,) = client.search_logged_models([experiment])
        assert (run.info.status, str(model.status)) == ("FAILED", "FAILED")
        assert ROLE_TAG not in run.data.tags
        with pytest.raises(BadInput, match="is not a finished training"):
            register(client, there, run.info.run_id)
    assert not made.exists()
