"""The gate lets a good candidate through, refuses at each limit, and says why."""

from dataclasses import replace
from math import inf, nan, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.evaluation import Estimate
from insurance_predictor.release.gate import (
    BATCH_TOLERANCE,
    SAME_QUOTE,
    AgainstProduction,
    Behaviour,
    Measurements,
    decide,
)

LIMITS = GateThresholds()
CONDUCT = Behaviour(
    extremes_fine=True,
    smoker_undercut=0.0,
    worst_age_fall=0.0,
    worst_children_fall=0.0,
    batch_difference=0.0,
)
PRODUCTION = AgainstProduction(
    version="7",
    rmse_difference=0.0,
    rmse_worse_by=-0.02,
    rmse_at_most=0.02,
    quote_shift=0.01,
    largest_difference=120.0,
    training_rows=1.0,
)
GOOD = Measurements(
    rmse=4_500.0,
    baseline_rmse=6_000.0,
    total_bias=0.01,
    slice_bias={"smoker=yes": Estimate(0.02, -0.01, 0.05)},
    coverage=0.92,
    coverage_by_smoker={"no": 0.93, "yes": 0.9},
    behaviour=CONDUCT,
    production=PRODUCTION,
)


def refusals(limits=LIMITS, conduct=None, production=None, **changes):
    """Names of the rules that refuse the good candidate with these changes."""
    if conduct is not None:
        changes["behaviour"] = replace(CONDUCT, **conduct)
    if production is not None:
        changes["production"] = replace(PRODUCTION, **production)
    return [
        check.name for check in decide(replace(GOOD, **changes), limits).checks if not check.passed
    ]


def test_a_good_candidate_is_approved_without_reasons():
    decision = decide(GOOD, LIMITS)
    assert decision.approved
    assert decision.reasons == ()
    assert all(check.found and check.allowed for check in decision.checks)


def test_without_production_only_the_absolute_rules_are_applied():
    decision = decide(replace(GOOD, production=None), LIMITS)
    assert decision.approved
    assert not any("production" in check.name for check in decision.checks)


@pytest.mark.parametrize("count", ["not_finite", "not_positive", "inverted_intervals"])
def test_one_strange_number_refuses_and_nothing_else_is_judged(count):
    decision = decide(replace(GOOD, rmse=nan, **{count: 1}), LIMITS)
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith("1 hold-out ")
    assert "total bias" not in [check.name for check in decision.checks]


def test_a_fault_of_the_files_refuses_and_nothing_else_is_judged():
    decision = decide(replace(GOOD, integrity=("one fault", "another"), not_finite=3), LIMITS)
    assert decision.reasons == ("one fault", "another")
    assert {check.name for check in decision.checks} == {"files"}


AT_MOST = {
    "better than the textbook": lambda x: {"rmse": x, "baseline_rmse": 1.0},
    "total bias": lambda x: {"total_bias": x},
    "intervals say something": lambda x: {"coverage": x},
    "rises with age": lambda x: {"conduct": {"worst_age_fall": x}},
    "rises with children": lambda x: {"conduct": {"worst_children_fall": x}},
    "alone as in a batch": lambda x: {"conduct": {"batch_difference": x}},
    "not worse than production": lambda x: {"production": {"rmse_worse_by": x}},
    "price level": lambda x: {"production": {"quote_shift": x}},
}
AT_LEAST = {
    "no leak": lambda x: {"rmse": x, "baseline_rmse": 1.0},
    "coverage of everybody": lambda x: {"coverage": x},
    "coverage of smoker=no": lambda x: {"coverage_by_smoker": {"no": x, "yes": 0.9}},
    "coverage of smoker=yes": lambda x: {"coverage_by_smoker": {"no": 0.9, "yes": x}},
    "enough rows": lambda x: {"production": {"training_rows": x}},
}
LIMIT_OF = {
    "better than the textbook": LIMITS.most_of_baseline,
    "total bias": LIMITS.total_bias,
    "intervals say something": LIMITS.most_coverage,
    "rises with age": LIMITS.age_fall,
    "rises with children": LIMITS.children_fall,
    "alone as in a batch": BATCH_TOLERANCE,
    "not worse than production": LIMITS.worse_than_production,
    "price level": LIMITS.quote_shift,
    "no leak": LIMITS.least_of_baseline,
    "coverage of everybody": LIMITS.least_coverage,
    "coverage of smoker=no": LIMITS.least_smoker_coverage,
    "coverage of smoker=yes": LIMITS.least_smoker_coverage,
    "enough rows": LIMITS.training_rows,
}


