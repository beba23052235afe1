"""The gate, where the columns of the table have changed since production was trained."""

from dataclasses import replace

import pytest

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.release.candidate import (
    Candidate,
    Champion,
    incomparable,
    measure_candidate,
)
from insurance_predictor.release.gate import decide
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT
from tests.own_columns import IN_REAIS, WITH_DEDUCTIBLE, WITHOUT_REGION, trained_on


def candidate_of(columns: Columns) -> Candidate:
    trained = trained_on(columns, 600)
    return Candidate(trained.pair, trained.reference, trained.holdout, len(trained.reference))


@pytest.fixture(scope="module")
def candidates() -> dict[str, Candidate]:
    every = {"today": CURRENT, "with": WITH_DEDUCTIBLE, "without": WITHOUT_REGION, "R$": IN_REAIS}
    return {name: candidate_of(columns) for name, columns in every.items()}


def champion_of(candidate: Candidate) -> Champion:
    return Champion("3", candidate.pair, candidate.rows_train, candidate.reference)


def test_a_version_from_before_a_new_column_is_compared_on_its_own_columns(candidates):
    candidate, champion = candidates["with"], champion_of(candidates["today"])
    assert incomparable(candidate, champion) is None
    found, _ = measure_candidate(candidate, champion)
    assert found.production is not None
    assert found.production.new_people < found.production.people == len(candidate.holdout)


@pytest.mark.parametrize(
    ("candidate", "champion", "why"),
    [
        ("without", "today", "version 3 needs region, which the candidate's table does not have"),
        ("R$", "today", "predicts charges (US$ a year), the candidate charges (R$ a year)"),
    ],
)
def test_what_cannot_be_compared_is_judged_as_a_first_version_and_says_so(
    candidates, candidate, champion, why
):
    challenger, standing = candidates[candidate], champion_of(candidates[champion])
    said = incomparable(challenger, standing)
    assert said is not None
    assert why in said
    found, _ = measure_candidate(challenger, standing)
    assert found.production is None
    first, _ = measure_candidate(challenger, None)
    decision = decide(replace(found, incomparable=said), GateThresholds())
    assert [check.found for check in decision.checks if check.name.startswith("not worse")] == [
        said
    ]
    assert decision.reasons == decide(first, GateThresholds()).reasons


def test_people_whose_values_production_does_not_allow_are_left_out_of_the_comparison(candidates):
    candidate, champion = candidates["today"], champion_of(candidates["today"])
    moved = candidate.holdout.assign(region="midwest").head(30)
    others = candidate.holdout.tail(len(candidate.holdout) - 30)
    known, _ = measure_candidate(candidate, champion)
    assert known.production is not None
    assert known.production.people == len(candidate.holdout)
    assert incomparable(replace(candidate, holdout=moved), champion) == (
        "version 3 knows none of the people held out: their values were not allowed"
    )
    assert incomparable(replace(candidate, holdout=others), champion) is None
