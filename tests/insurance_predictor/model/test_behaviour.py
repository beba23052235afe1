"""The behaviour checks pass a sensible tariff and each finds the fault it is there to find."""

import numpy as np
import pandas as pd
import pytest

from insurance_predictor.model.behaviour import (
    batch_invariance,
    behaviour_grid,
    extremes_positive_and_finite,
    fall,
    falls_by_group,
    ignored_features,
    undercut,
)
from insurance_predictor.table import schema


@pytest.fixture(scope="module")
def grid():
    return behaviour_grid()


def sensible(people):
    smoking = (people["smoker"] == "yes").to_numpy()
    bmi = people["bmi"].to_numpy(dtype=float)
    return 250.0 * people["age"].to_numpy() + 400.0 * bmi * smoking + 300.0 * people["children"]


def test_everybody_in_the_grid_is_valid_and_appears_once(grid):
    assert len(grid) <= 20_000
    assert not grid.duplicated().any()
    people = grid.sample(500, random_state=0).to_dict("records")
    assert [schema.CURRENT.violations(person) for person in people] == [()] * 500


def test_the_grid_reaches_every_category_and_the_ends_of_every_range(grid):
    for column in (schema.SEX, schema.SMOKER, schema.REGION):
        assert set(grid[column.name]) == set(column.values)
    ends = grid[["age", "bmi", "children"]].agg(["min", "max"])
    assert ends.to_numpy().tolist() == [[18, 16, 0], [64, 54, 5]]


def test_the_grid_is_the_same_at_every_call(grid):
    pd.testing.assert_frame_equal(behaviour_grid(), grid)


def test_the_same_profiles_appear_at_every_age_smoking_and_not(grid):
    profiles = {
        tuple(part[["sex", "bmi", "children", "region"]].itertuples(index=False, name=None))
        for _, part in grid.groupby(["age", "smoker"])
    }
    assert len(profiles) == 1


def test_a_sensible_tariff_passes_every_check_and_is_asked_little():
    grid, asked = behaviour_grid(), []

    def counted(people):
        asked.append(len(people))
        return sensible(people)

    assert undercut(counted, grid, schema.SMOKER) == 0
    assert set(falls_by_group(counted, grid, schema.AGE, schema.SMOKER).values()) == {0.0}
    assert batch_invariance(counted, grid) == 0
    assert extremes_positive_and_finite(counted)
    assert len(asked) <= 8
    assert sum(asked) <= 2.5 * len(grid)  # half a second for the whole


def test_undercut_is_the_share_of_people_quoted_less_smoking(grid):
    def cheaper_for_slim_smokers(people):
        slim = (people["bmi"] < 24).to_numpy()
        return sensible(people) - 30_000.0 * (slim & (people["smoker"] == "yes").to_numpy())

    share = undercut(cheaper_for_slim_smokers, grid, schema.SMOKER)
    assert share == pytest.approx((grid["bmi"] < 24).mean())


def test_inverting_the_smoker_flag_undercuts_everybody(grid):
    def inverted(people):
        return sensible(people.assign(smoker=people["smoker"].map({"yes": "no", "no": "yes"})))

    assert undercut(inverted, grid, schema.SMOKER) == 1


def test_less_than_a_cent_is_not_an_undercut(grid):
    def rounding(people):
        return 5000.0 - 1e-9 * (people["smoker"] == "yes").to_numpy()

    assert undercut(rounding, grid, schema.SMOKER) == 0


def test_undercut_needs_only_one_state_of_each_person(grid):
    only_smokers = grid[grid["smoker"] == "yes"]
    assert undercut(lambda people: -sensible(people), only_smokers, schema.SMOKER) == 1


def test_age_falls_finds_the_group_and_the_size_of_a_fall(grid):
    def discount_for_old_smokers(people):
        old_smoker = ((people["age"] >= 60) & (people["smoker"] == "yes")).to_numpy()
        return sensible(people) - 3000.0 * old_smoker

    falls = falls_by_group(discount_for_old_smokers, grid, schema.AGE, schema.SMOKER)
    assert falls["smoker=no"] == 0
    assert falls["smoker=yes"] == pytest.approx(2500)
    assert falls["all"] == pytest.approx(1000)