@pytest.mark.parametrize("rule", AT_MOST)
def test_at_the_limit_and_below_passes_just_above_refuses(rule):
    limit, changed = LIMIT_OF[rule], AT_MOST[rule]
    assert refusals(**changed(limit)) == []
    assert refusals(**changed(0.95 * limit)) == []
    assert refusals(**changed(nextafter(limit, inf))) == [rule]


@pytest.mark.parametrize("rule", AT_LEAST)
def test_at_the_limit_and_above_passes_just_below_refuses(rule):
    limit, changed = LIMIT_OF[rule], AT_LEAST[rule]
    assert refusals(**changed(limit)) == []
    assert refusals(**changed(1.05 * limit)) == []
    assert refusals(**changed(nextafter(limit, -inf))) == [rule]


@pytest.mark.parametrize("rule", [*AT_MOST, *AT_LEAST])
def test_not_a_number_passes_no_rule(rule):
    changed = (AT_MOST | AT_LEAST)[rule](nan)
    assert rule in refusals(**changed)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("smokers pay more", {"conduct": {"smoker_undercut": nan}}),
        ("something new", {"production": {"largest_difference": nan}}),
        ("bias of smoker=yes", {"slice_bias": {"smoker=yes": Estimate(nan, nan, nan)}}),
        ("total bias", {"total_bias": -inf}),
        ("price level", {"production": {"quote_shift": -inf}}),
    ],
)
def test_other_undefined_values_are_refused_too(rule, change):
    assert rule in refusals(**change)


@pytest.mark.parametrize("rule", ["total bias", "price level"])
def test_too_low_is_as_bad_as_too_high(rule):
    limit, changed = LIMIT_OF[rule], AT_MOST[rule]
    assert refusals(**changed(-limit)) == []
    assert refusals(**changed(nextafter(-limit, -inf))) == [rule]


def test_a_quote_that_differs_by_more_than_half_a_cent_is_something_new():
    assert refusals(production={"largest_difference": SAME_QUOTE}) == ["something new"]
    assert refusals(production={"largest_difference": nextafter(SAME_QUOTE, inf)}) == []


