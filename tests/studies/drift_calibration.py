"""How often monitoring cries wolf, and how often it sees a wolf: measured on re-split tables.

`make calibrate DATA=...` prints the tables of docs/monitoring.md.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from insurance_predictor.base.settings import MonitorThresholds, read_settings
from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.fitting import features, fit_pair, target
from insurance_predictor.model.pair import Pair
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import AGE, BMI, FEATURE_NAMES, SMOKER, TARGET
from insurance_predictor.table.split import split_table
from monitoring.checks.drift import drift_verdicts
from monitoring.checks.performance import performance_verdicts
from monitoring.domain.assessment import Kind, Verdict
from monitoring.window.batches import Chunk, OutcomeChunk
from monitoring.window.reference import PREMIUM, Reference
from monitoring.window.statistics import WindowStatistics
from tests.studies.markdown import markdown_table

SPLITS = 1000
SPLITS_OF_EVIDENTLY = 30
REFERENCE_SHARE = 0.7
FOLDS = 5
QUIET_ROWS = (100, 400)
CHANGED_ROWS = 400
EVIDENTLY_ROWS = (30, 100, 200)
EVIDENTLY_SHARES = (0.7, 0.8)  # its tests are others for a reference of more than 1,000 rows
KINDS: tuple[Kind, ...] = ("drift", "performance")
MORE_SMOKERS = 0.30
NO_DRIFT = "no drift"

Found = TypeVar("Found")
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Judged:
    """What one window was called; `alarms` are names of verdicts."""

    change: str
    rows: int
    alarms: frozenset[str]
    error_is_in_band: bool


def heavier(people: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Everybody's bmi 2 kg/m² higher."""
    return people.assign(bmi=people[BMI.name] + 2)


