"""What the served version learned from, and how it did with people it had not seen."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.base.errors import BadInput, IntegrityFault, NotFound, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.pair import sampled
from insurance_predictor.model.run_layout import HOLDOUT, REFERENCE
from insurance_predictor.serving.documents import Documents, version_documents
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.serving.served_model import Served
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.table.columns import CategoryColumn, Columns
from insurance_predictor.table.schema import CURRENT
from monitoring.window.rank_counts import RankCounts, count_ranks

LOGGER = logging.getLogger(__name__)

PREMIUM = "premium"
MOST_BINS = 12
STEPS = np.array([1, 2, 2.5, 3, 4, 5, 6, 8, 10])
PRICE_BINS = 10
RATIOS = np.geomspace(0.05, 20, 1201)  # where medians of a window's ratios may lie


@dataclass(frozen=True, eq=False)
class Reference:
    """`people` (n, features) as the version was meant for, with the premiums it gives them, (n,).

    `holdout` (m, columns) are those of them it had not seen: the columns of a table and premium,
    low and high. Money is in the unit of the target. `columns` are those of the version.
    """

    people: pd.DataFrame
    premium: FloatArray
    holdout: pd.DataFrame
    columns: Columns = CURRENT

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """The features that are numbers, and the premium."""
        return number_names(self.columns)

    def values(self, name: str) -> FloatArray:
        """The values that are there of a number among the features, or of the premium."""
        return self._priced(name)[0]

    def _priced(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Those values, and the premiums of the same people."""
        if name == PREMIUM:
            return self.premium, self.premium
        values = self.people[name].to_numpy(dtype=float)
        there = ~np.isnan(values)
        return values[there], self.premium[there]

    @cached_property
    def rank_counts(self) -> Mapping[str, RankCounts]:
        """Each number, counted at its own values and at the starts of its bins."""
        found = {}
        for name in self.number_names:
            values = self.values(name)
            found[name] = count_ranks(np.unique([*values, *self.picture_starts[name]]), values)
        return found

    @cached_property
    def picture_starts(self) -> Mapping[str, FloatArray]:
        """Where the bins of each number begin that a picture shows."""
        whole = {column.name for column in self.columns.numbers if column.whole}
        return {name: round_starts(self.values(name), name in whole) for name in self.number_names}

    @cached_property
    def price_starts(self) -> Mapping[str, FloatArray]:
        """Where the bins of each number begin that have a tenth of the people, where they can."""
        shares = np.arange(PRICE_BINS) / PRICE_BINS
        return {
            name: np.unique(np.quantile(self.values(name), shares, method="inverted_cdf"))
            for name in self.number_names
        }

    @cached_property
    def bin_prices(self) -> Mapping[str, FloatArray]:
        """The mean premium of the people in each of the bins of `price_starts`."""
        found = {}
        for name, starts in self.price_starts.items():
            values, premium = self._priced(name)
            bins = np.searchsorted(starts, values, "right") - 1
            found[name] = np.bincount(bins, premium) / np.bincount(bins)
        return found

    @cached_property
    def category_counts(self) -> Mapping[str, IntArray]:
        """How many people are of each known category, (k,) for each column."""
        return {
            column.name: np.array([np.sum(chosen) for chosen in self._categories(column)])
            for column in self.columns.categories
        }

    @cached_property
    def category_prices(self) -> Mapping[str, FloatArray]:
        """The mean premium of each category, (k,) for each column; everybody's of an empty one."""
        everybody = self.premium.mean()
        return {
            column.name: np.array(
                [
                    self.premium[chosen].mean() if chosen.any() else everybody
                    for chosen in self._categories(column)
                ]
            )
            for column in self.columns.categories
        }

    def _categories(self, column: CategoryColumn) -> list[npt.NDArray[np.bool_]]:
        """Who is of each known category."""
        chosen = self.people[column.name].to_numpy()
        return [chosen == value for value in column.values]

    @cached_property
    def presence(self) -> Mapping[str, IntArray]:
        """How many people have a value and how many have none, (2,), by optional feature."""
        found = {}
        for column in self.columns.features:
            if column.optional:
                absent = int(self.people[column.name].isna().sum())
                found[column.name] = np.array([len(self.people) - absent, absent])
        return found

    @cached_property
    def ratios(self) -> RankCounts:
        """Charges over premium of the hold-out, counted at their own values and 0.5 % apart."""
        values = (self.holdout[self.columns.target.name] / self.holdout[PREMIUM]).to_numpy(
            dtype=float
        )
        return count_ranks(np.unique([*values, *RATIOS]), values)