@pytest.mark.parametrize(
    ("bias", "refused"),
    [
        (Estimate(0.30, 0.10, 0.50), False),
        (Estimate(0.30, 0.1001, 0.50), True),
        (Estimate(-0.30, -0.50, -0.10), False),
        (Estimate(-0.30, -0.50, -0.1001), True),
    ],
)
def test_a_slice_is_refused_when_its_whole_interval_is_beyond_the_limit(bias, refused):
    names = refusals(slice_bias={"smoker=yes": GOOD.slice_bias["smoker=yes"], "age=18-29": bias})
    assert names == (["bias of age=18-29"] if refused else [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rmse": 5_700.0}, "textbook baseline: RMSE US$ 5,700 is 0.95 of its US$ 6,000"),
        ({"rmse": 600.0}, "too good to be true: RMSE US$ 600 is 0.10 of the baseline's"),
        ({"total_bias": 0.1}, "total bias +10.0%: quotes are too high on the whole"),
        ({"total_bias": -0.1}, "total bias -10.0%: quotes are too low on the whole"),
        ({"total_bias": nan}, "quotes are too far off on the whole"),
        (
            {"coverage": 0.5},
            "intervals are too narrow: they hold 50.0% of the charges of everybody",
        ),
        ({"coverage": 1.0}, "intervals are too wide to mean anything: they hold 100.0%"),
        ({"conduct": {"extremes_fine": False}}, "at the edge of the schema's limits"),
        ({"conduct": {"smoker_undercut": 0.25}}, "cheaper for 25.0% of made-up people"),
        ({"conduct": {"worst_age_fall": 400.0}}, "falls with age, by up to US$ 400 in two years"),
        ({"conduct": {"worst_children_fall": 90.0}}, "falls with children, by up to US$ 90 for"),
        ({"conduct": {"ignored": ("bmi", "smoker")}}, "the quotes ignore bmi and smoker, which"),
        ({"conduct": {"batch_difference": 3.5}}, "who else is in the table"),
        ({"production": {"largest_difference": 0.0}}, "identical to production: version 7"),
        ({"production": {"rmse_worse_by": 0.05}}, "against version 7 on the same people"),
        ({"production": {"quote_shift": -0.1}}, "moves by -10.0% against version 7"),
        ({"production": {"training_rows": 0.05}}, "trained on 5% of the rows that version 7"),
    ],
)
def test_a_reason_names_the_fault_its_size_and_whom_it_is_measured_against(change, words):
    changes = dict(change)
    for part, base in (("conduct", CONDUCT), ("production", PRODUCTION)):
        if part in changes:
            name = "behaviour" if part == "conduct" else part
            changes[name] = replace(base, **changes.pop(part))
    reasons = decide(replace(GOOD, **changes), LIMITS).reasons
    assert len(reasons) == 1
    assert words in reasons[0]


@pytest.mark.parametrize(
    ("shift", "at_most", "approved"),
    [
        (0.15, -0.01, True),  # charges rose, and the candidate is clearly nearer to them
        (-0.15, -0.01, True),
        (0.15, 0.0, False),
        (0.26, -0.5, False),  # nobody's charges rise that much: look at the units
        (99.0, -0.9, False),
        (0.15, nan, False),
    ],
)
def test_the_price_level_moves_only_as_far_as_charges_show(shift, at_most, approved):
    names = refusals(production={"quote_shift": shift, "rmse_at_most": at_most})
    assert names == ([] if approved else ["price level"])


def test_reasons_come_in_the_order_files_numbers_quality_intervals_conduct_production():
    names = refusals(
        rmse=5_900.0,
        total_bias=0.2,
        coverage=0.1,
        conduct={"smoker_undercut": 0.1},
        production={"quote_shift": 0.3},
    )
    assert names == [
        "better than the textbook",
        "total bias",
        "coverage of everybody",
        "smokers pay more",
        "price level",
    ]


def test_nothing_measured_is_never_approved():
    assert not decide(Measurements(), LIMITS).approved


@given(
    st.sampled_from(sorted(GateThresholds.model_fields)),
    st.floats(0, 1),
    st.floats(-1, 1),
    st.floats(0, 1),
)
def test_an_approval_keeps_every_limit(name, limit, bias, coverage):
    limits = GateThresholds(**{name: limit})
    found = replace(GOOD, total_bias=bias, coverage=coverage)
    decision = decide(found, limits)
    kept = (
        abs(bias) <= limits.total_bias
        and limits.least_coverage <= coverage <= limits.most_coverage
        and limits.least_of_baseline <= 0.75 <= limits.most_of_baseline
        and limits.least_smoker_coverage <= 0.9
        and limits.training_rows <= 1.0
        and PRODUCTION.quote_shift <= limits.quote_shift
    )
    assert decision.approved == kept
    assert decision.approved == (not decision.reasons)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_any_numbers_give_a_decision_and_a_reason_for_a_no(rmse, baseline, bias):
    found = replace(GOOD, rmse=rmse, baseline_rmse=baseline, total_bias=bias)
    decision = decide(found, LIMITS)
    assert decision.approved == (len(decision.reasons) == 0)
    assert all(decision.reasons)
