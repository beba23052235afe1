"""How the candidates do on tables that nobody tuned them for, beside boosting tuned by hand.

`make other-tables` prints the tables of docs/quality.md.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.cross_validation import Scores, make_folds, ranked, score
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.evaluation import slice_masks
from insurance_predictor.model.fitting import Trained, features, fit_best, target
from insurance_predictor.release.gate import GateDecision
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.split import Split, split_table
from tests.generated_tables import GENERATED
from tests.planting import Planted, judged
from tests.studies.markdown import markdown_table

SIZES = (2_000, 20_000)
FRESH = 50_000
TRAINED_SEED, FRESH_SEED = 1, 2


@dataclass(frozen=True)
class Found:
    """What training makes of one table, judged on fresh people of the same process.

    `rmse` is that of the candidate, the peer and of who knows the process, against charges;
    `coverage` the share of each group that intervals hold; `seconds` are those of comparing the
    candidates and of the final fit.
    """

    name: str
    rows: int
    every: tuple[Scores, ...]
    chosen: str
    rmse: Mapping[str, float]
    against_truth: Mapping[str, float]
    coverage: Mapping[str, float]
    decision: GateDecision
    seconds: float

    @property
    def ratio(self) -> float:
        return self.rmse["ours"] / self.rmse["peer"]


def trained_on(
    split: Split, columns: Columns, splits: int | None = None, repeats: int | None = None
) -> tuple[tuple[Scores, ...], Trained]:
    """Every candidate's scores, the best first, and the pair: what `train` does without a store."""
    people, charges = features(split.train, columns), target(split.train, columns)
    folds = make_folds(people, splits, repeats, columns=columns)
    candidates = make_candidates(tuple(folds[0].train_columns.columns), columns, len(people))
    every = ranked([score(each, folds, charges) for each in candidates])
    return every, fit_best(every, split, columns)


def measure(
    name: str,
    rows: int,
    splits: int | None = None,
    repeats: int | None = None,
    seed: int = TRAINED_SEED,
    fresh_rows: int = FRESH,
) -> Found:
    """Train on one table, and ask the pair, the peer and the gate."""
    made = GENERATED[name]
    table = made.draw(rows, seed)[0]
    split = split_table(table, made.columns)
    start = perf_counter()
    every, trained = trained_on(split, made.columns.seen_in(table), splits, repeats)
    seconds = perf_counter() - start
    fresh, expected = made.draw(fresh_rows, FRESH_SEED)
    people, charges = features(fresh, made.columns), target(fresh, made.columns)
    peer = made.peer(rows).fit(
        features(split.train, made.columns), target(split.train, made.columns)
    )
    answers = trained.pair.predict(people)
    quotes = {
        "ours": answers["premium"].to_numpy(),
        "peer": np.asarray(peer.predict(people)),
        "truth": expected,
    }
    inside = ((answers["low"] <= charges) & (charges <= answers["high"])).to_numpy()
    masks = slice_masks(people, made.columns)
    groups = [group for group in masks if group in trained.evaluation.interval_by_group]
    return Found(
        name=name,
        rows=rows,
        every=every,
        chosen=trained.scores.candidate.name,
        rmse={who: _rmse(quoted, charges) for who, quoted in quotes.items()},
        against_truth={who: _rmse(quoted, expected) for who, quoted in quotes.items()},
        coverage={
            "everybody": float(inside.mean()),
            **{group: float(inside[masks[group]].mean()) for group in groups},
        },
        decision=judged(Planted(trained, len(split.train)), None, GateThresholds()),
        seconds=seconds,
    )


def _rmse(quoted: FloatArray, charges: FloatArray) -> float:
    return float(np.sqrt(np.mean((quoted - charges) ** 2)))


def ratios_table(found: list[Found]) -> str:
    """A row for each table."""
    rows = [
        [
            each.name,
            f"{each.rows:,}",
            each.chosen,
            *(f"{each.rmse[who]:,.0f}" for who in ("ours", "peer", "truth")),
            f"{each.ratio:.3f}",
            *(f"{each.against_truth[who]:,.0f}" for who in ("ours", "peer")),
            f"{min(each.coverage.values()):.1%} to {max(each.coverage.values()):.1%}",
            "approved" if each.decision.approved else "; ".join(each.decision.reasons),
            f"{each.seconds:,.0f}",
        ]
        for each in found
    ]
    header = ("table", "rows", "chosen", "RMSE", "tuned by hand", "process known", "ratio")
    more = ("off the truth", "tuned by hand", "coverage", "gate", "seconds")
    return markdown_table((*header, *more), rows)


def main() -> None:
    found = []
    seed = int(os.environ.get("OTHER_SEED") or TRAINED_SEED)
    sizes = [int(os.environ["OTHER_ROWS"])] if os.environ.get("OTHER_ROWS") else SIZES
    with threadpool_limits(limits=1):
        for rows in sizes:
            for name in GENERATED:
                found.append(measure(name, rows, seed=seed))
                print(ratios_table(found[-1:]), end="\n\n", flush=True)
    print(ratios_table(found))


if __name__ == "__main__":
    main()
