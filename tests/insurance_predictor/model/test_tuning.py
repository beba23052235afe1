"""The search tries what it was told to, keeps what is done, and repeats itself for a seed."""

import pytest
from sklearn.linear_model import Lasso, Ridge

from insurance_predictor.model.cross_validation import make_folds
from insurance_predictor.model.estimators import CandidateEstimator
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.tuning import planned, search
from insurance_predictor.table.synthetic import make_table

TABLE = make_table(120, seed=5)
FOLDS = make_folds(features(TABLE), splits=3, repeats=1)
CANDIDATES = (
    CandidateEstimator("ridge", Ridge(), {"alpha": [0.1, 1.0, 10.0]}),
    CandidateEstimator("lasso", Lasso(), {"alpha": [1.0, 5.0]}),
)


def run(trials=2, each_trial=lambda trial: None, jobs=1):
    plan = planned(CANDIDATES, trials)
    return search(plan, FOLDS, target(TABLE), jobs=jobs, each_trial=each_trial)


def test_each_candidate_gets_its_trials_and_never_more_than_its_space_holds():
    names = [trial.scores.candidate.name for trial in run(trials=3)]
    assert sorted(names) == ["lasso"] * 2 + ["ridge"] * 3


def test_candidates_take_turns_so_that_a_short_search_has_seen_each():
    first_two = planned(CANDIDATES, trials=3)[:2]
    assert {candidate.name for candidate, _ in first_two} == {"lasso", "ridge"}


def test_a_trial_is_scored_with_its_own_parameters():
    for trial in run():
        parameters = trial.scores.candidate.estimator.get_params()
        assert parameters["alpha"] == trial.parameters["alpha"]


def test_the_same_seed_gives_the_same_trials():
    def tried():
        return [(t.scores.candidate.name, t.parameters, t.scores.mean("rmse")) for t in run()]

    assert tried() == tried()


@pytest.mark.process
def test_processes_find_what_one_process_finds():
    def found(jobs):
        return sorted(trial.scores.mean("rmse") for trial in run(jobs=jobs))

    assert found(2) == pytest.approx(found(1))


def interrupting_after(number):
    done = []

    def each_trial(trial):
        done.append(trial)
        if len(done) == number:
            raise KeyboardInterrupt

    return each_trial


def test_control_c_keeps_what_is_done():
    assert len(run(trials=3, each_trial=interrupting_after(2))) == 2
