"""A small model with its reference, and windows of people for it, counted or logged."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from sqlalchemy import Engine

from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.log.database import OUTCOMES, PREDICTIONS, insert, open_database
from insurance_predictor.model.pair import Pair
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table
from monitoring.domain.assessment import Verdict, Window
from monitoring.window.reader import ModelLog, read_chunks, read_outcomes
from monitoring.window.reference import Reference
from monitoring.window.statistics import WindowStatistics
from tests.studies.drift_calibration import trained

PEOPLE = 1200
START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1), START + timedelta(days=1))
THRESHOLDS = MonitorThresholds()


@cache
def model() -> tuple[Pair, Reference]:
    return trained(make_table(PEOPLE, seed=1))


def people(rows: int, seed: int = 2) -> pd.DataFrame:
    """Others than the model has seen, (n, 7), drawn from the same population."""
    return make_table(rows, seed)


@contextmanager
def database(folder: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{folder}/log.db")
    yield engine
    engine.dispose()


def log(
    engine: Engine,
    table: pd.DataFrame,
    outcomes: int = 0,
    version: str = "1",
    start: datetime = START,
    known: datetime = START,
    **columns: Any,
) -> list[str]:
    """Log the people of `table` a second apart, with the model's premiums, and the first charges.

    The charges came into the log at `known`.

    `columns` replace what is logged of every row. The ids are returned.
    """
    answers = model()[0].predict(table[list(FEATURE_NAMES)])
    rows = table[list(FEATURE_NAMES)].join(answers).assign(version=version)
    usual = {"latency_ms": 5.0, "source": "app", "stale": False}
    rows = rows.assign(**usual | columns).astype(object)
    rows["time"] = [start + timedelta(seconds=number) for number in range(len(rows))]
    rows["id"] = ids = [str(uuid4()) for _ in range(len(rows))]
    records = rows.where(rows.notna(), None).to_dict("records")
    assert insert(engine, PREDICTIONS, records) == []
    first = zip(ids[:outcomes], table["charges"], strict=False)
    at = {"time": known, "recorded": known}
    charged = [{"id": i, "charges": float(charges)} | at for i, charges in first]
    assert insert(engine, OUTCOMES, charged) == []
    return ids


def of_model(engine: Engine) -> ModelLog:
    """The log of a model that shares it with nobody."""
    return ModelLog(engine, "insurance_predictor")


def statistics_of(
    engine: Engine, window: Window = DAY, size: int = 1000, reference: Reference | None = None
) -> WindowStatistics:
    """The window of version 1, read `size` rows at a time."""
    statistics = WindowStatistics(reference or model()[1])
    for chunk in read_chunks(of_model(engine), window, "1", size):
        statistics.add(chunk)
    for outcomes in read_outcomes(of_model(engine), window, "1", size):
        statistics.outcomes.add(outcomes)
    return statistics


def named(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in verdicts}
