"""The gate lets a good candidate through, refuses at each limit, and says why."""

from dataclasses import replace
from math import inf, nan, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.chance import Bias, Ratio, Share
from insurance_predictor.release.gate import (
    AgainstProduction,
    Behaviour,
    Measurements,
    decide,
)
from insurance_predictor.table.columns import former_columns

LIMITS = GateThresholds()
CONDUCT = Behaviour(
    extremes_fine=True,
    undercuts={"smoker": 0.0},
    falls={"age": 0.0, "children": 0.0},
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
    people=267,
    new_people=267,
)
# Of so many people that luck plays no part: each threshold is the limit itself.
MANY = 10**12


def share(value, people=MANY):
    return Share(nan if value != value else round(value * people), people)


def plain(value):
    """A bias that no luck excuses."""
    return Bias(value, 0.0, 0.0, MANY)


def steady(value):
    """A ratio of errors that is the same on everybody, and that no luck excuses."""
    return Ratio(value, value, value, value)


GOOD = Measurements(
    people=267,
    rmse=4_500.0,
    baseline_rmse=6_000.0,
    ratio=steady(0.75),
    total_bias=plain(0.01),
    slice_bias={"smoker=yes": plain(0.02)},
    coverage=share(0.92),
    coverage_by_group={"smoker=no": share(0.93), "smoker=yes": share(0.9)},
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
    "better than the textbook": lambda x: {"ratio": steady(x)},
    "total bias": lambda x: {"total_bias": plain(x)},
    "bias of smoker=yes": lambda x: {"slice_bias": {"smoker=yes": plain(x)}},
    "rises with age": lambda x: {"conduct": {"falls": {"age": x}}},
    "rises with children": lambda x: {"conduct": {"falls": {"children": x}}},
    "alone as in a batch": lambda x: {"conduct": {"batch_difference": x}},
    "not worse than production": lambda x: {"production": {"rmse_worse_by": x}},
    "price level": lambda x: {"production": {"quote_shift": x}},
}
AT_LEAST = {
    "no leak": lambda x: {"ratio": steady(x)},
    "enough rows": lambda x: {"production": {"training_rows": x}},
}
LIMIT_OF = {
    "better than the textbook": LIMITS.most_of_baseline,
    "total bias": LIMITS.total_bias,
    "bias of smoker=yes": LIMITS.slice_bias,
    "rises with age": 25.0,
    "rises with children": 25.0,
    "alone as in a batch": 0.01,
    "not worse than production": LIMITS.worse_than_production,
    "price level": LIMITS.quote_shift,
    "no leak": LIMITS.least_of_baseline,
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
        ("rises with smoker", {"conduct": {"undercuts": {"smoker": nan}}}),
        ("something new", {"production": {"largest_difference": nan}}),
        ("bias of smoker=yes", {"slice_bias": {"smoker=yes": Bias(nan, nan, nan, 50)}}),
        ("bias of smoker=yes", {"slice_bias": {"smoker=yes": Bias(0.3, nan, nan, 50)}}),
        ("total bias", {"total_bias": plain(-inf)}),
        ("better than the textbook", {"ratio": Ratio(0.9, 0.9, nan, nan)}),
        ("no leak", {"ratio": Ratio(0.1, nan, 0.0, 0.0)}),
        ("coverage of everybody", {"coverage": Share(0, 0)}),
        ("price level", {"production": {"quote_shift": -inf}}),
    ],
)
def test_other_undefined_values_are_refused_too(rule, change):
    assert rule in refusals(**change)


@pytest.mark.parametrize("rule", ["total bias", "bias of smoker=yes", "price level"])
def test_too_low_is_as_bad_as_too_high(rule):
    limit, changed = LIMIT_OF[rule], AT_MOST[rule]
    assert refusals(**changed(-limit)) == []
    assert refusals(**changed(nextafter(-limit, -inf))) == [rule]


def test_a_quote_that_differs_by_more_than_half_a_cent_is_something_new():
    assert refusals(production={"largest_difference": 0.005}) == ["something new"]
    assert refusals(production={"largest_difference": nextafter(0.005, inf)}) == []


