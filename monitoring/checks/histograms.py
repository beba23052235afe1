"""The reference beside the window, bin by bin, for a picture of each column."""

from monitoring.domain.assessment import Distribution
from monitoring.window.reference import Reference
from monitoring.window.statistics import WindowStatistics


def distributions(reference: Reference, statistics: WindowStatistics) -> tuple[Distribution, ...]:
    """One for each feature and the premium that has a value in the window.

    The first bin has what lies below it, too, and the last what lies above.
    """
    found = []
    for name in reference.number_names:
        starts, window = reference.picture_starts[name], statistics.numbers[name]
        if window.rows:
            labels = tuple(f"{start:.12g}" for start in starts)
            shares = (reference.rank_counts[name].shares(starts), window.shares(starts))
            found.append(Distribution(name, labels, *(tuple(side.tolist()) for side in shares)))
    for column in reference.columns.categories:
        before, after = reference.category_counts[column.name], statistics.categories(column)
        if after.sum():
            shares = (before / before.sum(), after / after.sum())
            sides = (tuple(side.tolist()) for side in shares)
            found.append(Distribution(column.name, column.values, *sides))
    return tuple(found)
