"""A service restarts in the middle of a command, which ends well or says why; the next works."""

from typing import Any

import pytest

from tests.stack.clone import SERVICES, Clone, restart
from tests.stack.moments import (
    MODEL_BEGUN,
    MODEL_READ,
    RUN_MADE,
    VERSION_WRITTEN,
    assert_done_or_explained,
    interrupted,
)

pytestmark = pytest.mark.parametrize("service", SERVICES)


def test_in_the_middle_of_a_training(stack: Clone, service: str):
    own = stack.with_model(f"training_without_{service}")
    for moment in (RUN_MADE, MODEL_BEGUN):
        assert_done_or_explained(restarted(own, "train", moment, service))
    own.good("train", "register")
    assert own.person.state()["aliases"] == {"desafio": "1"}


def test_in_the_middle_of_a_registration(stack: Clone, service: str):
    own = stack.with_model(f"registration_without_{service}")
    own.good("train")
    # The first moment comes once: afterwards the run has its version.
    for moment in (VERSION_WRITTEN, MODEL_READ):
        assert_done_or_explained(restarted(own, "register", moment, service))
        assert_sound(own.person.state())
    own.good("register")
    state = own.person.state()
    assert_sound(state)
    assert state["aliases"] == {"desafio": "1"}


def restarted(clone: Clone, command: str, moment: str, service: str) -> Any:
    """How a command ended in whose middle a service restarted, once the stack is healthy again."""
    outcome = interrupted(clone, command, moment, lambda: restart(clone, service))
    clone.wait_until_healthy()
    return outcome


def assert_sound(state: Any) -> None:
    """No alias stands on a version that is not there, or that the gate has not approved."""
    approved = {
        version["number"]
        for version in state["versions"]
        if version["tags"].get("validacao_status") == "aprovado"
    }
    assert set(state["aliases"].values()) <= approved
    assert state["problems"] == []
