"""The candidates: robust against spikes, right on average, stored without executable types."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from insurance_predictor.model.behaviour import behaviour_grid, falls_by_group, undercut
from insurance_predictor.model.estimators import (
    TRUSTED_TYPES,
    TypicalPlusMean,
    make_baseline,
    make_candidates,
)
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.table.schema import AGE, FEATURE_NAMES, SMOKER
from insurance_predictor.table.synthetic import make_table

TABLE = make_table(800, seed=2)
PEOPLE, CHARGES = TABLE[list(FEATURE_NAMES)], TABLE["charges"].to_numpy()
COLUMNS = tuple(make_preprocessor().fit(PEOPLE).get_feature_names_out())
CANDIDATES = {candidate.name: candidate for candidate in make_candidates(COLUMNS)}


@pytest.fixture(scope="module", params=sorted(CANDIDATES))
def fitted(request):
    return make_pipeline(make_preprocessor(), clone(CANDIDATES[request.param].estimator)).fit(
        PEOPLE, CHARGES
    )


def spiky_line(rows: int = 400):
    """Charges of 1000 a unit, a tenth of them 5000 higher for no visible reason."""
    x = np.tile(np.linspace(0, 4, rows // 2), 2)
    group = np.repeat([0.0, 1.0], rows // 2)
    spikes = np.where(np.arange(rows) % 10 == 3, 5000.0, 0.0) * (1 + group)
    return pd.DataFrame({"x": x, "smoker": group}), 1000 * x + 2000 * group + spikes


def test_the_typical_charge_ignores_spikes_that_bend_least_squares():
    X, y = spiky_line()
    typical = TypicalPlusMean().fit(X, y).typical_
    assert typical.coef_[0] == pytest.approx(1000, rel=0.01)
    assert abs(LinearRegression().fit(X, y).intercept_) > 10 * abs(typical.intercept_)


def test_the_mean_is_added_back_for_each_group():
    X, y = spiky_line()
    predicted = TypicalPlusMean().fit(X, y).predict(X)
    for group in (0.0, 1.0):
        rows = (X["smoker"] == group).to_numpy()
        assert predicted[rows].mean() == pytest.approx(y[rows].mean())


def test_a_group_that_is_absent_does_not_break_the_fit():
    X, y = spiky_line()
    alone = X["smoker"] == 0
    assert np.isfinite(TypicalPlusMean().fit(X[alone], y[alone]).predict(X)).all()


def test_every_candidate_beats_the_textbook(fitted):
    fresh = make_table(2000, seed=3)
    people, charges = fresh[list(FEATURE_NAMES)], fresh["charges"]
    textbook = make_baseline().fit(PEOPLE, CHARGES)

    def rmse(model):
        return np.sqrt(np.mean((model.predict(people) - charges) ** 2))

    assert rmse(fitted) < 0.9 * rmse(textbook)


def test_every_candidate_is_right_on_average(fitted):
    assert fitted.predict(PEOPLE).sum() == pytest.approx(CHARGES.sum(), rel=0.01)


def test_no_candidate_quotes_a_smoker_less_or_falls_with_age(fitted):
    grid = behaviour_grid()
    assert undercut(fitted.predict, grid, SMOKER) == 0
    assert falls_by_group(fitted.predict, grid, AGE, SMOKER)["all"] < 0.01


def test_every_candidate_survives_its_own_file_with_only_the_trusted_types(fitted):
    stored = skops.io.dumps(fitted[-1])
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    columns = fitted[0].transform(PEOPLE)
    np.testing.assert_array_equal(loaded.predict(columns), fitted[-1].predict(columns))


@pytest.mark.parametrize("name", sorted(CANDIDATES))
def test_every_parameter_of_a_search_space_exists(name):
    candidate = CANDIDATES[name]
    assert set(candidate.space) <= set(candidate.estimator.get_params())
