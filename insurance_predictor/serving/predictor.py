"""One version that predicts: an alias is resolved once to a model and its own preprocessor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.pair import Pair, open_pair
from insurance_predictor.model.run_layout import TRIED_TAG
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.store.versions import Version, version_behind
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Caution:
    """A feature outside the range the model saw in training."""

    column: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.column} {self.value:g} is outside what the model saw "
            f"({self.low:g} to {self.high:g}): the premium is an extrapolation."
        )


@dataclass(frozen=True)
class Quote:
    """One premium with its 90 % interval, in US dollars a year, and the version that answered."""

    premium: float
    low: float
    high: float
    version: str
    cautions: tuple[Caution, ...]


@dataclass(frozen=True)
class Predictor:
    """One version, checked and ready; `version` is its number in an `incarnation` of its model."""

    version: str
    pair: Pair
    incarnation: str | None = None

    @property
    def columns(self) -> Columns:
        """What the version was trained on, by which people are checked and quoted."""
        return self.pair.columns

    def check(self, person: Mapping[str, object]) -> None:
        """Raise BadInput with every rule of the version's columns that a person's features break.

        A column that the schema has got since is none of the version's, and is not looked at.
        """
        lost = [name for name in self.columns.feature_names if name not in CURRENT.by_name]
        missing = [name for name in lost if name not in person]
        if missing:
            raise BadInput(
                f"Version {self.version} needs {' and '.join(missing)}, which the schema has lost. "
                "Put it back in insurance_predictor/table/schema.py, or run `make train register "
                "promote` for a version that does without."
            )
        check_person(self._own(person), self.columns)

    def quote(self, person: Mapping[str, object]) -> Quote:
        """The premium of one person, given as the features of `columns`.

        Raises BadInput with every rule that the person breaks.
        """
        self.check(person)
        return self.quote_beside(person)[0]

    def quote_beside(
        self, person: Mapping[str, object], others: pd.DataFrame | None = None
    ) -> tuple[Quote, FloatArray]:
        """The premium of one person, and in the same batch those of `others`,
        (n, features) -> (n,).

        All of them are taken as they are.
        """
        people = self.columns.people([person])
        if others is not None:
            people = pd.concat([people, others[list(people)]], ignore_index=True)
        answers = self.pair.predict(people).to_numpy()
        premium, low, high = answers[0].tolist()
        quote = Quote(premium, low, high, self.version, self._cautions(person))
        return quote, answers[1:, 0]

    def quote_all(self, people: Sequence[Mapping[str, object]]) -> list[Quote]:
        """The premiums of people, who are taken as they are, in one batch."""
        answers = self.pair.predict(self.columns.people(people)).to_numpy().tolist()
        return [
            Quote(premium, low, high, self.version, self._cautions(person))
            for person, (premium, low, high) in zip(people, answers, strict=True)
        ]

    def faults_of(self, person: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
        """As `Columns.faults_of`; a column that the schema has got since is not looked at."""
        return self.columns.faults_of(self._own(person))

    def later_names(self, person: Mapping[str, object]) -> tuple[str, ...]:
        """The features that a person is given with and the version does not know."""
        own = set(self.columns.feature_names)
        return tuple(name for name in CURRENT.feature_names if name in person and name not in own)

    def predict(self, people: pd.DataFrame) -> pd.DataFrame:
        """Premium, low and high, (n, 3) in US dollars a year, for a table of people (n, features).

        Columns are taken by name, in any order. Raises InvalidTable with the columns that are
        missing or unknown, or else with every rule that a row breaks.
        """
        from insurance_predictor.table.check import check_table

        return self.pair.predict(check_table(self.without_later(people), self.columns.features))

    def without_later(self, people: pd.DataFrame) -> pd.DataFrame:
        """`people` without the columns that the schema has and the version does not know."""
        return people[[name for name in people if name in self._own(dict.fromkeys(people))]]

    def _own(self, person: Mapping[str, object]) -> dict[str, object]:
        known = {*CURRENT.feature_names, *(column.name for column in CURRENT.carried)}
        later = known - set(self.columns.feature_names)
        return {name: value for name, value in person.items() if name not in later}

    def outside_range(self, people: pd.DataFrame) -> pd.Series:
        """For each of `people`, (n, features), the names of those beyond what the model saw.

        The names are separated by spaces.
        """
        ranges = self.pair.serving.ranges
        which = np.zeros(len(people), dtype=np.int64)
        for place, (name, (low, high)) in enumerate(ranges.items()):
            numbers = people[name].to_numpy(dtype=np.float64)
            which |= ((numbers < low) | (numbers > high)).astype(np.int64) << place
        codes, found = pd.factorize(which)  # np.unique would sort them
        words = [
            " ".join(name for place, name in enumerate(ranges) if each >> place & 1)
            for each in found.tolist()
        ]
        return pd.Series(pd.array(words, dtype="str").take(codes), people.index)

    def _cautions(self, person: Mapping[str, object]) -> tuple[Caution, ...]:
        return tuple(
            Caution(column, value, low, high)
            for column, (low, high) in self.pair.serving.ranges.items()
            if (given := person.get(column)) is not None
            and not low <= (value := float(given)) <= high  # type: ignore[arg-type]
        )


def check_person(
    person: Mapping[str, object], columns: Columns = CURRENT, *, is_whole: bool = True
) -> None:
    """Raise BadInput with every rule of `columns` that a person's features break.

    Unless the person `is_whole`, what is missing is none.
    """
    wrong = columns.violations(person, is_whole=is_whole)
    if wrong:
        raise BadInput("This person cannot be quoted: " + "; ".join(wrong) + ".")


def load(settings: Settings, alias: str | None = None) -> Predictor:
    """The version behind `alias` (default: the production alias), verified.

    Raises NoProductionModel or NotFound without such a version, IntegrityFault when its files
    are not the ones that were registered, and Unreachable when the store does not answer.
    """
    with store_errors(settings):
        client = connect(settings)
        version = version_behind(client, settings, alias or settings.production_alias)
        return load_version(client, settings, version)


def load_version(client: "MlflowClient", settings: Settings, version: Version) -> Predictor:
    """One version's predictor: files fetched, digests checked, golden predictions reproduced."""
    with TemporaryDirectory() as folder:
        return fetch_version(client, settings, version, Path(folder))


def fetch_version(
    client: "MlflowClient", settings: Settings, version: Version, folder: Path
) -> Predictor:
    """As `load_version`, and all of the version's files that were checked stay in `folder`."""
    fetch_files(client, settings, version, folder)
    pair = open_pair(folder, version.digests, _owner(version), settings.trusted_digests)
    return Predictor(version.number, pair, version.incarnation)


def check_version(client: "MlflowClient", settings: Settings, version: Version) -> None:
    """Raise IntegrityFault unless the version's files are a pair that fits together.

    Files that were loaded and tried when the version was registered only have to be the same,
    byte for byte, which costs no import of the libraries they need; others are tried now.
    """
    if version.tags.get(TRIED_TAG) != version.digests.combined:
        load_version(client, settings, version)
        return
    with TemporaryDirectory() as folder:
        fetch_files(client, settings, version, Path(folder))


def fetch_files(client: "MlflowClient", settings: Settings, version: Version, folder: Path) -> None:
    """Put the files of a version in `folder`, checked byte for byte; none of them is opened."""
    digests, owner = version.digests, _owner(version)
    digests.refuse_pickle(settings.trusted_digests, owner)
    fetch(client, settings, version.run_id, version.source, digests, folder, owner)


def _owner(version: Version) -> str:
    return f"Version {version.number}"