IN_REAIS = replace(former_columns().target, currency="BRL", unit={"pt": "R$", "en": "R$ a year"})


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0, 100.0])
@pytest.mark.parametrize(
    ("rule", "limit"),
    [("rises with age", 25.0), ("rises with children", 25.0), ("alone as in a batch", 0.01)],
)
def test_limits_on_amounts_follow_what_people_are_charged(factor, rule, limit):
    changed, typical = AT_MOST[rule], 10_000.0 * factor
    assert refusals(typical=typical, **changed(0.99 * factor * limit)) == []
    assert refusals(typical=typical, **changed(1.01 * factor * limit)) == [rule]
    same = {"largest_difference": 0.0049 * factor}
    assert refusals(typical=typical, production=same) == ["something new"]
    new = {"largest_difference": 0.0051 * factor}
    assert refusals(typical=typical, production=new) == []


@pytest.mark.parametrize(
    ("set_limits", "allowed"),
    [
        ({}, {"age": 125.0, "children": 125.0, "deductible": 125.0}),
        ({"age_fall": 30.0}, {"age": 30.0, "children": 125.0, "deductible": 125.0}),
        ({"children_fall": 30.0}, {"age": 125.0, "children": 30.0, "deductible": 30.0}),
        ({"fall": 9.0, "age_fall": 30.0}, {"age": 30.0, "children": 9.0, "deductible": 9.0}),
        ({"fall": 0.0}, {"age": 0.0, "children": 0.0, "deductible": 0.0}),
    ],
)
def test_a_fall_that_a_team_has_set_is_in_the_premium_s_own_unit(set_limits, allowed):
    limits = GateThresholds(**set_limits)
    for name, most in allowed.items():
        for fall, refused in ((most, []), (nextafter(most, inf), [f"rises with {name}"])):
            conduct = {"falls": {name: fall}}
            assert refusals(limits, typical=50_000.0, conduct=conduct) == refused


def test_a_reason_speaks_of_the_column_and_of_the_currency():
    fallen = replace(CONDUCT, falls={"deductible": 400.0})
    found = replace(GOOD, target=IN_REAIS, typical=50_000.0, behaviour=fallen)
    [reason] = decide(found, LIMITS).reasons
    assert "falls with deductible, by up to R$ 400 from one value" in reason
    assert "allowed is R$ 125" in reason
    small = replace(found, typical=5.0, behaviour=replace(CONDUCT, falls={"age": 0.05}))
    assert "by up to R$ 0.05 from" in decide(small, LIMITS).reasons[0]
    shown = "".join(f"{check.found}{check.allowed}" for check in decide(found, LIMITS).checks)
    assert "US$" not in shown


@pytest.mark.parametrize(
    ("people", "approved"), [(LIMITS.least_people - 1, False), (LIMITS.least_people, True)]
)
def test_too_few_people_are_too_few_to_judge(people, approved):
    decision = decide(replace(GOOD, people=people), LIMITS)
    assert decision.approved == approved
    assert approved or decision.reasons[0].startswith(
        f"too few to judge: {people} people were held"
    )
    assert approved or 'FORCE=1 REASON="..."' in decision.reasons[0]


@pytest.mark.parametrize(
    ("value", "refused"), [(0.249, False), (0.251, True), (-0.179, False), (-0.181, True)]
)
def test_a_bias_is_allowed_what_the_luck_of_its_people_can_do(value, refused):
    bias = Bias(value, -0.18, 0.25, 30)
    assert refusals(total_bias=bias) == (["total bias"] if refused else [])
    names = refusals(slice_bias={"age=18-29": bias})
    assert names == (["bias of age=18-29"] if refused else [])