def build(served: Served) -> Reference:
    """As `reference_of`."""
    return reference_of(served.predictor, served.documents)


def reference_of(predictor: Predictor, documents: Documents) -> Reference:
    """The rows of a version: those it learned from, and its hold-out, which is a draw of the same.

    At most 5,000 of each are taken: more would cost time and see nothing more. Their premiums were
    made at training, and nothing is predicted, where the run has kept them.
    Raises NotFound when the version's run has not kept them.
    """
    learned, holdout = documents.reference, documents.holdout
    if learned is None or holdout is None:
        missing = REFERENCE if learned is None else HOLDOUT
        raise NotFound(
            f"Version {predictor.version} has no {missing}, or one that breaks the rules of a "
            "table, so there is nothing to compare its predictions with. Train, register and "
            "promote a version again."
        )
    holdout = sampled(holdout)
    columns = predictor.columns
    people = pd.concat([learned, holdout], ignore_index=True)[list(columns.feature_names)]
    if documents.fitted is None:  # as runs of earlier releases have it
        premium = predictor.pair.predict(people)[PREMIUM].to_numpy()
    else:
        premium = np.concatenate([documents.fitted, holdout[PREMIUM].to_numpy(dtype=float)])
    return Reference(people, premium, holdout, columns)


def holdouts(settings: Settings, versions: Iterable[str]) -> dict[str, Reference]:
    """The hold-outs of versions, serving or not, each as a reference for what people are charged.

    A version that has none, or that the registry does not have any more, is left out; all are
    when the registry does not answer.
    """
    found: dict[str, Reference] = {}
    try:
        with store_errors(settings):
            client = connect(settings)
            for version in versions:
                with _left_out(version, BadInput, IntegrityFault):
                    found |= _of_holdout(version, version_documents(client, settings, version))
    except Unreachable as error:
        LOGGER.warning("What other versions were measured on cannot be had: %s", error)
    return found


@contextmanager
def _left_out(version: str, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        LOGGER.warning("What version %s was measured on cannot be had: %s", version, error)


def _of_holdout(version: str, documents: Documents) -> dict[str, Reference]:
    if documents.holdout is None:
        return {}
    rows = sampled(documents.holdout)
    premium, columns = rows[PREMIUM].to_numpy(dtype=float), documents.columns
    return {version: Reference(rows[list(columns.feature_names)], premium, rows, columns)}


def number_names(columns: Columns) -> tuple[str, ...]:
    """The features that are numbers, and the premium, which is counted like one of them."""
    return (*(column.name for column in columns.numbers), PREMIUM)


def round_starts(values: FloatArray, is_whole: bool) -> FloatArray:
    """Where at most 12 equally wide bins over `values` begin, at numbers that are easy to read."""
    low, high = float(values.min()), float(values.max())
    least = (high - low) / (MOST_BINS - 1) or 1.0
    if is_whole and least <= 1:
        step = 1.0
    else:
        power = 10.0 ** np.floor(np.log10(least))
        steps = STEPS * power
        steps = steps[np.isclose(steps, np.round(steps))] if is_whole else steps
        step = float(steps[steps >= least - 1e-12][0])
    first = np.floor(low / step)
    return np.arange(first, np.floor(high / step) + 1) * step
