"""Intervals: asymmetric, apart for smokers, above their floors, covering what they promise."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.model.intervals import Intervals, fit_intervals
from insurance_predictor.table.schema import SMOKER

TYPICAL = 10_000.0
OFFSETS = Intervals({"no": (-100.0, 9000.0), "yes": (-2000.0, 50.0)})


def people(*smokers: str) -> pd.DataFrame:
    return pd.DataFrame({"smoker": smokers})


def test_offsets_are_asymmetric_and_apart_for_each_group():
    low, high = OFFSETS.around(np.array([10_000.0, 10_000.0]), people("no", "yes"))
    assert low.tolist() == [9_500, 7_700]
    assert high.tolist() == [19_000, 10_500]


def test_the_lower_end_has_slack_for_a_small_drift_of_the_level():
    low, _ = OFFSETS.around(np.array([40_000.0]), people("yes"))
    assert low.tolist() == [40_000 - 2_000 - 0.03 * 40_000]


@given(
    premium=st.floats(0.01, 1e6),
    smoker=st.sampled_from(["no", "yes"]),
    below=st.floats(-1e5, 0),
    above=st.floats(-1e5, 1e5),
)
def test_an_interval_always_holds_its_premium_and_a_positive_low_end(premium, smoker, below, above):
    intervals = Intervals({"no": (below, above), "yes": (below, above)})
    low, high = intervals.around(np.array([premium]), people(smoker))
    assert 0 < low[0] <= premium < high[0]
    assert high[0] - premium >= intervals.least_half_width
    assert low[0] >= min(intervals.floor, premium)


def test_fitted_offsets_cover_new_people_in_each_group():
    generator = np.random.default_rng(0)

    def residuals(rows):
        return generator.normal(0, 300, rows) + np.where(generator.random(rows) < 0.09, 9000, 0)

    groups = people(*["no"] * 4000, *["yes"] * 1000)
    intervals = fit_intervals(residuals(5000), groups, SMOKER, TYPICAL)
    premium = np.full(5000, 10_000.0)
    low, high = intervals.around(premium, groups)
    charged = premium + residuals(5000)
    held = (low <= charged) & (charged <= high)
    assert 0.90 <= held[:4000].mean() <= 0.97
    assert 0.90 <= held[4000:].mean() <= 0.97


def test_a_group_of_nobody_takes_everybodys_quantiles():
    fitted = fit_intervals(np.linspace(-1000, 1000, 101), people(*["no"] * 101), SMOKER, TYPICAL)
    assert fitted.offsets["yes"] == fitted.offsets["no"]


def test_few_residuals_give_the_widest_ones_seen():
    fitted = fit_intervals([-5.0, 7.0], people("no", "no"), SMOKER, TYPICAL)
    assert fitted.offsets["no"] == (-5.0, 7.0)


def test_offsets_survive_json():
    assert Intervals.from_dict(json.loads(json.dumps(asdict(OFFSETS)))) == OFFSETS


def test_the_conformal_rank_is_one_above_the_plain_quantile():
    fitted = fit_intervals(np.arange(1.0, 101.0) - 50, people(*["no"] * 100), SMOKER, TYPICAL)
    below_rank, above_rank = 2, 95  # of 100: outside 2 % at the low end, 94 % of 101 at the high
    assert fitted.offsets["no"] == (below_rank - 50, above_rank - 50)
