"""Values that are missing, of no known category, or out of range: a test would drop them silently.

One row is enough for these verdicts: they are faults, and no question of chance.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.table.columns import CategoryColumn, Columns
from monitoring.domain.assessment import Verdict, undecided
from monitoring.window.reference import Reference
from monitoring.window.statistics import Faults, WindowStatistics


def quality_verdicts(
    reference: Reference,
    statistics: WindowStatistics,
    thresholds: MonitorThresholds,
    unseen: Mapping[str, tuple[str, ...]],
) -> tuple[Verdict, ...]:
    """null.<feature>, unseen.<feature> and outside.<feature>: `value` is a share of the rows.

    Each is an alarm when its share exceeds its threshold. `money` is what the premiums of the
    rows at fault add to the average premium, against what people of the reference pay. `unseen`
    holds the first few values of a feature that are no category. An optional feature may be
    missing: whether it is so more often than before is a question of drift.
    """
    return tuple(
        _verdict(check, faults, limit, reference, statistics.rows)
        for check, faults, limit in _checks(statistics, thresholds, unseen)
    )


def check_names(columns: Columns) -> tuple[str, ...]:
    """The names of all these checks."""
    return (
        *(f"null.{column.name}" for column in columns.features if not column.optional),
        *(f"unseen.{column.name}" for column in columns.categories),
        *(f"outside.{column.name}" for column in columns.numbers),
    )


def features_with_unseen(statistics: WindowStatistics) -> tuple[CategoryColumn, ...]:
    """The features that have values of no known category."""
    categories = statistics.columns.categories
    return tuple(column for column in categories if statistics.unseen(column).rows)


def _checks(
    statistics: WindowStatistics,
    thresholds: MonitorThresholds,
    unseen: Mapping[str, tuple[str, ...]],
) -> Iterator[tuple[str, Faults, float]]:
    columns = statistics.columns
    for column in columns.features:
        if not column.optional:
            yield f"null.{column.name}", statistics.absent(column), thresholds.null_share
    for category in columns.categories:
        examples = unseen.get(category.name, ())
        found = replace(statistics.unseen(category), examples=examples)
        yield f"unseen.{category.name}", found, thresholds.unseen_share
    for number in columns.numbers:
        yield f"outside.{number.name}", statistics.outside(number), thresholds.outside_share


def _verdict(check: str, faults: Faults, limit: float, reference: Reference, rows: int) -> Verdict:
    if not rows:
        return undecided("schema", check, rows=0, missing=1)
    share = faults.rows / rows
    usual = faults.rows * float(reference.premium.mean())
    return Verdict(
        kind="schema",
        check=check,
        status="alarm" if share > limit else "quiet",
        rows=rows,
        value=share,
        limit=limit,
        effects={"rows": float(faults.rows)},
        money=(float(faults.premium) - usual) / rows,
        details=faults.examples,
    )