def test_a_slice_of_few_people_is_not_judged_and_that_is_said():
    few = Bias(3.0, -0.1, 0.1, LIMITS.least_people - 1)
    (check,) = (
        check
        for check in decide(replace(GOOD, slice_bias={"age=65-100": few}), LIMITS).checks
        if check.name == "bias of age=65-100"
    )
    assert (check.passed, check.found) == (True, "+300.0%, 19 people")
    assert check.allowed == "judged from 20 people"


@pytest.mark.parametrize(
    ("ratio", "refused"),
    [
        (Ratio(0.95, 0.75, 0.5, 0.96), []),  # a hold-out on which luck can do that
        (Ratio(0.97, 0.75, 0.5, 0.96), ["better than the textbook"]),
        (Ratio(0.95, 0.86, 0.5, 0.96), ["better than the textbook"]),  # poor on everybody
        (Ratio(0.3, 0.75, 0.25, 0.96), []),
        (Ratio(0.2, 0.75, 0.25, 0.96), ["no leak"]),
        (Ratio(0.3, 0.44, 0.25, 0.96), ["no leak"]),  # everybody is too easy
    ],
)
def test_a_ratio_is_allowed_what_luck_can_do_unless_everybody_shows_the_same(ratio, refused):
    assert refusals(ratio=ratio) == refused


@pytest.mark.parametrize(
    ("ratio", "reachable", "refused"),
    [
        (0.99, 0.98, False),  # there is next to nothing that the textbook misses
        (1.01, 1.2, False),  # nor need anybody be better than the textbook there
        (1.03, 1.2, True),
        (0.97, 0.93, True),
        (0.86, 0.84, True),  # the limit can be reached, so it holds
        (0.86, None, True),
        (0.86, nan, True),
    ],
)
def test_no_more_is_asked_of_a_candidate_than_the_table_has(ratio, reachable, refused):
    names = refusals(ratio=steady(ratio), reachable=reachable)
    assert names == (["better than the textbook"] if refused else [])


@pytest.mark.parametrize(
    ("ratio", "reachable", "refused"),
    [
        (0.13, 0.15, False),  # columns act together, which the textbook cannot see
        (0.13, 0.18, False),
        (0.1, 0.15, True),  # nobody comes so far below what can be reached
        (0.3, 0.7, True),
        (0.44, 0.9, True),  # the limit is never above what is set
        (0.46, 0.9, False),
        (0.44, None, True),
        (0.44, nan, True),
    ],
)
def test_a_candidate_is_no_leak_where_others_come_as_far_below_the_textbook(
    ratio, reachable, refused
):
    assert refusals(ratio=steady(ratio), reachable=reachable) == (["no leak"] if refused else [])


def test_a_candidate_that_no_longer_quotes_whom_production_quotes_is_refused():
    decision = decide(replace(GOOD, lost=("smoker=yes",)), LIMITS)
    assert decision.reasons == (
        "trained on nobody with smoker=yes, whom version 7 quotes: train on a table that has such "
        'people, or promote it with FORCE=1 REASON="..." if nobody will ask for them',
    )
    assert decide(replace(GOOD, lost=("smoker=yes",), production=None), LIMITS).approved


@pytest.mark.parametrize(
    ("count", "people", "refused"),
    [
        (20, 30, False),  # 67 %: with this many people, 88 % can look like that
        (16, 30, True),
        (222, 267, False),
        (215, 267, True),
        (820, 1000, True),
    ],
)
def test_coverage_is_refused_where_luck_cannot_explain_it(count, people, refused):
    names = refusals(coverage=Share(count, people))
    assert names == (["coverage of everybody"] if refused else [])


def test_intervals_that_hold_everybody_are_refused_from_as_many_people_as_show_it():
    enough = next(n for n in range(1, 999) if Share(n, n).at_least > LIMITS.most_coverage)
    assert 200 < enough < 250
    assert refusals(coverage=Share(enough, enough)) == ["intervals say something"]
    assert refusals(coverage=Share(enough - 1, enough - 1)) == []


