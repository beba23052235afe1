"""Tables that nobody tuned the candidates for: as good as boosting tuned by hand, and honest."""

import pytest
from threadpoolctl import threadpool_limits

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.table.split import split_table
from tests.generated_tables import CROSSING, GENERATED, crossing
from tests.planting import Planted, judged
from tests.studies.other_tables import Found, measure, trained_on

ROWS = 2_000
FRESH = 20_000
LIMITS = GateThresholds()


@pytest.fixture(scope="module", params=GENERATED)
def found(request) -> Found:
    with threadpool_limits(limits=1):
        return measure(request.param, ROWS, splits=5, repeats=1, fresh_rows=FRESH)


def test_the_chosen_candidate_is_nearly_as_good_as_boosting_tuned_by_hand(found):
    assert found.ratio <= 1.02


def test_intervals_hold_what_they_promise_in_each_group(found):
    assert all(0.88 <= share <= 0.95 for share in found.coverage.values()), found.coverage


def test_the_gate_approves_it(found):
    assert found.decision.reasons == ()


@pytest.mark.parametrize("rows", [600, ROWS])
def test_a_model_of_what_only_acts_together_is_not_taken_for_a_leak(rows):
    split = split_table(crossing(rows, 1)[0], CROSSING)
    with threadpool_limits(limits=1):
        _, trained = trained_on(split, CROSSING, splits=5, repeats=1)
        decision = judged(Planted(trained, len(split.train)), None, LIMITS)
    assert trained.evaluation.overall["rmse"].value < LIMITS.least_of_baseline * 6_500
    assert decision.reasons == ()


def test_few_columns_that_act_together_are_learned_by_trees_deep_enough():
    split = split_table(crossing(ROWS, 1)[0], CROSSING)
    with threadpool_limits(limits=1):
        every, _ = trained_on(split, CROSSING, splits=5, repeats=1)
    assert every[0].candidate.name == "deep_boosting"
    assert every[0].mean("rmse") < 2 * 600  # of which no model can know the noise
