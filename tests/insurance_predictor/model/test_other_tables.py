"""Tables that nobody tuned the candidates for: as good as boosting tuned by hand, and honest."""

import pytest
from threadpoolctl import threadpool_limits

from tests.generated_tables import GENERATED
from tests.studies.other_tables import Found, measure

ROWS = 2_000
FRESH = 20_000


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
