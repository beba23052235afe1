"""Every fact about one run, held once: its model card, tags and parameters read from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from insurance_predictor.model.cross_validation import Scores
from insurance_predictor.model.fitting import Trained
from insurance_predictor.table.read import Table


@dataclass(frozen=True)
class TrainedRun:
    """What a run was made from and what came of it.

    `every` holds each candidate's scores, the best first; `rows` the training rows; `trained_at`
    knows its time zone; `git_commit` is None outside a repository. `warnings` say what the table is
    too little for.
    """

    run_id: str
    experiment: str
    model_name: str
    table: Table
    rows: pd.DataFrame
    every: tuple[Scores, ...]
    trained: Trained
    git_commit: str | None
    trained_at: datetime
    library_versions: Mapping[str, str]
    options: Mapping[str, Any]
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def candidate(self) -> str:
        return self.trained.scores.candidate.name

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the candidate, those that are plain values."""
        found = self.trained.scores.candidate.estimator.get_params()
        return {key: value for key, value in found.items() if not hasattr(value, "get_params")}
