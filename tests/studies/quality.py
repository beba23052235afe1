"""How good the candidates and the 90 % intervals are, by repeated cross-validation.

`make quality DATA=...` prints the tables of docs/quality.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import fmean, median, stdev
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import read_settings
from insurance_predictor.model.cross_validation import (
    REPEATS,
    SPLITS,
    Fold,
    Scores,
    make_folds,
    ranked,
    score,
)
from insurance_predictor.model.estimators import CandidateEstimator, make_baseline, make_candidates
from insurance_predictor.model.evaluation import IntervalScore, interval_score, metrics
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.intervals import Intervals, fit_intervals
from insurance_predictor.model.preprocessing import OBESE_ABOVE, make_preprocessor
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import SMOKER
from tests.studies.markdown import markdown_table

OUTER_REPEATS = 5
OURS = "ours"
# The model quotes so much too high: the level of charges has fallen, or the model was mislevelled.
DRIFTS = (0.0, 0.01, 0.03, 0.05)


@dataclass(frozen=True)
class Quality:
    """One candidate: metrics of each repeat's pooled predictions, and what a fit costs."""

    name: str
    pooled: tuple[dict[str, float], ...]
    fold_rmse: float
    fit_seconds: float

    def mean(self, metric: str) -> float:
        return fmean(repeat[metric] for repeat in self.pooled)


@dataclass(frozen=True)
class Quoted:
    """Intervals fitted without the people they are judged on, for each way of making them."""

    fold: Fold
    premium: FloatArray
    intervals: Mapping[str, Intervals]


def measure_candidates(
    people: pd.DataFrame, charges: FloatArray, folds: Sequence[Fold]
) -> tuple[list[Quality], Scores]:
    """Every candidate and the textbook baseline on the same folds, and the best one's scores."""
    candidates = make_candidates(tuple(folds[0].train_columns.columns))
    scores = [score(candidate, folds, charges) for candidate in candidates]
    baseline = score(
        CandidateEstimator("textbook", make_baseline(), {}), _raw(people, folds), charges
    )
    pipelines = [make_pipeline(make_preprocessor(), found.estimator) for found in candidates]
    found = [
        Quality(
            name=each.candidate.name,
            pooled=tuple(metrics(charges, predicted) for predicted in each.out_of_fold),
            fold_rmse=each.mean("rmse"),
            fit_seconds=_fit_seconds(pipeline, people, charges),
        )
        for each, pipeline in zip([*scores, baseline], [*pipelines, make_baseline()], strict=True)
    ]
    return found, ranked(scores)[0]


def _raw(people: pd.DataFrame, folds: Sequence[Fold]) -> list[Fold]:
    return [
        replace(fold, train_columns=people.iloc[fold.train], test_columns=people.iloc[fold.test])
        for fold in folds
    ]


def _fit_seconds(pipeline: object, people: pd.DataFrame, charges: FloatArray) -> float:
    seconds = []
    for _ in range(5):
        start = perf_counter()
        clone(pipeline).fit(people, charges)
        seconds.append(perf_counter() - start)
    return median(seconds)


def quote_nested(
    scores: Scores,
    people: pd.DataFrame,
    charges: FloatArray,
    folds: Sequence[Fold],
    splits: int = SPLITS,
    repeats: int = REPEATS,
) -> list[Quoted]:
    """Inside each outer fold, intervals from an inner cross-validation as `train` does it."""
    quoted = []
    for fold in folds:
        inner_people, inner_charges = people.iloc[fold.train], charges[fold.train]
        inner = score(scores.candidate, make_folds(inner_people, splits, repeats), inner_charges)
        residual = inner_charges - inner.out_of_fold.mean(axis=0)
        premium = scores.out_of_fold[fold.repeat, fold.test]
        quoted.append(Quoted(fold, premium, every_interval(residual, inner_people)))
    return quoted


PUBLIC = 10_000.0  # what people of the public table are charged, US dollars a year


def every_interval(residual: FloatArray, people: pd.DataFrame) -> dict[str, Intervals]:
    """Ours, and what a reader may ask about: bare offsets without slack or least half-width."""
    ours = fit_intervals(residual, people, SMOKER, PUBLIC)
    central = {group: _central(part) for group, part in _groups(residual, people).items()}
    shortest = {group: _shortest(part) for group, part in _groups(residual, people).items()}
    widest = float(np.quantile(np.abs(residual), 0.90, method="higher"))
    return {
        "± the 90 % quantile of everyone": _bare(dict.fromkeys(SMOKER.values, (-widest, widest))),
        "central (5 % to 95 %) by group": _bare(central),
        "shortest 90 % by group": _bare(shortest),
        "ours without slack": replace(ours, slack=0.0),
        "ours with central's levels": replace(ours, offsets=central),
        OURS: ours,
    }


def _bare(offsets: Mapping[str, tuple[float, float]]) -> Intervals:
    return Intervals(offsets, slack=0.0, least_half_width=0.0)


def _groups(residual: FloatArray, people: pd.DataFrame) -> dict[str, FloatArray]:
    smoker = people[SMOKER.name].to_numpy()
    return {group: np.sort(residual[smoker == group]) for group in SMOKER.values}


