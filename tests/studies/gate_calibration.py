"""What each rule of the gate costs: how often it refuses a good candidate, and stops a bad one.

`make gate-calibration DATA=...` prints the tables of docs/gate.md.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import GateThresholds, read_settings
from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.evaluation import PairedDifference, paired_bootstrap_difference
from insurance_predictor.model.fitting import features, fit_pair, target
from insurance_predictor.model.pair import Pair
from insurance_predictor.release.candidate import Candidate, Champion, measure_candidate
from insurance_predictor.release.gate import GateDecision, Measurements, decide, most_fall
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import FEATURES, SMOKER
from insurance_predictor.table.split import Split, row_hashes
from tests.studies.markdown import markdown_table

PUBLIC = 10_000.0  # what its people are charged, US dollars a year
RESAMPLES = 100
RESAMPLES_OF_BAD = 30
HOLDOUT_SHARE = 0.2
FOLDS = 5
RANGE = (0.025, 0.975)

# Premiums × 0.9 against production on one hold-out, by each loss.
CheaperLoss = Mapping[str, PairedDifference]

FIRST = "first version"
GOOD = (FIRST, "bootstrap", "80 % of the rows", "50 % of the rows")


@dataclass(frozen=True)
class Rule:
    """A rule of the gate, its threshold in settings, and the value it compares with that."""

    name: str
    setting: str
    value: Callable[[Measurements], float]
    shown: str = ".3f"


RULES = (
    Rule("enough people to judge by", "least_people", lambda m: m.people, ".0f"),
    Rule("better than the textbook", "most_of_baseline", lambda m: m.ratio.value),
    Rule("no leak", "least_of_baseline", lambda m: m.ratio.value),
    Rule("total bias", "total_bias", lambda m: m.total_bias.value, "+.1%"),
    Rule("bias of a slice", "slice_bias", lambda m: _clear_slice_bias(m), "+.1%"),
    Rule("coverage of everybody", "least_coverage", lambda m: m.coverage.value, ".1%"),
    Rule(
        "coverage of a smoker group",
        "least_smoker_coverage",
        lambda m: min(share.value for share in (m.coverage_by_group or {}).values()),
        ".1%",
    ),
    Rule("intervals say something", "most_coverage", lambda m: m.coverage.value, ".1%"),
    Rule("rises with age", "age_fall", lambda m: m.behaviour.falls["age"], ",.0f"),
    Rule("rises with children", "children_fall", lambda m: m.behaviour.falls["children"], ",.0f"),
    Rule(
        "not worse than production",
        "worse_than_production",
        lambda m: m.production.rmse_worse_by,
        "+.1%",
    ),
    Rule("price level", "quote_shift", lambda m: m.production.quote_shift, "+.1%"),
    Rule("enough rows", "training_rows", lambda m: m.production.training_rows, ".2f"),
)


@dataclass(frozen=True)
class Judged:
    """One candidate on one re-split, as the gate saw it and what it decided."""

    kind: str
    found: Measurements
    decision: GateDecision

    @property
    def refused_by(self) -> set[str]:
        """The rules that said no, the slices' and the smoker groups' as one each."""
        return {rule_of(check.name) for check in self.decision.checks if not check.passed}


@dataclass(frozen=True)
class Scaled:
    """A model whose premiums are all off by a factor."""

    model: Any
    factor: float

    def predict(self, columns: pd.DataFrame) -> FloatArray:
        return np.asarray(self.model.predict(columns) * self.factor)


@dataclass(frozen=True)
class WithoutBmi:
    """A preprocessor that sees everybody with the same bmi."""

    preprocessor: Any
    bmi: float

    def transform(self, people: pd.DataFrame) -> pd.DataFrame:
        return self.preprocessor.transform(people.assign(bmi=self.bmi))


def rule_of(check: str) -> str:
    """The rule that a check of the gate belongs to."""
    if check.startswith("bias of "):
        return "bias of a slice"
    if check.startswith(f"coverage of {SMOKER.name}="):
        return "coverage of a smoker group"
    return check


def resplit(table: pd.DataFrame, seed: int) -> Split:
    """A random 80/20 split by person, not stratified: like the library's, which hashes people."""
    _, person = np.unique(row_hashes(table, FEATURES), return_inverse=True)
    order = np.random.default_rng(seed).permutation(person.max() + 1)
    held_out = np.isin(person, order[: round(HOLDOUT_SHARE * len(order))])
    return Split(train=_rows(table, ~held_out), holdout=_rows(table, held_out))


