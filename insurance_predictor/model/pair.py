"""The files of one version: a model, that run's preprocessor and the facts served beside them.

Nothing is loaded before its digest has been compared with the one written when the version was
trained, nothing is unpickled that the operator has not listed, and the pieces must fit together:
columns and golden predictions.
"""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.model.intervals import Intervals
from insurance_predictor.model.manifest import Digests, prove
from insurance_predictor.model.run_layout import (
    COLUMNS,
    MODEL,
    MODEL_FILE,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    SERVING,
)
from insurance_predictor.table.columns import Columns, former_columns

REFERENCE_ROWS = 5_000
# Files of versions that release 0.1 has stored name these modules where they stood then.
MOVED_MODULES = {
    "insurance_predictor.models": "insurance_predictor.model.estimators",
    "insurance_predictor.preprocessing": "insurance_predictor.model.preprocessing",
}
GOLDEN_TOLERANCE = 1 / 2  # of a cent, far below what a person is shown


@dataclass(frozen=True)
class Golden:
    """Predictions made at training, which every later copy must reproduce, in their unit."""

    people: tuple[Mapping[str, Any], ...]
    premium: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Serving:
    """What is served beside the model: intervals, the ranges seen in training, golden predictions.

    `ranges` holds, for each numeric feature, the least and greatest training value in its unit.
    """

    intervals: Intervals
    ranges: Mapping[str, tuple[float, float]]
    golden: Golden

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Serving":
        facts = json.loads(text)
        golden = {key: tuple(value) for key, value in facts["golden"].items()}
        return cls(
            intervals=Intervals.from_dict(facts["intervals"]),
            ranges={name: (low, high) for name, (low, high) in facts["ranges"].items()},
            golden=Golden(**golden),
        )


@dataclass(frozen=True)
class Pair:
    """A model and the preprocessor it was trained with, ready to predict."""

    model: Any
    preprocessor: Any
    serving: Serving
    columns: Columns

    def predict(self, people: pd.DataFrame) -> pd.DataFrame:
        """Premium and 90 % interval, (n, 3) columns premium, low, high in the target's unit.

        `people` holds the features of `columns`, (n, features); nothing is checked here.
        """
        premium = np.asarray(self.model.predict(self.preprocessor.transform(people)), dtype=float)
        low, high = self.serving.intervals.around(premium, people)
        return pd.DataFrame({"premium": premium, "low": low, "high": high}, index=people.index)


def open_pair(
    directory: Path, expected: Digests, owner: str, trusted: Collection[str] = ()
) -> Pair:
    """Check the files in `directory` against `expected`, load them and try them out.

    `owner` names the version in what is said, `trusted` holds the sha256 of each preprocessor that
    may be unpickled. Raises IntegrityFault, with every reason.
    """
    expected.refuse_pickle(trusted, owner)
    prove(directory, expected, owner)
    pair = _load(directory, expected, owner)
    faults = [*_column_faults(pair, directory), *golden_faults(pair)]
    if faults:
        raise IntegrityFault(f"{owner} does not fit together:", tuple(faults))
    return pair


class PairOnDisk(Pair):
    """A pair whose files are those that are expected, loaded and tried when it first predicts.

    Its columns are there at once. Loading raises what `open_pair` raises.
    """

    def __init__(
        self, directory: Path, expected: Digests, owner: str, trusted: Collection[str] = ()
    ) -> None:
        prove(directory, expected, owner)
        vars(self)["columns"] = version_columns(directory)
        vars(self)["_open"] = partial(open_pair, directory, expected, owner, trusted)

    def __getattr__(self, name: str) -> Any:
        if name not in ("model", "preprocessor", "serving"):
            raise AttributeError(name)
        vars(self).update(vars(vars(self)["_open"]()))
        return vars(self)[name]


