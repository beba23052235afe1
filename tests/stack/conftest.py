"""One stack for the session, from nothing; tests that need another one make it themselves."""

from collections.abc import Iterator

import pytest

from tests.outcome import Outcome
from tests.stack.clone import Clone, cloned


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    with cloned(tmp_path_factory.mktemp("clone")) as made:
        yield made


@pytest.fixture(scope="session")
def first_up(clone: Clone) -> Outcome:
    """How the first `make up` of a fresh clone ended."""
    return clone.make("up")


@pytest.fixture(scope="session")
def stack(clone: Clone, first_up: Outcome) -> Clone:
    """The clone, once its stack is healthy."""
    assert first_up.code == 0, first_up.err
    return clone
