"""A window that is large beside its reference is believed like a smaller one."""

import numpy as np
import pytest

from monitoring.checks.evidence import believed_rows, effective_rows
from tests.monitoring.windows import model, named, people
from tests.studies.incident_calibration import Quotes


def test_a_small_window_counts_whole_and_a_large_one_like_half_the_sample():
    assert [believed_rows(1000, rows) for rows in (1, 500, 501, 10_000)] == [1, 500, 500, 500]
    assert believed_rows(1, 10) == 1


def test_the_luck_of_the_sample_is_at_most_a_third_of_what_a_test_allows_for():
    for rows in (100, 500, 2_000, 10**7):
        believed = believed_rows(1000, rows)
        assert (1 / 1000) * effective_rows(1000, believed) <= 1 / 3 + 1e-12
    assert effective_rows(300, 600) == pytest.approx(200)


def test_more_of_the_same_people_are_no_more_evidence():
    """The same shares in ten times the rows: the reference knows no more than it did."""
    pair, reference = model()
    some = people(900, seed=5)
    some = some.assign(bmi=some["bmi"] + 0.5, charges=some["charges"] * 1.02)
    many = some.loc[np.repeat(some.index, 10)].reset_index(drop=True)
    few, more = (
        named(Quotes(table, pair).judge(slice(0, len(table)), reference)) for table in (some, many)
    )
    for name in ("bmi", "smoker", "residuals", "coverage"):
        assert more[name].p_value == pytest.approx(few[name].p_value, rel=0.05)
