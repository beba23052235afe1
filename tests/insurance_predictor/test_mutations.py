"""Bad candidates are refused for a reason that names their fault, in memory or as real runs."""

from collections.abc import Iterable

import numpy as np
import pytest

from insurance_predictor.base.errors import RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import APPROVED, REFUSED
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.status import read_state
from insurance_predictor.store.versions import aliases, version_of_run
from tests.mutations import MUTATIONS, Mutation
from tests.planting import (
    Planted,
    Workshop,
    judged,
    plant,
)
from tests.repository import ROOT

DOCUMENT = ROOT / "docs" / "mutations.md"


@pytest.fixture(scope="module")
def settings(client, store: Settings, trained) -> Settings:
    """One registered model for the whole file, with the session's run in production."""
    ours = store.model_copy(update={"model_name": "mutations"})
    promote(client, ours, register(client, ours, trained.run_id).version.number)
    return ours


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


def named(chosen: Iterable[Mutation]):
    return pytest.mark.parametrize("mutation", list(chosen), ids=lambda mutation: mutation.name)


@named(mutation for mutation in MUTATIONS if mutation.is_stored)
def test_a_stored_run_is_refused_for_a_reason_that_names_it(
    mutation: Mutation, client, settings: Settings, sample, workshop: Workshop
):
    before = aliases(client, settings)
    run_id = plant(client, settings, sample, mutation.make(workshop))
    with pytest.raises(RefusedByGate) as refused:
        register(client, settings, run_id)
    naming = naming_it(mutation, refused.value.reasons)
    assert refused.value.exit_code == 3
    assert version_of_run(client, settings, run_id).status == REFUSED
    assert aliases(client, settings) == before == {settings.production_alias: "1"}
    print(f"\n{mutation.name} -> {naming.replace(run_id, '...')}", end=" ")


@named(mutation for mutation in MUTATIONS if not mutation.is_stored)
def test_a_candidate_is_refused_for_a_reason_that_names_it(mutation: Mutation, workshop: Workshop):
    decision = judged(mutation.make(workshop), workshop.champion, Settings().gate)
    assert not decision.approved
    print(f"\n{mutation.name} -> {naming_it(mutation, decision.reasons)}", end=" ")


def naming_it(mutation: Mutation, reasons: tuple[str, ...]) -> str:
    """The first reason that says what the mutation is."""
    naming = [reason for reason in reasons if mutation.says in reason]
    assert naming, reasons
    return naming[0]


def bootstrapped(workshop: Workshop) -> Planted:
    rows = np.random.default_rng(1).integers(workshop.rows, size=workshop.rows)
    return workshop.refit(np.sort(rows))


GOOD = {
    "bootstrap": bootstrapped,
    "charges 15 % higher": lambda workshop: workshop.after_inflation(1.15),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_candidate_is_approved(kind, workshop):
    assert judged(GOOD[kind](workshop), workshop.champion, Settings().gate).reasons == ()
    print(f"\na good candidate ({kind}) -> approved", end=" ")


def test_a_good_run_is_approved_and_waits_as_the_challenger(client, settings, sample, workshop):
    challenger = settings.model_copy(update={"model_name": "mutations_good"})
    run_id = workshop.done.run_id
    promote(client, challenger, register(client, challenger, run_id).version.number)
    made = register(client, challenger, plant(client, challenger, sample, workshop.slightly_other))
    assert made.decision.reasons == ()
    assert made.version.number == "2"
    state = read_state(client, challenger)
    assert state.aliases == {challenger.production_alias: "1", challenger.challenger_alias: "2"}
    assert state.versions[0].status == APPROVED
    print("\na good candidate (80 %) -> approved", end=" ")


def test_the_document_lists_every_mutation_and_what_it_is_refused_for():
    rows = [line.split(" | ") for line in DOCUMENT.read_text().splitlines() if line[:2] == "| "]
    told = {row[0].removeprefix("| "): row[1] for row in rows}
    for mutation in MUTATIONS:
        assert mutation.says in told[mutation.name]
