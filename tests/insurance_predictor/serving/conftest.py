"""A version that predicts, for the tests that only ask it."""

import pytest

from insurance_predictor.serving.predictor import Predictor, load
from insurance_predictor.store import versions
from tests.planting import write_version


@pytest.fixture(scope="session")
def predictor(client, store, trained) -> Predictor:
    settings = store.model_copy(update={"model_name": "quoted"})
    version = write_version(client, settings, trained.run_id)
    versions.set_alias(client, settings, settings.production_alias, version.number)
    return load(settings)
