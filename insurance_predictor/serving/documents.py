"""What there is to read and to see of a version, beside the pair that predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import HOLDOUT, MODEL_CARD, PLOTS, REFERENCE
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.store.versions import get_version
from insurance_predictor.table.schema import COLUMN_NAMES, COLUMNS, CategoryColumn, NumberColumn

if TYPE_CHECKING:
    from mlflow import MlflowClient

ANSWER_NAMES = ("premium", "low", "high")


@dataclass(frozen=True, eq=False)
class Documents:
    """What there is to show of a version: its card (Markdown), its plots (PNG) by name, and rows.

    `reference` are rows it learned from, (n ≤ 5,000, 7); `holdout` those it had not seen, (n, 10),
    with its premium, low and high beside them. A run without them leaves them empty, or None.
    """

    model_card: str
    plots: Mapping[str, bytes]
    reference: pd.DataFrame | None
    holdout: pd.DataFrame | None = None


NOTHING = Documents("", {}, None)


def read_documents(folder: Path) -> Documents:
    """The documents among a version's files in `folder`, which have all been checked."""
    card = folder / MODEL_CARD
    return Documents(
        model_card=card.read_text(errors="replace") if card.exists() else "",
        plots={plot.stem: plot.read_bytes() for plot in sorted((folder / PLOTS).glob("*.png"))},
        reference=_rows(folder / REFERENCE, ()),
        holdout=_rows(folder / HOLDOUT, ANSWER_NAMES),
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


def _rows(path: Path, answer: tuple[str, ...]) -> pd.DataFrame | None:
    """People, charges and the columns of `answer`; None where there are no such rows."""
    names = [*COLUMN_NAMES, *answer]
    numbers = [column.name for column in COLUMNS if isinstance(column, NumberColumn)] + [*answer]
    try:
        rows = pd.read_csv(path, usecols=names, dtype=dict.fromkeys(numbers, float))[names]
    except (FileNotFoundError, ValueError):
        return None
    known = all(
        rows[column.name].isin(column.values).all()
        for column in COLUMNS
        if isinstance(column, CategoryColumn)
    )
    return rows if known and len(rows) and np.isfinite(rows[numbers]).all(axis=None) else None