def older(people: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """As many people, drawn anew so that the old are likelier and the mean age is 5 years higher.

    The weights are exp(t·age), which changes the mean with the least change of everything else.
    """
    age = people[AGE.name].to_numpy(dtype=float)
    low, high = 0.0, 1.0
    for _ in range(50):
        tilt = (low + high) / 2
        weights = np.exp(tilt * (age - age.mean()))
        too_old = np.average(age, weights=weights) > age.mean() + 5
        low, high = (low, tilt) if too_old else (tilt, high)
    drawn = generator.choice(len(people), size=len(people), p=weights / weights.sum())
    return _rows(people, drawn)


def smokier(people: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Some of those who do not smoke do, each with the chance that makes 30 % of people smokers."""
    smokes = people[SMOKER.name] == SMOKER.values[1]
    chance = (MORE_SMOKERS - smokes.mean()) / (1 - smokes.mean())
    starts = ~smokes & (generator.random(len(people)) < chance)
    return people.assign(smoker=people[SMOKER.name].mask(starts, SMOKER.values[1]))


def dearer(people: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    """Everybody charged 10 % more."""
    return people.assign(charges=1.1 * people[TARGET.name])


CHANGES: Mapping[str, tuple[Change, Kind]] = {
    "bmi +2 kg/m²": (heavier, "drift"),
    "mean age +5 years": (older, "drift"),
    "smokers 20 → 30 %": (smokier, "drift"),
    "charges +10 %": (dearer, "performance"),
}


def trained(table: pd.DataFrame) -> tuple[Pair, Reference]:
    """The library's recipe on `table`, with its own split, and the reference it would leave."""
    split = split_table(table)
    folds = make_folds(features(split.train), FOLDS, 1)
    recipe, *_ = make_candidates(tuple(folds[0].train_columns.columns))
    found = fit_pair(score(recipe, folds, target(split.train)), split)
    people = pd.concat([found.reference, found.holdout], ignore_index=True)[list(FEATURE_NAMES)]
    premium = found.pair.predict(people)[PREMIUM].to_numpy()
    return found.pair, Reference(people, premium, found.holdout)


def judge(
    window: pd.DataFrame, pair: Pair, reference: Reference, thresholds: MonitorThresholds
) -> tuple[Verdict, ...]:
    """The verdicts of drift and performance on people (n, 7) whose charges are all known."""
    statistics = WindowStatistics(reference)
    answers = pair.predict(features(window))
    columns = reference.columns
    numbers = {one.name: window[one.name].to_numpy(dtype=float) for one in columns.numbers}
    numbers |= {PREMIUM: answers[PREMIUM].to_numpy(), "latency_ms": np.full(len(window), np.nan)}
    places = {
        one.name: np.array([one.values.index(value) for value in window[one.name]])
        for one in columns.categories
    }
    statistics.add(Chunk(numbers, places, np.zeros(len(window), int)))
    outcomes = (answers[name].to_numpy() for name in (PREMIUM, "low", "high"))
    smoker = places[SMOKER.name]
    age = numbers[AGE.name]
    statistics.outcomes.add(OutcomeChunk(*outcomes, target(window), age, smoker))
    return (
        *drift_verdicts(reference, statistics, thresholds),
        *performance_verdicts(reference, statistics, thresholds),
    )


def split_and_judge(table: pd.DataFrame, seed: int, thresholds: MonitorThresholds) -> list[Judged]:
    """One reference of 70 % of the people, and windows drawn from the others."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(table))
    learned = round(REFERENCE_SHARE * len(table))
    with threadpool_limits(limits=1):
        pair, reference = trained(_rows(table, order[:learned]))
        windows = _windows(_rows(table, order[learned:]), generator)
        return [
            _judged(name, window, judge(window, pair, reference, thresholds))
            for name, window in windows
        ]


def _windows(
    others: pd.DataFrame, generator: np.random.Generator
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The others are in random order, so that the first are a draw without replacement."""
    for rows in QUIET_ROWS:
        yield NO_DRIFT, others.head(rows)
    for name, (change, _) in CHANGES.items():
        yield name, change(others.head(CHANGED_ROWS), generator)


def _judged(change: str, window: pd.DataFrame, verdicts: Sequence[Verdict]) -> Judged:
    alarms = frozenset(verdict.name for verdict in verdicts if verdict.status == "alarm")
    error = next(verdict for verdict in verdicts if verdict.check == "estimated_error")
    sizes = error.effects
    return Judged(change, len(window), alarms, sizes["low"] <= sizes["actual"] <= sizes["high"])


def calibrate(
    table: pd.DataFrame, thresholds: MonitorThresholds, splits: int = SPLITS, jobs: int = 1
) -> list[Judged]:
    """Every window of `splits` random splits, judged."""
    found = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(split_and_judge)(table, seed, thresholds) for seed in range(splits)
    )
    return [judged for each in shown(found, splits, "splits") for judged in each]


def alarm_share(judged: Sequence[Judged], change: str, rows: int, kinds: Sequence[str]) -> float:
    """The share of such windows in which a verdict of one of the `kinds`, or names, is in alarm."""
    chosen = [each for each in judged if (each.change, each.rows) == (change, rows)]
    return float(np.mean([_has_alarm(each, kinds) for each in chosen]))


def quiet_table(judged: Sequence[Judged]) -> str:
    """How many windows without drift raise an alarm, of either kind and of any."""
    rows = [
        [
            f"{rows}",
            *(f"{alarm_share(judged, NO_DRIFT, rows, (kind,)):.1%}" for kind in KINDS),
            f"**{alarm_share(judged, NO_DRIFT, rows, KINDS):.1%}**",
        ]
        for rows in QUIET_ROWS
    ]
    return markdown_table(("rows of a window without drift", *KINDS, "any alarm"), rows)


def checks_table(judged: Sequence[Judged]) -> str:
    """How many windows each verdict is in alarm in: without drift, and for each change."""
    checks = sorted({name for each in judged for name in each.alarms})
    columns = [(NO_DRIFT, CHANGED_ROWS), *((name, CHANGED_ROWS) for name in CHANGES)]
    rows = [
        [check, *(f"{alarm_share(judged, *column, (check,)):.1%}" for column in columns)]
        for check in checks
    ]
    return markdown_table(("verdict", *(name for name, _ in columns)), rows)


def changes_table(judged: Sequence[Judged]) -> str:
    """How many changed windows raise an alarm of the kind that should, by its likeliest verdict."""
    rows = []
    for name, (_, kind) in CHANGES.items():
        checks = {alarm for each in judged for alarm in each.alarms if alarm.startswith(kind)}
        shares = {c: alarm_share(judged, name, CHANGED_ROWS, (c,)) for c in sorted(checks)}
        best = max(shares, key=lambda check: shares[check])
        share = alarm_share(judged, name, CHANGED_ROWS, (kind,))
        rows.append([name, kind, f"**{share:.1%}**", f"{best} {shares[best]:.1%}"])
    return markdown_table(("change", "kind", "caught", "by its best verdict alone"), rows)


def band_share(judged: Sequence[Judged]) -> float:
    """How often the estimated error's band held the RMSE that outcomes showed, without drift."""
    return float(np.mean([each.error_is_in_band for each in judged if each.change == NO_DRIFT]))


def evidently_flags(table: pd.DataFrame, share: float, seed: int) -> list[int]:
    """How many of the seven columns Evidently's defaults call drifted, in windows without drift.

    One for each of EVIDENTLY_ROWS; the reference is `share` of the people and the windows are
    drawn from the others.
    """
    from evidently import Report
    from evidently.presets import DataDriftPreset

    others = _rows(table, np.random.default_rng(seed).permutation(len(table)))
    learned = round(share * len(table))
    flags = []
    for rows in EVIDENTLY_ROWS:
        window = others.iloc[learned : learned + rows]
        found = Report([DataDriftPreset()]).run(window, others.iloc[:learned]).dict()
        flags.append(int(found["metrics"][0]["value"]["count"]))
    return flags


def evidently_table(table: pd.DataFrame, splits: int = SPLITS_OF_EVIDENTLY, jobs: int = 1) -> str:
    """How many windows without drift Evidently's defaults flag a column of."""
    rows = []
    for share in EVIDENTLY_SHARES:
        found = Parallel(n_jobs=jobs, return_as="generator")(
            delayed(evidently_flags)(table, share, seed) for seed in range(splits)
        )
        flagged = np.array(list(shown(found, splits, "splits of Evidently"))) > 0
        learned = f"{share:.0%} ({round(share * len(table)):,} rows)"
        rows.append([learned, *(f"{each:.0%}" for each in flagged.mean(axis=0))])
    return markdown_table(("reference", *(f"{rows} rows" for rows in EVIDENTLY_ROWS)), rows)


def _has_alarm(judged: Judged, kinds: Sequence[str]) -> bool:
    return any(name.startswith(tuple(kinds)) for name in judged.alarms)


def shown(found: Iterable[Found], count: int, what: str) -> Iterator[Found]:
    """What is found, with a line that says how far it has got, away from the tables."""
    for number, each in enumerate(found, 1):
        if number % max(count // 100, 1) == 0 or number == count:
            print(f"\r{number} of {count} {what}", end="", file=sys.stderr, flush=True)
        yield each
    print(file=sys.stderr)


def _rows(table: pd.DataFrame, chosen: npt.NDArray[np.int64]) -> pd.DataFrame:
    return table.iloc[chosen].reset_index(drop=True)


def main() -> None:
    settings = read_settings()
    table = read_table(settings)
    jobs = int(os.environ.get("N_JOBS") or -1)
    print(f"{table.source}: {len(table.frame):,} people, {SPLITS:,} random splits\n", flush=True)
    judged = calibrate(table.frame, settings.monitor, jobs=jobs)
    print(f"{quiet_table(judged)}\n\n{changes_table(judged)}\n\n{checks_table(judged)}\n")
    print(f"The estimated error's band held what outcomes showed in {band_share(judged):.1%}.\n")
    print(f"Evidently's defaults, {SPLITS_OF_EVIDENTLY} splits each:\n", flush=True)
    print(evidently_table(table.frame, jobs=jobs))


if __name__ == "__main__":
    main()
