"""The files of one version: a model, that run's preprocessor and the facts served beside them.

Nothing is unpickled before its digest has been compared with the one written when the version
was trained, and the pieces must fit together: columns and golden predictions.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.model.intervals import Intervals
from insurance_predictor.model.run_layout import (
    ADDED_BY_DOWNLOAD,
    HOLDOUT,
    MODEL,
    MODEL_COPY,
    MODEL_FILE,
    PREPROCESSOR,
    REFERENCE,
    SERVING,
)
from insurance_predictor.table.schema import FEATURE_NAMES

REFERENCE_ROWS = 5_000
# Files of versions that release 0.1 has stored name these modules where they stood then.
MOVED_MODULES = {
    "insurance_predictor.models": "insurance_predictor.model.estimators",
    "insurance_predictor.preprocessing": "insurance_predictor.model.preprocessing",
}
GOLDEN_TOLERANCE = 0.005  # US dollars: half a cent, far below what a person is shown


@dataclass(frozen=True)
class Digests:
    """sha256 of each piece, as 64 hex digits."""

    preprocessor_sha256: str
    model_sha256: str
    serving_sha256: str

    def as_tags(self) -> dict[str, str]:
        return asdict(self)

    @property
    def combined(self) -> str:
        """One digest for all pieces."""
        return sha256("\n".join(self.as_tags().values()).encode()).hexdigest()

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], owner: str) -> "Digests":
        """The digests written on a run or version. Raises IntegrityFault where one is absent."""
        names = cls.__dataclass_fields__
        missing = [name for name in names if name not in tags]
        if missing:
            raise IntegrityFault(f"{owner} carries no {', '.join(missing)}: it cannot be checked.")
        return cls(**{name: tags[name] for name in names})


@dataclass(frozen=True)
class Golden:
    """Predictions made at training, which every later copy must reproduce (US dollars a year)."""

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

    def predict(self, people: pd.DataFrame) -> pd.DataFrame:
        """Premium and 90 % interval, (n, 3) columns premium, low, high in US dollars a year.

        `people` holds the six features of `schema`, (n, 6); nothing is checked here.
        """
        premium = np.asarray(self.model.predict(self.preprocessor.transform(people)), dtype=float)
        low, high = self.serving.intervals.around(premium, people)
        return pd.DataFrame({"premium": premium, "low": low, "high": high}, index=people.index)


def file_digests(directory: Path) -> Digests:
    """The digests of the files as they are in `directory`. Reads, unpickles nothing."""
    return Digests(
        preprocessor_sha256=sha256((directory / PREPROCESSOR).read_bytes()).hexdigest(),
        model_sha256=folder_sha256(directory / MODEL),
        serving_sha256=sha256((directory / SERVING).read_bytes()).hexdigest(),
    )


def folder_sha256(folder: Path) -> str:
    """One digest for the names and contents of all files below `folder`."""
    digest = sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if name != ADDED_BY_DOWNLOAD:
            digest.update(f"{name}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def copy_model(pair: Pair, directory: Path) -> None:
    """Write the model once more, as what loads without skops, which costs half a second.

    It runs code when it is loaded, as the preprocessor does, so only a folder whose digest has
    been checked may be opened by it.
    """
    import joblib

    (directory / MODEL_COPY).parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(pair.model, directory / MODEL_COPY)


def open_pair(directory: Path, expected: Digests, owner: str, by_copy: bool = False) -> Pair:
    """Check the files in `directory` against `expected`, load them and try them out.

    `by_copy` takes the model that `copy_model` wrote. `owner` names the version in what is said.
    Raises IntegrityFault, with every reason.
    """
    compare(file_digests(directory), expected, owner)
    pair = _load(directory, owner, by_copy)
    faults = [
        *_column_faults(pair, signature_columns(directory)),
        *golden_faults(pair),
    ]
    if faults:
        raise IntegrityFault(f"{owner} does not fit together:", tuple(faults))
    return pair


def signature_columns(directory: Path) -> tuple[str, ...]:
    """The input columns in the model's signature, in order."""
    import yaml

    described = yaml.safe_load((directory / MODEL / "MLmodel").read_text())
    inputs = json.loads((described.get("signature") or {}).get("inputs") or "[]")
    return tuple(column["name"] for column in inputs)


def golden_faults(pair: Pair) -> list[str]:
    """Where the golden predictions are not reproduced; empty when they all are."""
    golden = pair.serving.golden
    people = pd.DataFrame(list(golden.people), columns=list(FEATURE_NAMES))
    try:
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
        if not worst <= GOLDEN_TOLERANCE:
            faults.append(
                f"golden predictions are not reproduced: {name} differs by up to US$ {worst:,.2f}"
            )
    return faults


def compare(found: Digests, expected: Digests, owner: str) -> None:
    """Raise IntegrityFault, naming the pieces, where digests differ."""
    differing = [
        name.removesuffix("_sha256")
        for name, value in expected.as_tags().items()
        if found.as_tags()[name] != value
    ]
    if differing:
        raise IntegrityFault(
            f"{owner} is refused: its {' and '.join(differing)} is not the one that was trained "
            "(the sha256 differs). Train and register again, or restore the file."
        )


def _load(directory: Path, owner: str, by_copy: bool) -> Pair:
    import joblib

    wanted = MODEL_COPY if by_copy else MODEL_FILE
    for former, now in MOVED_MODULES.items():
        sys.modules.setdefault(former, import_module(now))
    try:
        model = joblib.load(directory / MODEL_COPY) if by_copy else _load_skops(directory, owner)
        wanted = PREPROCESSOR
        preprocessor = joblib.load(directory / PREPROCESSOR)
        wanted = SERVING
        serving = Serving.from_json((directory / SERVING).read_text())
    except IntegrityFault:
        raise
    except Exception as error:  # a foreign file may raise anything
        raise IntegrityFault(
            f"{owner} cannot be loaded: {wanted} raises {type(error).__name__}: {error}"
        ) from error
    return Pair(model, preprocessor, serving)


def _load_skops(directory: Path, owner: str) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    from insurance_predictor.model.estimators import TRUSTED_TYPES

    try:
        return skops.io.load(directory / MODEL_FILE, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise IntegrityFault(f"{owner} holds types that are not trusted: {error}") from error


def _column_faults(pair: Pair, signature: tuple[str, ...]) -> list[str]:
    made = tuple(str(name) for name in pair.preprocessor.get_feature_names_out())
    if made == signature:
        return []
    return [
        f"the preprocessor makes the columns {', '.join(made)}, "
        f"the model expects {', '.join(signature) or 'none'}"
    ]


def rows_sha256(folder: Path) -> str:
    """The sha256 of the rows below `folder` that a run is judged by; the gate compares it."""
    content = (folder / REFERENCE).read_bytes() + (folder / HOLDOUT).read_bytes()
    return sha256(content).hexdigest()


def sampled(reference: pd.DataFrame) -> pd.DataFrame:
    """At most 5,000 rows, drawn the same way every time."""
    if len(reference) <= REFERENCE_ROWS:
        return reference
    return reference.sample(REFERENCE_ROWS, random_state=0).sort_index()
