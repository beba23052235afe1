"""What the power card says is what simulated windows show."""

import numpy as np
import pytest

from insurance_predictor.table.schema import CURRENT
from monitoring.checks import drift, performance
from monitoring.checks.detectable_change import power
from monitoring.checks.evidence import believed_rows
from monitoring.window.rank_counts import count_ranks, ks_distance, superiority
from monitoring.window.reference import Reference
from tests.monitoring.windows import THRESHOLDS, model

ROWS = 400
WINDOWS = 1500


@pytest.fixture(scope="module")
def cards() -> dict[str, float]:
    return {card.check: card.least for card in power(model()[1], ROWS, ROWS, THRESHOLDS)}


def caught(is_caught, seed: int = 0) -> float:
    generator = np.random.default_rng(seed)
    return float(np.mean([is_caught(generator) for _ in range(WINDOWS)]))


def shifted(check: str, shift: float):
    """Whether Kolmogorov and Smirnov's test sees a shift, both samples drawn from the reference.

    Ages grow by a fraction of a year in that a part of the people are a year older.
    """
    values = model()[1].values(check)

    def is_caught(generator: np.random.Generator) -> bool:
        sample = generator.choice(values, len(values))
        growth = np.floor(shift + generator.random(ROWS)) if check == "age" else shift
        window = generator.choice(values, ROWS) + growth
        points = np.unique(sample)
        distance = ks_distance(count_ranks(points, sample), count_ranks(points, window))
        p_value = drift.ks_p_value(distance, len(sample), ROWS)
        return p_value < drift.limit_of(THRESHOLDS, CURRENT)

    return is_caught


def test_a_card_says_each_change_in_its_unit():
    cards = power(model()[1], ROWS, ROWS, THRESHOLDS)

    assert [(card.check, card.unit) for card in cards] == [
        ("age", "years"),
        ("bmi", "kg/m²"),
        ("smoker", "pp"),
        ("charges", "%"),
    ]
    assert all(card.least > 0 for card in cards)


@pytest.mark.parametrize("check", ["bmi", "age"])
def test_the_least_shift_is_caught_in_eight_windows_of_ten(cards, check):
    assert 0.72 < caught(shifted(check, cards[check])) < 0.90
    assert caught(shifted(check, 0.6 * cards[check])) < 0.60


def test_the_least_growth_of_smokers_is_caught_in_eight_windows_of_ten(cards):
    people = model()[1].people
    share = float(np.mean(people["smoker"] == "yes"))

    def is_caught(generator: np.random.Generator) -> bool:
        before = generator.binomial(len(people), share)
        after = generator.binomial(ROWS, share + cards["smoker"] / 100)
        counts = [np.array([n - yes, yes]) for n, yes in ((len(people), before), (ROWS, after))]
        return drift.chi_square(*counts)[1] < drift.limit_of(THRESHOLDS, CURRENT)

    assert 0.75 < caught(is_caught) < 0.85


def test_the_least_rise_of_charges_is_caught_in_eight_windows_of_ten(cards):
    holdout = model()[1].holdout
    ratios = (holdout["charges"] / holdout["premium"]).to_numpy()

    def is_caught(generator: np.random.Generator) -> bool:
        sample = generator.choice(ratios, len(ratios))
        window = generator.choice(ratios, ROWS) * (1 + cards["charges"] / 100)
        points = np.unique(sample)
        sides = count_ranks(points, sample), count_ranks(points, window)
        believed = believed_rows(len(sample), ROWS)
        p_value = performance.mann_whitney_p_value(superiority(*sides), *sides, believed)
        return p_value < performance.limit_of(THRESHOLDS)

    assert 0.72 < caught(is_caught) < 0.88


def test_larger_windows_see_smaller_changes(cards):
    larger = {card.check: card.least for card in power(model()[1], 4000, 4000, THRESHOLDS)}

    assert all(larger[check] <= cards[check] for check in cards)
    assert larger["bmi"] < cards["bmi"]


def test_what_cannot_be_judged_is_not_on_the_card():
    _, reference = model()

    assert power(reference, 99, 99, THRESHOLDS) == ()
    assert [card.check for card in power(reference, 99, 100, THRESHOLDS)] == ["charges"]
    assert len(power(reference, 100, 99, THRESHOLDS)) == 3


def test_what_no_change_could_show_is_not_on_the_card():
    _, reference = model()
    few = Reference(reference.people.head(2), reference.premium[:2], reference.holdout.head(3))

    assert not {"bmi", "age", "charges"} & {card.check for card in power(few, 100, 100, THRESHOLDS)}
