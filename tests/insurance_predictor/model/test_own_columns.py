"""The model's half follows any columns: what enters, what must rise and matter, golden people."""

from dataclasses import replace

import numpy as np
import pytest
import skops.io

from insurance_predictor.model import behaviour
from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import make_baseline, make_candidates
from insurance_predictor.model.fitting import features, fit_pair, target
from insurance_predictor.model.pair import Serving, golden_faults
from insurance_predictor.model.preprocessing import TRUSTED_TYPES, make_preprocessor
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn
from insurance_predictor.table.schema import AGE, BMI, CHARGES, CHILDREN, CURRENT, SEX, SMOKER
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table

WORDS = {"pt": "palavras", "en": "words"}
DEDUCTIBLE = NumberColumn(
    "deductible", 0, 5_000, True, 0, WORDS, WORDS, WORDS, must_matter=True, rises=True
)
PRESSURE = NumberColumn("pressure", 60, 220, True, 0, WORDS, WORDS, WORDS, optional=True)
JOBS = tuple(f"job{number}" for number in range(8))
JOB = CategoryColumn("job", JOBS, WORDS, WORDS, dict.fromkeys(JOBS, WORDS), optional=True)
TABLES = {
    "more": Columns((JOB, *CURRENT.features, DEDUCTIBLE, PRESSURE), CHARGES),
    "no region": Columns((AGE, SEX, BMI, CHILDREN, SMOKER), CHARGES),
    "no group": Columns((AGE, replace(SEX, is_group=False), BMI, CHILDREN), CHARGES),
    "other group": Columns((AGE, replace(JOB, optional=False, is_group=True), BMI), CHARGES),
    "only numbers": Columns((DEDUCTIBLE, BMI), replace(CHARGES, name="cost")),
}


@pytest.fixture(scope="module", params=sorted(TABLES))
def columns(request) -> Columns:
    return TABLES[request.param]


@pytest.fixture(scope="module")
def split(columns):
    return split_table(make_table(400, 4, columns), columns)


@pytest.fixture(scope="module")
def trained(columns, split):
    folds = make_folds(features(split.train, columns), 3, 1, columns=columns)
    made = tuple(folds[0].train_columns.columns)
    charges = target(split.train, columns)
    found = [score(each, folds, charges) for each in make_candidates(made, columns)]
    return [fit_pair(each, split, columns) for each in found]


def test_every_candidate_fits_quotes_and_reproduces_its_golden_people(columns, trained):
    for each in trained:
        pair = replace(each.pair, serving=Serving.from_json(each.pair.serving.to_json()))
        assert golden_faults(pair) == []
        assert not any(columns.violations(person) for person in pair.serving.golden.people)
        quoted = pair.predict(features(each.holdout, columns))
        assert np.isfinite(quoted.to_numpy()).all()
        assert (quoted["low"] <= quoted["premium"]).all()


def test_the_preprocessor_is_stored_with_only_the_trusted_types(trained):
    stored = skops.io.dumps(trained[0].pair.preprocessor)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)


def test_behaviour_is_asked_of_valid_people_and_means_nothing_by_their_order(columns, trained):
    def premiums(people):
        return trained[0].pair.predict(people)["premium"].to_numpy()

    grid = behaviour.behaviour_grid(columns)
    assert 100 <= len(grid) <= 80_000
    assert behaviour.batch_invariance(premiums, grid) < 0.01
    assert behaviour.extremes_positive_and_finite(premiums, columns) in (True, False)


def test_intervals_hold_in_each_value_of_the_group_that_is_declared(columns, trained):
    offsets = trained[0].pair.serving.intervals.offsets
    assert tuple(offsets) == (columns.group.values if columns.group else ("everybody",))


def test_the_textbook_fits_too(columns, split):
    people = features(split.train, columns)
    quoted = make_baseline(columns).fit(people, target(split.train, columns)).predict(people)
    assert np.isfinite(quoted).all()


def test_a_number_enters_scaled_a_category_one_hot_and_effects_where_their_columns_are():
    made = {
        name: list(
            make_preprocessor(each)
            .fit(features(make_table(200, 1, each), each))
            .get_feature_names_out()
        )
        for name, each in TABLES.items()
    }
    assert {"deductible", "pressure", "missingindicator_pressure", "smoker_bmi"} <= set(
        made["more"]
    )
    assert {f"job_{job}" for job in (*JOBS[1:], "missing")} <= set(made["more"])
    assert made["no group"] == ["age_squared", "children", "bmi", "sex_male"]
    assert made["only numbers"] == ["deductible", "bmi"]


def test_premiums_rise_with_what_is_declared_to_in_boosting():
    columns = TABLES["more"]
    made = ("age_squared", "deductible", "job_job1", "smoker_bmi", "pressure")
    boosting = make_candidates(made, columns)[2].estimator
    assert boosting.monotonic_cst == [1, 1, 0, 1, 0]


def test_what_must_matter_and_does_not_is_named():
    columns = TABLES["more"]
    grid = behaviour.behaviour_grid(columns)

    def premiums(people):
        smoking = (people["smoker"] == "yes").to_numpy()
        return 100.0 * people["age"].to_numpy() + 10.0 * people["bmi"].to_numpy() * smoking

    assert behaviour.ignored_features(premiums, grid, columns) == ("deductible",)


def test_a_fall_of_a_new_number_that_must_rise_is_found():
    columns = TABLES["more"]

    def premiums(people):
        return 9_000.0 - people["deductible"].to_numpy()

    grid = behaviour.behaviour_grid(columns)
    step = DEDUCTIBLE.usual_values[1]
    assert behaviour.worst_fall(premiums, grid, DEDUCTIBLE, columns) == pytest.approx(step)
