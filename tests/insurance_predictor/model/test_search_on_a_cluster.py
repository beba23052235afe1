"""A search on a Dask cluster finds what it finds on one machine."""

import numpy as np
import pytest
from distributed import LocalCluster
from joblib import parallel_config

from insurance_predictor.cluster import connected
from insurance_predictor.model.cross_validation import make_folds
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.tuning import Trial, planned, search
from insurance_predictor.table.read import Table
from insurance_predictor.table.schema import CURRENT

pytestmark = pytest.mark.process


def test_the_same_trials_come_to_the_same(sample: Table):
    rows = sample.frame.head(300)
    folds = make_folds(features(rows))[:2]
    made = tuple(folds[0].train_columns.columns)
    plan = planned(make_candidates(made, CURRENT, len(rows)), 2)

    def tried() -> dict[str, Trial]:
        trials = search(plan, folds, target(rows), jobs=-1, each_trial=lambda trial: None)
        return {repr((each.scores.candidate.name, each.parameters)): each for each in trials}

    with parallel_config(n_jobs=1):
        here = tried()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        connected(cluster.scheduler_address),
        parallel_config(backend="dask"),
    ):
        there = tried()
    assert len(plan) == len(here) > 3
    assert here.keys() == there.keys()
    for name, trial in here.items():
        assert np.array_equal(
            trial.scores.out_of_fold, there[name].scores.out_of_fold, equal_nan=True
        )
