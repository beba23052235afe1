"""How large the candidates are and how often they are compared: what follows from the table."""

from dataclasses import dataclass

# The sizes of the usual candidates were chosen on the public table: 1,337 people and six columns,
# of whom a training learns from four in five. docs/quality.md tells how the others were found.
USUAL_ROWS = 1_070
USUAL_FEATURES = 6
USUAL_LEAVES = 4
MOST_LEAVES = 31
SMALLEST, LARGEST = 1 / 2, 2  # of the leaves, in a search

MANY_ROWS, MORE_ROWS, MOST_ROWS = 1_500, 10_000, 50_000
PATIENCE = 80  # trees, more than any boosting is judged at first


@dataclass(frozen=True)
class Folding:
    """Into how many folds the rows are split, and how often."""

    splits: int
    repeats: int

    @property
    def fits(self) -> int:
        return self.splits * self.repeats


USUAL_FOLDING = Folding(10, 3)


def folding(rows: int) -> Folding:
    """How often candidates are compared on `rows` to learn from.

    On few rows it is luck who is in which fold, so they are split three times; on many a fold by
    itself holds enough people, and each further fit only costs time.
    """
    if rows < MANY_ROWS:
        return USUAL_FOLDING
    if rows < MORE_ROWS:
        return Folding(10, 1)
    return Folding(5 if rows < MOST_ROWS else 3, 1)


def leaves(rows: int, features: int) -> int:
    """Leaves of a tree that `rows` people with `features` columns can bear: 4 to 31.

    A tree of few leaves sees each column nearly by itself. More columns leave more of them to find
    that act together, and more people tell them from luck. Fewer than usual may act together all
    the same.
    """
    columns = max(features, USUAL_FEATURES) / USUAL_FEATURES
    size = USUAL_LEAVES * (rows / USUAL_ROWS) ** (1 / 3) * columns
    return int(min(max(round(size), USUAL_LEAVES), MOST_LEAVES))


def patience(rows: int) -> int | None:
    """How many trees in a row may bring nothing before a boosting on `rows` stops; None: any.

    What a tree brings is measured on the people of a fold: few of them do not tell it from luck.
    """
    return PATIENCE if rows >= MOST_ROWS else None


def searched_leaves(chosen: int) -> list[int]:
    """What a search tries around the leaves that were chosen for the table."""
    return [round(SMALLEST * chosen), chosen, min(round(LARGEST * chosen), 2 * MOST_LEAVES)]
