"""Whether a table is enough to train on, and what is too little in it for what."""

from collections.abc import Iterator, Sequence
from math import ceil, isfinite, log

import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import GateThresholds
from insurance_predictor.model.chance import CHANCE
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT
from insurance_predictor.table.split import HOLDOUT_SHARE, Split

# The next residual lies between the least and the greatest of n with a chance of (n - 1) / (n + 1):
# fewer than 19 hold no 90 % interval, whatever is made of them.
LEAST_OF_A_GROUP = 19
# Who is held out is chance: of 140 people at least 20 are, and of 29 at least 19 are not, with
# 96 % probability.
TIMES_HELD_OUT = 7
MORE_THAN_DRAWN = 1.2
SHOWN_GROUPS = 10
SCHEMA = "insurance_predictor/table/schema.py"


def require_enough(
    split: Split, source: str, limits: GateThresholds, columns: Columns = CURRENT
) -> tuple[str, ...]:
    """What a model of this table cannot show, a sentence each; of a table that is enough, nothing.

    Raises InvalidTable, with every reason, for a table whose model nobody could judge or trust.
    """
    reasons = list(too_little(split, limits, columns))
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise InvalidTable(f"{source} is too little to train on:\n{listed}")
    return tuple(not_shown(split, limits, columns))


def too_little(split: Split, limits: GateThresholds, columns: Columns) -> Iterator[str]:
    """Why no model of this table could be judged or trusted, a sentence each."""
    held_out, learned, least = len(split.holdout), len(split.train), limits.least_people
    if held_out < least:
        yield (
            f"Only {held_out:,} of {held_out + learned:,} people are held out, and the gate tells "
            f"a good model from a bad one by at least {least:,} (GATE_LEAST_PEOPLE). Give a table "
            f"of about {TIMES_HELD_OUT * least:,} people or more."
        )
    if learned > 1 and not any(_differs(split.train[name]) for name in columns.feature_names):
        yield (
            f"All {learned:,} people to learn from are alike in every column but "
            f"{columns.target.name}, so there is nothing to tell them apart by. Give a table of "
            "different people."
        )
    few = [
        f"{found:,} with {value}"
        for value, found, tested in _of_groups(split, columns)
        if found + tested > 0 and found < LEAST_OF_A_GROUP
    ]
    if few and columns.group is not None:
        shown = few[:SHOWN_GROUPS] + [f"{len(few) - SHOWN_GROUPS} more"] * (len(few) > SHOWN_GROUPS)
        needed = ceil(MORE_THAN_DRAWN * LEAST_OF_A_GROUP / (1 - HOLDOUT_SHARE))
        yield (
            f"Of the people to learn from there are only {' and '.join(shown)}, and an interval "
            f"that holds 90 % of a group takes at least {LEAST_OF_A_GROUP} of it. Give a table "
            f"with about {needed} of them or more, or have one interval for everybody: take "
            f"is_group from {columns.group.name} in {SCHEMA}."
        )


def not_shown(split: Split, limits: GateThresholds, columns: Columns) -> Iterator[str]:
    """What a model of this table cannot know, and what of it the gate cannot tell."""
    lost = columns.lost(columns.seen_in(pd.concat([split.train, split.holdout])))
    if lost:
        yield (
            f"Nobody has {' or '.join(lost)}: the version quotes nobody who has, until it is "
            "trained on a table with such people."
        )
    for column in columns.features:
        yield from _not_learned(split.train[column.name], column, lost)
    for value, _, tested in _of_groups(split, columns):
        if 0 < tested < limits.least_people:
            yield (
                f"Only {tested:,} with {value} held out: whether their premiums are too high or "
                f"too low is judged from {limits.least_people:,} (a table with about "
                f"{TIMES_HELD_OUT * limits.least_people:,} of them has so many)."
            )
    held_out, needed = len(split.holdout), _to_tell_wide_intervals(limits)
    if held_out < needed:
        yield (
            f"Only {held_out:,} people held out: intervals that are too wide can be told from good "
            f"ones from {needed:,} (a table of about {ceil(needed / HOLDOUT_SHARE):,}), and luck "
            "excuses more (docs/gate.md)."
        )


def _differs(values: pd.Series) -> bool:
    """Whether anything could be learned of it; that a value is missing counts as one more."""
    return bool(values.nunique(dropna=False) > 1)


def _not_learned(values: pd.Series, column: Column, lost: Sequence[str]) -> Iterator[str]:
    given = values.dropna()
    if given.empty:
        yield (
            f"No {column.name} is said of anybody to learn from: the premium cannot depend on it."
        )
    elif isinstance(column, NumberColumn) and not _differs(values):
        yield (
            f"Everybody to learn from has {column.name} {given.iloc[0]:g}: the premium cannot "
            "depend on it."
        )
    elif isinstance(column, CategoryColumn):
        there = set(given.unique())
        absent = [
            value
            for value in column.values
            if value not in there and f"{column.name}={value}" not in lost
        ]
        if absent:
            interval = ", and has everybody's interval" if column.is_group else ""
            yield (
                f"Nobody to learn from has {column.name}={' or '.join(absent)}: a premium for such "
                f"a person is a guess{interval}."
            )


def _of_groups(split: Split, columns: Columns) -> Sequence[tuple[str, int, int]]:
    """Each group of the intervals: its name, how many are learned from and how many held out."""
    group = columns.group
    if group is None:
        return ()
    return [
        (
            f"{group.name}={value}",
            int((split.train[group.name] == value).sum()),
            int((split.holdout[group.name] == value).sum()),
        )
        for value in group.values
    ]


def _to_tell_wide_intervals(limits: GateThresholds) -> int:
    """How many, all of them within, show that an interval holds more than it may.

    The exact lower bound of so many out of so many is CHANCE ** (1 / n).
    """
    if limits.most_coverage >= 1:
        return 0
    needed = log(CHANCE) / log(limits.most_coverage) if limits.most_coverage else 1.0
    return ceil(needed) if isfinite(needed) else 0
