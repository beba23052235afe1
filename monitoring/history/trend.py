"""How training and production have fared over time: the points that report and dashboard draw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TrainingRun:
    """One training: when, and its metrics as `evaluation.flat_metrics` names them."""

    run_id: str
    time: datetime
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MonitoringRun:
    """One recorded assessment: its version, window (UTC) and metrics as `mlflow_runs` names them.

    `performance.ratio.value`, `drift.bmi.p_value`, `drift.bmi.alarm`: 1 or 0, absent if undecided.
    """

    run_id: str
    experiment_id: str
    version: str
    start: datetime
    end: datetime
    slot: datetime
    status: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Trend:
    """Both, the oldest first; of the assessments at one slot only the last."""

    trainings: tuple[TrainingRun, ...] = ()
    assessments: tuple[MonitoringRun, ...] = ()