def trained(split: Split) -> Candidate:
    """The recipe fitted on `split.train`, in memory, as `candidate.reload` would give it."""
    folds = make_folds(features(split.train), FOLDS, 1)
    recipe, *_ = make_candidates(tuple(folds[0].train_columns.columns))
    found = fit_pair(score(recipe, folds, target(split.train)), split)
    return Candidate(found.pair, found.reference, split.holdout, len(split.train))


def good_candidates(split: Split, seed: int) -> Iterator[tuple[str, Candidate]]:
    """The recipe of production on other rows of the same people."""
    generator = np.random.default_rng(seed)
    rows = len(split.train)
    samples = {
        "bootstrap": generator.integers(rows, size=rows),
        "80 % of the rows": generator.permutation(rows)[: ceil(0.8 * rows)],
        "50 % of the rows": generator.permutation(rows)[: ceil(0.5 * rows)],
    }
    for kind, sample in samples.items():
        yield kind, trained(replace(split, train=_rows(split.train, sample)))


def bad_candidates(
    split: Split, production: Candidate, seed: int
) -> Iterator[tuple[str, Candidate]]:
    """A few ways to be wrong; docs/gate.md points to the mutation test for many more."""
    pair = production.pair
    for factor in (0.9, 0.95, 1.05, 1.1):
        scaled = replace(pair, model=Scaled(pair.model, factor))
        yield f"premiums × {factor:g}", replace(production, pair=scaled)
    yield "intervals half as wide", replace(production, pair=_half_as_wide(pair))
    yield "bmi ignored", _without_bmi(split)
    few = np.random.default_rng(seed).permutation(len(split.train))[: len(split.train) // 20]
    yield "5 % of the rows", trained(replace(split, train=_rows(split.train, few)))
    non_smokers = (split.train[SMOKER.name] == SMOKER.values[0]).to_numpy()
    yield "non-smokers only", trained(replace(split, train=_rows(split.train, non_smokers)))


def judge(
    table: pd.DataFrame, limits: GateThresholds, seed: int, bad: bool
) -> tuple[list[Judged], CheaperLoss]:
    """Production and its good (and, when asked, bad) challengers on one re-split."""
    split = resplit(table, seed)
    with threadpool_limits(limits=1):
        production = trained(split)
        challengers = list(good_candidates(split, seed))
        challengers += bad_candidates(split, production, seed) if bad else ()
        champion = Champion("1", production.pair, production.rows_train)
        judged = [_judged(FIRST, production, None, limits)]
        judged += [_judged(kind, candidate, champion, limits) for kind, candidate in challengers]
        return judged, _cheaper_loss(production)


def refused_share(judged: Sequence[Judged], kind: str, rule: str | None = None) -> float:
    """How often a kind is refused: by one rule, whatever the others say, or by any."""
    mine = [each for each in judged if each.kind == kind]
    refused = [rule in each.refused_by if rule else not each.decision.approved for each in mine]
    return float(np.mean(refused))


def _threshold(rule: Rule, limits: GateThresholds) -> float:
    """What is set, or the share of what people of the public table are charged."""
    chosen: float | None = getattr(limits, rule.setting)
    return most_fall("age", PUBLIC, limits) if chosen is None else chosen


def rules_table(judged: Sequence[Judged], limits: GateThresholds) -> str:
    """A row for each threshold: what good candidates measure, and how many of them it refuses."""
    challengers = [each for each in judged if each.kind in GOOD[1:]]
    rows = []
    for rule in RULES:
        low, high = np.quantile([rule.value(each.found) for each in challengers], RANGE)
        rows.append(
            [
                rule.name,
                f"`GATE_{rule.setting.upper()}`",
                f"{_threshold(rule, limits):g}",
                f"{low:{rule.shown}} to {high:{rule.shown}}",
                *(_refused(judged, kind, rule.name) for kind in GOOD),
            ]
        )
    unlimited = {name for each in judged for name in _names(each)} - {rule.name for rule in RULES}
    for name in sorted(unlimited):
        rows.append([name, "", "fixed", "", *(_refused(judged, kind, name) for kind in GOOD)])
    totals = [f"**{refused_share(judged, kind):.0%}**" for kind in GOOD]
    rows.append(["**all together**", "", "", "", *totals])
    return markdown_table(("rule", "variable", "threshold", "95 % of values", *GOOD), rows)


def power_table(judged: Sequence[Judged]) -> str:
    """A row for each kind of bad candidate: how many are refused, and by which rules."""
    rows = []
    for kind in dict.fromkeys(each.kind for each in judged if each.kind not in GOOD):
        names = {name for each in judged if each.kind == kind for name in each.refused_by}
        shares = sorted((-refused_share(judged, kind, name), name) for name in names)
        by = ", ".join(f"{name} {-share:.0%}" for share, name in shares)
        rows.append([kind, f"{refused_share(judged, kind):.0%}", by])
    return markdown_table(("bad candidate", "refused", "by which rules"), rows)


def bias_table(judged: Sequence[Judged]) -> str:
    """What a tighter limit on the total bias would refuse."""
    bias = np.abs([each.found.total_bias.value for each in judged if each.kind in GOOD])
    limits = (0.01, 0.03, 0.05, 0.08)
    refused = (f"{np.mean(bias > limit):.0%}" for limit in limits)
    header = ("allowed total bias", *(f"±{limit:.0%}" for limit in limits))
    return markdown_table(header, [["good candidates refused", *refused]])


def losses_table(losses: Sequence[CheaperLoss]) -> str:
    """What comparing by MAE would make of premiums that are all 10 % too low."""
    rows = [
        [
            name,
            f"{np.mean([each[loss].value for each in losses]):+.1%}",
            f"{np.mean([each[loss].value < 0 for each in losses]):.0%}",
            f"{np.mean([each[loss].at_most < 0 for each in losses]):.0%}",
        ]
        for name, loss in (("mean absolute error", "absolute"), ("mean squared error", "squared"))
    ]
    header = ("premiums × 0.9 against production", "mean difference", "better", "clearly better")
    return markdown_table(header, rows)


def _rows(table: pd.DataFrame, chosen: Any) -> pd.DataFrame:
    return table.iloc[chosen].reset_index(drop=True)


def _half_as_wide(pair: Pair) -> Pair:
    intervals = pair.serving.intervals
    narrow = replace(
        intervals,
        offsets={group: (low / 2, high / 2) for group, (low, high) in intervals.offsets.items()},
        slack=intervals.slack / 2,
        least_half_width=intervals.least_half_width / 2,
    )
    return replace(pair, serving=replace(pair.serving, intervals=narrow))


def _without_bmi(split: Split) -> Candidate:
    bmi = float(split.train["bmi"].mean())
    blind = trained(Split(split.train.assign(bmi=bmi), split.holdout))
    preprocessor = WithoutBmi(blind.pair.preprocessor, bmi)
    pair: Pair = replace(blind.pair, preprocessor=preprocessor)
    return replace(blind, pair=pair, reference=split.train)


def _judged(
    kind: str, candidate: Candidate, champion: Champion | None, limits: GateThresholds
) -> Judged:
    found, _ = measure_candidate(candidate, champion)
    return Judged(kind, found, decide(found, limits))


def _cheaper_loss(production: Candidate) -> CheaperLoss:
    people, charges = features(production.holdout), target(production.holdout)
    premium = production.pair.predict(people)["premium"].to_numpy()
    return {
        loss: paired_bootstrap_difference(charges, 0.9 * premium, premium, loss)
        for loss in ("absolute", "squared")
    }


def _clear_slice_bias(found: Measurements) -> float:
    """The bias of the worst slice beyond what luck can do; negative when no slice is beyond it."""
    slices = (found.slice_bias or {}).values()
    return max(max(bias.value - bias.high, bias.low - bias.value) for bias in slices)


def _names(judged: Judged) -> set[str]:
    return {rule_of(check.name) for check in judged.decision.checks}


def _refused(judged: Sequence[Judged], kind: str, rule: str) -> str:
    asked = any(rule in _names(each) for each in judged if each.kind == kind)
    return f"{refused_share(judged, kind, rule):.0%}" if asked else "–"


def calibrate(
    table: pd.DataFrame,
    limits: GateThresholds,
    resamples: int = RESAMPLES,
    resamples_of_bad: int = RESAMPLES_OF_BAD,
    jobs: int = 1,
) -> tuple[list[Judged], list[CheaperLoss]]:
    """`resamples` re-splits, the first `resamples_of_bad` of them with bad candidates too."""
    pairs = Parallel(n_jobs=jobs)(
        delayed(judge)(table, limits, seed, bad=seed < resamples_of_bad)
        for seed in range(resamples)
    )
    return [each for judged, _ in pairs for each in judged], [loss for _, loss in pairs]


def main() -> None:
    settings = read_settings()
    table = read_table(settings)
    print(f"{table.source}: {RESAMPLES} random 80/20 re-splits of {len(table.frame):,} people\n")
    jobs = int(os.environ.get("N_JOBS") or -1)
    judged, losses = calibrate(table.frame, settings.gate, jobs=jobs)
    print(rules_table(judged, settings.gate), end="\n\n")
    print(f"The first {RESAMPLES_OF_BAD} re-splits:\n\n{power_table(judged)}\n")
    print(bias_table(judged), end="\n\n")
    print(losses_table(losses))


if __name__ == "__main__":
    main()