@pytest.mark.parametrize(("by_chance", "refused"), [(0.06, False), (0.04, True)])
def test_the_price_level_may_move_as_far_as_learning_from_other_people_moves_it(by_chance, refused):
    names = refusals(production={"quote_shift": 0.05, "shift_by_chance": by_chance})
    assert names == (["price level"] if refused else [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"rmse": 5_700.0, "ratio": steady(0.95)},
            "textbook baseline: RMSE US$ 5,700 is 0.95 of its US$ 6,000, allowed for 267 people",
        ),
        (
            {"rmse": 600.0, "ratio": steady(0.1)},
            "too good to be true: RMSE US$ 600 is 0.10 of the baseline's",
        ),
        (
            {"total_bias": Bias(0.1, -0.05, 0.06, 90)},
            "quotes are too high on the whole, allowed is -8.0% to +8.0% for 90 people",
        ),
        ({"total_bias": plain(-0.1)}, "total bias -10.0%: quotes are too low on the whole"),
        ({"total_bias": plain(nan)}, "quotes are too far off on the whole"),
        (
            {"coverage": Share(50, 100)},
            "intervals are too narrow: they hold the charges of 50 of 100 people of everybody, at "
            "most 65.5% with luck",
        ),
        (
            {"coverage": Share(300, 300)},
            "intervals are too wide to mean anything: they hold the charges of 300 of 300 people, "
            "at least 97.7% with luck",
        ),
        ({"conduct": {"extremes_fine": False}}, "at the edge of the schema's limits"),
        (
            {"conduct": {"undercuts": {"smoker": 0.25}}},
            "smoker makes the quote cheaper for 25.0% of",
        ),
        ({"conduct": {"falls": {"age": 400.0}}}, "falls with age, by up to US$ 400 from"),
        ({"conduct": {"falls": {"children": 90.0}}}, "falls with children, by up to US$ 90 from"),
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
        ratio=steady(0.95),
        total_bias=plain(0.2),
        coverage=share(0.1),
        conduct={"undercuts": {"smoker": 0.1}},
        production={"quote_shift": 0.3},
    )
    assert names == [
        "better than the textbook",
        "total bias",
        "coverage of everybody",
        "rises with smoker",
        "price level",
    ]


def test_production_that_learned_from_nearly_everybody_held_out_cannot_be_compared_with():
    seen = {"new_people": 19, "rmse_worse_by": nan, "rmse_at_most": nan}
    assert refusals(production=seen) == ["people new to both"]
    assert refusals(production={"new_people": 20}) == []
    (reason,) = decide(replace(GOOD, production=replace(PRODUCTION, **seen)), LIMITS).reasons
    assert "version 7 learned from 248 of the 267 people held out" in reason
    assert 'FORCE=1 REASON="..."' in reason


def test_nothing_measured_is_never_approved():
    assert not decide(Measurements(), LIMITS).approved


@given(
    st.sampled_from(sorted(set(GateThresholds.model_fields) - {"least_people"})),
    st.floats(0, 1),
    st.floats(-1, 1),
    st.floats(0, 1),
)
def test_an_approval_keeps_every_limit(name, limit, bias, coverage):
    limits = GateThresholds(**{name: limit})
    found = replace(GOOD, total_bias=plain(bias), coverage=share(coverage))
    decision = decide(found, limits)
    kept = (
        abs(bias) <= limits.total_bias
        and found.coverage.at_most >= limits.least_coverage
        and found.coverage.at_least <= limits.most_coverage
        and limits.least_of_baseline <= 0.75 <= limits.most_of_baseline
        and limits.least_smoker_coverage <= 0.9
        and limits.training_rows <= 1.0
        and limits.slice_bias >= 0.02
        and PRODUCTION.quote_shift <= limits.quote_shift
    )
    assert decision.approved == kept
    assert decision.approved == (not decision.reasons)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_any_numbers_give_a_decision_and_a_reason_for_a_no(value, low, high):
    found = replace(GOOD, ratio=Ratio(value, low, low, high), total_bias=Bias(value, low, high, 30))
    decision = decide(found, LIMITS)
    assert decision.approved == (len(decision.reasons) == 0)
    assert all(decision.reasons)
