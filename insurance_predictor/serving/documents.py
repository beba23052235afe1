"""What there is to read and to see of a version, beside the pair that predicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.pair import version_columns
from insurance_predictor.model.run_layout import FITTED, HOLDOUT, MODEL_CARD, PLOTS, REFERENCE
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.store.versions import get_version
from insurance_predictor.table.columns import Columns, former_columns

if TYPE_CHECKING:
    from mlflow import MlflowClient

ANSWER_NAMES = ("premium", "low", "high")


@dataclass(frozen=True, eq=False)
class Documents:
    """What there is to show of a version: its card (Markdown), its plots (PNG) by name, and rows.

    `reference` are rows it learned from, (n ≤ 5,000, columns), features and target;
    `holdout` those it had not seen, with its premium, low and high beside them. A run without them
    leaves them empty, or None. `columns` are those it was trained on. `fitted` is what it asks of
    the `reference`, (n,); None of a run that has not kept it.
    """

    model_card: str
    plots: Mapping[str, bytes]
    reference: pd.DataFrame | None
    holdout: pd.DataFrame | None = None
    columns: Columns = field(default_factory=former_columns)
    fitted: FloatArray | None = None


NOTHING = Documents("", {}, None)


def read_documents(folder: Path) -> Documents:
    """The documents among a version's files in `folder`, which have all been checked."""
    card, columns = folder / MODEL_CARD, version_columns(folder)
    reference, fitted = _learned(folder / REFERENCE, columns)
    return Documents(
        model_card=card.read_text(errors="replace") if card.exists() else "",
        plots={plot.stem: plot.read_bytes() for plot in sorted((folder / PLOTS).glob("*.png"))},
        reference=reference,
        holdout=_rows(folder / HOLDOUT, columns, ANSWER_NAMES),
        columns=columns,
        fitted=fitted,
    )


def version_documents(client: "MlflowClient", settings: Settings, number: str) -> Documents:
    """The documents of any version, fetched and checked; nothing of it is loaded.

    Raises NotFound, IntegrityFault, and what `artifacts.fetch` raises.
    """
    version = get_version(client, settings, number)
    with TemporaryDirectory() as temporary:
        files, owner = Path(temporary), f"Version {number}"
        fetch(client, settings, version.run_id, version.source, version.digests, files, owner)
        return read_documents(files)


def _learned(path: Path, columns: Columns) -> tuple[pd.DataFrame | None, FloatArray | None]:
    rows = _rows(path, columns, (FITTED,))
    if rows is None:
        return _rows(path, columns, ()), None
    return rows.drop(columns=FITTED), rows[FITTED].to_numpy(dtype=float)


def _rows(path: Path, columns: Columns, answer: tuple[str, ...]) -> pd.DataFrame | None:
    """People, charges and the columns of `answer`; None where there are no such rows."""
    try:
        rows = columns.read_csv(path, to_the_last_bit=True)[[*columns.names, *answer]]
        numbers = rows.drop(columns=[column.name for column in columns.categories]).astype(float)
    except (FileNotFoundError, ValueError, KeyError):
        return None
    may_lack = [column.name for column in columns.numbers if column.optional]
    is_finite = np.isfinite(numbers.drop(columns=may_lack)).all(axis=None)
    is_finite &= not np.isinf(numbers[may_lack]).any(axis=None)
    is_known = all(
        (column.fits(rows[column.name]) | (column.optional & rows[column.name].isna())).all()
        for column in columns.categories
    )
    if rows.empty or not is_known or not is_finite:
        return None
    return rows.assign(**{name: numbers[name] for name in numbers})
