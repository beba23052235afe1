"""A table in another currency: every charge a factor as high, and nothing judged otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.fitting import make_golden
from insurance_predictor.model.pair import golden_faults
from insurance_predictor.release.candidate import Candidate, Champion, measure_candidate
from insurance_predictor.release.gate import GateDecision, decide
from tests.planting import Planted, Workshop

LIMITS = GateThresholds()
FACTORS = [0.2, 5.0]


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


def judged(planted: Planted, champion: Champion | None = None) -> GateDecision:
    trained = planted.trained
    candidate = Candidate(trained.pair, trained.reference, trained.holdout, planted.rows)
    return decide(measure_candidate(candidate, champion)[0], LIMITS)


def outcome(decision: GateDecision) -> dict[str, bool]:
    return {check.name: check.passed for check in decision.checks}


@pytest.mark.parametrize("factor", FACTORS)
def test_the_same_verdicts_and_intervals_in_proportion(workshop: Workshop, factor: float):
    usual, other = workshop.after_inflation(1.0), workshop.after_inflation(factor)
    assert outcome(judged(other)) == outcome(judged(usual))
    ours, theirs = (one.trained.pair.serving.intervals for one in (usual, other))
    assert (ours.least_half_width, ours.floor, ours.cent) == (500.0, 100.0, 0.01)
    assert theirs.least_half_width == pytest.approx(factor * 500.0)
    assert theirs.floor == pytest.approx(factor * 100.0)
    # The same offsets around premiums in proportion, whatever the two fits differ by.
    people, premium = usual.trained.holdout, usual.trained.holdout["premium"].to_numpy()
    scaled = replace(
        theirs,
        offsets={
            group: (factor * low, factor * high) for group, (low, high) in ours.offsets.items()
        },
    )
    for mine, its in zip(
        ours.around(premium, people), scaled.around(factor * premium, people), strict=True
    ):
        np.testing.assert_allclose(its, factor * mine, rtol=1e-12)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_same_candidate_once_more_is_nothing_new_and_a_slip_is_found(
    workshop: Workshop, factor: float
):
    other = workshop.after_inflation(factor)
    champion = Champion("1", other.trained.pair, other.rows)
    assert not outcome(judged(other, champion))["something new"]
    pair = replace(other.trained.pair, model=Offset(other.trained.pair.model, 0.004 * factor))
    slightly = replace(pair, serving=replace(pair.serving, golden=make_golden(pair)))
    assert golden_faults(pair) == golden_faults(slightly) == []
    assert not outcome(judged(replace_pair(other, slightly), champion))["something new"]
    off = replace(pair, model=Offset(other.trained.pair.model, 0.006 * factor))
    assert golden_faults(off) != []
    assert outcome(judged(replace_pair(other, off), champion))["something new"]


def replace_pair(planted: Planted, pair) -> Planted:
    return replace(planted, trained=replace(planted.trained, pair=pair))


class Offset:
    """A model whose premiums are all off by the same amount."""

    def __init__(self, model, amount: float) -> None:
        self.model, self.amount = model, amount

    def predict(self, columns):
        return np.asarray(self.model.predict(columns)) + self.amount
