"""The search over the candidates' parameters: scikit-learn's sampler, trials in parallel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from insurance_predictor.cross_validation import Fold, Scores, score
from insurance_predictor.evaluation import Numbers
from insurance_predictor.models import Candidate


@dataclass(frozen=True)
class Trial:
    """One set of parameters and what it reached."""

    parameters: dict[str, Any]
    scores: Scores


def search(
    candidates: Sequence[Candidate],
    folds: Sequence[Fold],
    charges: Numbers,
    *,
    trials: int,
    jobs: int,
    each_trial: Callable[[Trial], None],
    seed: int = 0,
) -> list[Trial]:
    """Score up to `trials` sets of parameters of each candidate on the same folds.

    `each_trial` is called as each one is done. Ctrl-C ends the search and keeps what is done.
    """
    wanted = [
        (candidate, parameters)
        for candidate in candidates
        for parameters in _sampled(candidate, trials, seed)
    ]
    done: list[Trial] = []
    results = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_trial)(candidate, parameters, folds, charges) for candidate, parameters in wanted
    )
    try:
        for trial in results:
            done.append(trial)
            each_trial(trial)
    except KeyboardInterrupt:
        results.close()
        if not done:
            raise
    return done


def _sampled(candidate: Candidate, trials: int, seed: int) -> list[dict[str, Any]]:
    number = min(trials, len(ParameterGrid(dict(candidate.space))))
    return list(ParameterSampler(dict(candidate.space), number, random_state=seed))


def _trial(
    candidate: Candidate, parameters: dict[str, Any], folds: Sequence[Fold], charges: Numbers
) -> Trial:
    estimator = clone(candidate.estimator).set_params(**parameters)
    return Trial(parameters, score(replace(candidate, estimator=estimator), folds, charges))
