"""The search over the candidates' parameters: scikit-learn's sampler, trials in parallel."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.cross_validation import Fold, Scores, score
from insurance_predictor.model.estimators import CandidateEstimator

Plan = Sequence[tuple[CandidateEstimator, dict[str, Any]]]


@dataclass(frozen=True)
class Trial:
    """One set of parameters and what it reached."""

    parameters: dict[str, Any]
    scores: Scores


def planned(
    candidates: Sequence[CandidateEstimator], trials: int, seed: int = 0
) -> list[tuple[CandidateEstimator, dict[str, Any]]]:
    """Up to `trials` sets of parameters of each candidate, the candidates taking turns."""
    sampled = [
        (number, candidate, parameters)
        for candidate in candidates
        for number, parameters in enumerate(_sampled(candidate, trials, seed))
    ]
    sampled.sort(key=lambda one: one[0])
    return [(candidate, parameters) for _, candidate, parameters in sampled]


def search(
    plan: Plan,
    folds: Sequence[Fold],
    charges: FloatArray,
    *,
    jobs: int,
    each_trial: Callable[[Trial], None],
) -> list[Trial]:
    """Score each set of parameters of `plan` on the same folds, in `jobs` processes.

    `each_trial` is called as each one is done. Ctrl-C ends the search and keeps what is done.
    """
    done: list[Trial] = []
    results = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_trial)(candidate, parameters, folds, charges) for candidate, parameters in plan
    )
    try:
        for trial in results:
            done.append(trial)
            each_trial(trial)
    except KeyboardInterrupt:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib's word that trials were cancelled: they were
            results.close()
        if not done:
            raise
    return done


def _sampled(candidate: CandidateEstimator, trials: int, seed: int) -> list[dict[str, Any]]:
    number = min(trials, len(ParameterGrid(dict(candidate.space))))
    return list(ParameterSampler(dict(candidate.space), number, random_state=seed))


def _trial(
    candidate: CandidateEstimator,
    parameters: dict[str, Any],
    folds: Sequence[Fold],
    charges: FloatArray,
) -> Trial:
    estimator = clone(candidate.estimator).set_params(**parameters)
    found = score(replace(candidate, estimator=estimator), folds, charges)
    taken = {"max_iter": found.candidate.estimator.max_iter} if candidate.stages else {}
    return Trial({**parameters, **taken}, found)
