"""What the gate can tell of tables of a few hundred people: the good it refuses, the bad it stops.

`make gate-sizes` prints the tables of docs/gate.md; N_JOBS=1 is for one core.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from insurance_predictor.base.settings import GateThresholds, read_settings
from insurance_predictor.model.cross_validation import REPEATS, SPLITS, make_folds, ranked, score
from insurance_predictor.model.estimators import TypicalPlusMean, make_candidates
from insurance_predictor.model.fitting import features, fit_pair, target
from insurance_predictor.release.gate import GateDecision
from insurance_predictor.table.read import Table
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.trained_run import TrainedRun
from tests.mutations import MUTATIONS
from tests.planting import Workshop, judged, leave
from tests.studies.gate_calibration import rule_of
from tests.studies.markdown import markdown_table

SENIORS = 13
SIZES = ((150, 0), (300, 0), (600, 0), (1_337, 0), (1_337, SENIORS))
TABLES = 40
TABLES_OF_BAD = 10
FIRST, CHALLENGER = "first version", "80 % of the rows"


@dataclass(frozen=True)
class Found:
    """What the gate said to one candidate from one table; `size` names the table's."""

    size: str
    kind: str
    refused_by: frozenset[str]


def people(rows: int, seniors: int, seed: int) -> pd.DataFrame:
    """Made-up people, the first `seniors` of them aged 65 and more, charged by the same process."""
    table = make_table(rows, seed).astype({"age": "int64"})
    age = table["age"].to_numpy().copy()
    age[:seniors] = 65 + np.arange(seniors)
    older = 3.4 * (age.astype(float) ** 2 - table["age"].to_numpy(dtype=float) ** 2)
    charges = (table["charges"] + older).round(2)
    return table.assign(age=age, charges=charges).drop_duplicates(ignore_index=True)


def trained(frame: pd.DataFrame, splits: int = SPLITS, repeats: int = REPEATS) -> Workshop:
    """A training as `make train` does it, without a store."""
    split = split_table(frame)
    folds = make_folds(features(split.train), splits, repeats)
    candidates = make_candidates(tuple(folds[0].train_columns.columns))
    every = ranked([score(each, folds, target(split.train)) for each in candidates])
    run = TrainedRun(
        run_id="",
        experiment="",
        model_name="",
        table=Table(frame, "made up", "0" * 64, ()),
        rows=split.train,
        every=every,
        trained=fit_pair(every[0], split),
        git_commit=None,
        trained_at=datetime.now(UTC),
        library_versions={},
        options={},
    )
    return Workshop(run, split)


def judge(shop: Workshop, limits: GateThresholds, bad: bool) -> Iterator[tuple[str, GateDecision]]:
    """The good candidates of one table and, when asked, all that can be planted in memory."""
    yield FIRST, judged(shop.with_pair(shop.pair), None, limits)
    yield CHALLENGER, judged(shop.slightly_other, shop.champion, limits)
    for mutation in MUTATIONS if bad else ():
        if mutation.needs_typical and not isinstance(shop.pair.model, TypicalPlusMean):
            continue
        planted = mutation.make(shop)
        if planted.forge is planted.tamper is leave:
            yield mutation.name, judged(planted, shop.champion, limits)


def study(limits: GateThresholds, rows: int, seniors: int, seed: int, bad: bool) -> list[Found]:
    """One table of `rows` people: what the gate says to each of its candidates."""
    size = f"{rows:,}" + (f", {seniors} of them seniors" if seniors else "")
    with threadpool_limits(limits=1):
        shop = trained(people(rows, seniors, seed))
        return [
            Found(
                size,
                kind,
                frozenset(rule_of(each.name) for each in found.checks if not each.passed),
            )
            for kind, found in judge(shop, limits, bad)
        ]


def good_table(found: Sequence[Found]) -> str:
    """A row for each size: how many good candidates are refused, and by which rules."""
    rows = []
    for size in dict.fromkeys(each.size for each in found):
        row = [size]
        for kind in (FIRST, CHALLENGER):
            mine = [each for each in found if (each.size, each.kind) == (size, kind)]
            rules = Counter(rule for each in mine for rule in each.refused_by)
            by = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
            refused = sum(bool(each.refused_by) for each in mine)
            row.append(f"{refused} of {len(mine)}" + (f" ({by})" if by else ""))
        rows.append(row)
    return markdown_table(("rows", FIRST, CHALLENGER), rows)


def bad_table(found: Sequence[Found]) -> str:
    """A row for each planted candidate that is not refused every time, a column for each size."""
    sizes = list(dict.fromkeys(each.size for each in found))
    rows = []
    for kind in dict.fromkeys(each.kind for each in found):
        if kind in (FIRST, CHALLENGER):
            continue
        mine = {
            size: [bool(one.refused_by) for one in found if (one.size, one.kind) == (size, kind)]
            for size in sizes
        }
        if not all(all(refused) for refused in mine.values()):
            rows.append([kind, *(f"{sum(mine[size])} of {len(mine[size])}" for size in sizes)])
    return markdown_table(("planted candidate", *sizes), rows)


def main() -> None:
    limits = read_settings().gate
    found = Parallel(n_jobs=int(os.environ.get("N_JOBS") or -1))(
        delayed(study)(limits, rows, seniors, seed, bad=not seniors and seed < TABLES_OF_BAD)
        for rows, seniors in SIZES
        for seed in range(TABLES)
    )
    flat = [one for each in found for one in each]
    print(good_table(flat), end="\n\n")
    print(bad_table([each for each in flat if "seniors" not in each.size]))


if __name__ == "__main__":
    main()