def version_columns(directory: Path) -> Columns:
    """What a version was trained on, from its files in `directory`, which have all been checked.

    Those of release 0.1 where it does not say. Raises IntegrityFault where it says what cannot be.
    """
    try:
        return Columns.from_json((directory / COLUMNS).read_text())
    except FileNotFoundError:
        return former_columns()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFault(f"{COLUMNS} cannot be read: {error}") from error


def signature_columns(directory: Path) -> tuple[str, ...]:
    """The input columns in the model's signature, in order."""
    import yaml

    described = yaml.safe_load((directory / MODEL / "MLmodel").read_text())
    inputs = json.loads((described.get("signature") or {}).get("inputs") or "[]")
    return tuple(column["name"] for column in inputs)


def golden_faults(pair: Pair) -> list[str]:
    """Where the golden predictions are not reproduced; empty when they all are."""
    golden = pair.serving.golden
    try:
        people = pair.columns.people(golden.people)
        answered = pair.predict(people)
    except Exception as error:  # whatever a foreign object raises, it is not our pair
        return [f"the golden predictions could not be made ({type(error).__name__}: {error})"]
    faults = []
    for name in ("premium", "low", "high"):
        expected = np.asarray(getattr(golden, name), dtype=float)
        found = answered[name].to_numpy()
        strange = int(np.sum(~np.isfinite(found)))
        if strange:
            faults.append(f"golden predictions are not finite numbers: {name} of {strange} people")
            continue
        worst = float(np.max(np.abs(found - expected))) if len(expected) else np.inf
        if not worst <= GOLDEN_TOLERANCE * pair.serving.intervals.cent:
            faults.append(
                f"golden predictions are not reproduced: {name} differs by up to "
                f"{pair.columns.target.figure(worst, 2)}"
            )
    return faults


def _load(directory: Path, expected: Digests, owner: str) -> Pair:
    # Where the types stand, so that asking for a digest does not load scikit-learn.
    from insurance_predictor.model import estimators, preprocessing

    wanted = MODEL_FILE
    if not expected.has_manifest:
        for former, now in MOVED_MODULES.items():
            sys.modules.setdefault(former, import_module(now))
    try:
        model = _load_skops(directory / MODEL_FILE, estimators.TRUSTED_TYPES, owner)
        if expected.has_manifest:
            wanted = PREPROCESSOR_SKOPS
            preprocessor = _load_skops(directory / wanted, preprocessing.TRUSTED_TYPES, owner)
        else:  # of a release that stored it as a pickle only
            wanted = PREPROCESSOR
            preprocessor = _unpickle(directory / wanted)
        wanted = SERVING
        serving = Serving.from_json((directory / SERVING).read_text())
    except IntegrityFault:
        raise
    except Exception as error:  # a foreign file may raise anything
        raise IntegrityFault(
            f"{owner} cannot be loaded: {wanted} raises {type(error).__name__}: {error}"
        ) from error
    return Pair(model, preprocessor, serving, version_columns(directory))


def _load_skops(path: Path, trusted: Sequence[str], owner: str) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(path, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise IntegrityFault(f"{owner} holds types that are not trusted: {error}") from error


def _unpickle(path: Path) -> Any:
    import joblib

    return joblib.load(path)


def _column_faults(pair: Pair, directory: Path) -> list[str]:
    try:
        signature = signature_columns(directory)
        made = tuple(str(name) for name in pair.preprocessor.get_feature_names_out())
    except Exception as error:  # a foreign object, or a foreign MLmodel
        return [f"its columns cannot be told ({type(error).__name__}: {error})"]
    if made == signature:
        return []
    return [
        f"the preprocessor makes the columns {', '.join(made)}, "
        f"the model expects {', '.join(signature) or 'none'}"
    ]


def sampled(table: pd.DataFrame, most: int = REFERENCE_ROWS) -> pd.DataFrame:
    """At most 5,000 rows, or `most`, drawn the same way every time."""
    if len(table) <= most:
        return table
    return table.sample(most, random_state=0).sort_index()
