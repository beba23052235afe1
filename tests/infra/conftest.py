"""The commands around the stack read the environment, and put the names of `.env` into it."""

import os
from collections.abc import Iterator

import pytest

PREFIXES = ("POSTGRES_", "MINIO_", "APP_", "S3_", "COMPOSE_", "PREDICTION_LOG_", "SLACK_")


@pytest.fixture(autouse=True)
def _environment_of_its_own() -> Iterator[None]:
    """Each test starts without the stack's names and leaves none behind."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(PREFIXES):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)