def _central(ordered: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(ordered, (0.05, 0.95))
    return float(low), float(high)


def _shortest(ordered: FloatArray) -> tuple[float, float]:
    held = ceil(0.90 * len(ordered))
    start = int(np.argmin(ordered[held - 1 :] - ordered[: len(ordered) - held + 1]))
    return float(ordered[start]), float(ordered[start + held - 1])


def judge_intervals(
    quoted: Sequence[Quoted],
    people: pd.DataFrame,
    charges: FloatArray,
    name: str,
    drift: float = 0.0,
) -> dict[str, IntervalScore]:
    """Scores of everybody's and each smoker group's intervals, all repeats pooled.

    With `drift`, every premium is that share too high.
    """
    rows, lows, highs = [], [], []
    for each in quoted:
        tested = people.iloc[each.fold.test]
        low, high = each.intervals[name].around(each.premium * (1 + drift), tested)
        rows.append(each.fold.test)
        lows.append(low)
        highs.append(high)
    row, low, high = (np.concatenate(parts) for parts in (rows, lows, highs))
    smoker = people[SMOKER.name].to_numpy()[row]
    masks = {"everybody": smoker == smoker} | {group: smoker == group for group in SMOKER.values}
    return {
        group: interval_score(charges[row[mask]], low[mask], high[mask])
        for group, mask in masks.items()
    }


def judge_edge(
    candidate: CandidateEstimator,
    people: pd.DataFrame,
    charges: FloatArray,
    splits: int,
    repeats: int,
) -> dict[str, float]:
    """Pooled RMSE when smokers at a bmi of exactly 30.0 count as not obese, obese, not at all."""
    edge = ((people["smoker"] == "yes") & (people["bmi"] == OBESE_ABOVE)).to_numpy()
    just_above = people["bmi"].where(~edge, np.nextafter(OBESE_ABOVE, np.inf))
    variants = {
        "not obese (ours: above 30)": (people, charges),
        "obese (from 30)": (people.assign(bmi=just_above), charges),
        "left out of the table": (people[~edge], charges[~edge]),
    }
    return {
        name: _pooled_rmse(candidate, table, values, splits, repeats)
        for name, (table, values) in variants.items()
    }


def _pooled_rmse(
    candidate: CandidateEstimator,
    people: pd.DataFrame,
    charges: FloatArray,
    splits: int,
    repeats: int,
) -> float:
    scores = score(candidate, make_folds(people, splits, repeats), charges)
    return fmean(metrics(charges, predicted)["rmse"] for predicted in scores.out_of_fold)


def candidates_table(found: Sequence[Quality]) -> str:
    rows = [
        [
            each.name,
            f"{each.mean('rmse'):,.1f} ± {stdev(repeat['rmse'] for repeat in each.pooled):.1f}",
            f"{each.fold_rmse:,.1f}",
            f"{each.mean('mae'):,.0f}",
            f"{each.mean('r2'):.4f}",
            f"{round(each.mean('total_bias'), 4) + 0:+.2%}",  # + 0 turns -0.0 around
            f"{1000 * each.fit_seconds:.0f}",
        ]
        for each in sorted(found, key=lambda each: each.mean("rmse"))
    ]
    header = ("candidate", "RMSE", "mean fold RMSE", "MAE", "R²", "total bias", "fit (ms)")
    return markdown_table(header, rows)


def intervals_table(scores: Mapping[str, Mapping[str, IntervalScore]]) -> str:
    rows = [
        [
            name,
            *(f"{groups[group].coverage:.1%}" for group in ("everybody", *SMOKER.values)),
            f"{groups['everybody'].mean_width:,.0f}",
            *(f"{groups[group].winkler:,.0f}" for group in ("everybody", *SMOKER.values)),
        ]
        for name, groups in scores.items()
    ]
    header = ("interval", "coverage", "non-smokers", "smokers", "mean width")
    return markdown_table((*header, "Winkler", "non-smokers", "smokers"), rows)


def drift_table(scores: Mapping[str, Mapping[float, Mapping[str, IntervalScore]]]) -> str:
    rows = [
        [f"{name}, {group}", *(f"{by_drift[drift][value].coverage:.1%}" for drift in DRIFTS)]
        for name, by_drift in scores.items()
        for group, value in zip(("non-smokers", "smokers"), SMOKER.values, strict=True)
    ]
    return markdown_table(("coverage when quotes are", *(f"+{d:.0%}" for d in DRIFTS)), rows)


def edge_table(found: Mapping[str, float]) -> str:
    rows = [[name, f"{rmse:,.1f}"] for name, rmse in found.items()]
    return markdown_table(("smokers at a bmi of exactly 30.0", "RMSE"), rows)


def main() -> None:
    table = read_table(read_settings())
    people, charges = features(table.frame), target(table.frame)
    print(f"{table.source}: {len(people):,} people, {SPLITS}-fold × {OUTER_REPEATS} repeats\n")
    with threadpool_limits(limits=1):
        folds = make_folds(people, SPLITS, OUTER_REPEATS)
        found, chosen = measure_candidates(people, charges, folds)
        print(candidates_table(found), end="\n\n", flush=True)
        edge = judge_edge(chosen.candidate, people, charges, SPLITS, OUTER_REPEATS)
        print(edge_table(edge), end="\n\n", flush=True)
        quoted = quote_nested(chosen, people, charges, folds)
    names = tuple(quoted[0].intervals)
    judged = {name: judge_intervals(quoted, people, charges, name) for name in names}
    print(f"Intervals of {chosen.candidate.name}\n\n{intervals_table(judged)}\n")
    drifted = {
        name: {drift: judge_intervals(quoted, people, charges, name, drift) for drift in DRIFTS}
        for name in names
    }
    print(drift_table(drifted))


if __name__ == "__main__":
    main()