def test_a_fall_for_some_is_no_fall_of_the_expected_premium(grid):
    def fewer_dollars_for_a_few(people):
        few = ((people["age"] >= 40) & (people["children"] == 0)).to_numpy()
        return sensible(people) - 600.0 * few

    assert falls_by_group(fewer_dollars_for_a_few, grid, schema.AGE, schema.SMOKER)["all"] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_premium_that_is_not_finite_fails_every_check(grid, bad):
    def broken(people):
        return np.full(len(people), bad)

    assert undercut(broken, grid, schema.SMOKER) == 1
    assert set(falls_by_group(broken, grid, schema.AGE, schema.SMOKER).values()) == {np.inf}
    assert batch_invariance(broken, grid) == np.inf
    assert not extremes_positive_and_finite(broken)


def test_a_premium_that_depends_on_the_batch_is_found(grid):
    def relative_to_the_batch(people):
        return sensible(people) + people["bmi"].mean()

    assert batch_invariance(relative_to_the_batch, grid) > 1


def test_a_premium_that_depends_on_the_row_above_is_found(grid):
    def carried_over(people):
        return sensible(people) + np.roll(people["bmi"].to_numpy(), 1)

    assert batch_invariance(carried_over, grid) > 1


def test_a_premium_that_reads_columns_by_position_is_found(grid):
    def by_position(people):
        numbers = people.select_dtypes("number")
        return 250.0 * numbers.iloc[:, 0].to_numpy() + 300.0 * numbers.iloc[:, 2].to_numpy()

    assert batch_invariance(by_position, grid) > 1000


@pytest.mark.parametrize("wrong", [-1.0, 0.0, np.nan, np.inf])
def test_one_wrong_corner_is_enough_to_fail_the_extremes(wrong):
    def wrong_for_the_oldest_lightest(people):
        quotes = np.asarray(sensible(people), dtype=float)
        corner = (people["age"] == schema.AGE.high) & (people["bmi"] == schema.BMI.low)
        return np.where(corner & (people["smoker"] == "yes"), wrong, quotes)

    assert not extremes_positive_and_finite(wrong_for_the_oldest_lightest)


def test_the_extremes_are_every_corner_of_the_schema():
    seen = []

    def recorded(people):
        seen.append(people)
        return sensible(people)

    assert extremes_positive_and_finite(recorded)
    (corners,) = seen
    assert len(corners.drop_duplicates()) == 2**3 * 2 * 2 * 4
    assert all(not schema.CURRENT.violations(person) for person in corners.to_dict("records"))


def test_a_sensible_tariff_rises_with_children_and_ignores_nothing_that_matters(grid):
    assert fall(sensible, grid, schema.CHILDREN) == 0
    assert ignored_features(sensible, grid) == ()


def test_the_worst_fall_with_one_child_more_is_found(grid):
    def cheaper_from_four_children(people):
        return sensible(people) - 700.0 * (people["children"] >= 4)

    assert fall(cheaper_from_four_children, grid, schema.CHILDREN) == pytest.approx(400)


def test_a_premium_that_is_not_finite_is_an_infinite_fall_with_children(grid):
    def undefined_for_five(people):
        return np.where(people["children"] == 5, np.nan, sensible(people))

    assert fall(undefined_for_five, grid, schema.CHILDREN) == np.inf


@pytest.mark.parametrize(("column", "value"), [("age", 40), ("bmi", 25.0), ("smoker", "no")])
def test_a_feature_that_changes_nobody_s_premium_is_named(grid, column, value):
    def blind(people):
        smoking = 1_000.0 * (people["smoker"] == "yes").to_numpy()
        return sensible(people) + smoking + 3.0 * people["bmi"].to_numpy()

    assert ignored_features(blind, grid) == ()
    assert ignored_features(lambda people: blind(people.assign(**{column: value})), grid) == (
        column,
    )


def test_a_feature_that_changes_one_premium_is_not_ignored(grid):
    def almost_blind(people):
        heavy = (people["bmi"] > 53).to_numpy() & (people["age"] == 18).to_numpy()
        return 10_000.0 + heavy * 1.0

    assert ignored_features(almost_blind, grid) == ("smoker",)
