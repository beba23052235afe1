"""Quotes in the log of a version that serves: people of its own population, and others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import PREDICTIONS, insert
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table
from monitoring.history.tables import opened

NOW = datetime(2026, 3, 15, 6, tzinfo=UTC)


def in_folder(settings: Settings, folder: Path) -> Settings:
    """`settings` with everything that monitoring keeps on this machine in `folder`."""
    changed = {
        "prediction_log_url": f"sqlite:///{folder}/log.db",
        "prediction_spool": folder / "spool",
        "model_cache": folder / "model",
        "report_folder": folder / "reports",
        "monitoring_experiment_name": f"monitoring of {settings.model_name}",
        "alert_language": "en",
    }
    return settings.model_copy(update=changed)


def population(rows: int, seed: int = 11) -> pd.DataFrame:
    """Features of made-up people, (n, 6)."""
    return make_table(rows, seed)[list(FEATURE_NAMES)]


def log_quotes(
    settings: Settings,
    served: Served,
    people: pd.DataFrame,
    end: datetime = NOW,
    **logged: Any,
) -> None:
    """Log a quote for each of `people`, within the day before `end`.

    `logged` replaces what is logged of every row, after the model has answered.
    """
    answers = served.predictor.pair.predict(people)
    rows = people.join(answers).assign(
        **{"version": served.facts.version, "latency_ms": 12.0, "source": "app", "stale": False}
        | logged
    )
    step = timedelta(days=1) / (len(rows) + 1)
    records = [
        row | {"id": f"{end:%Y%m%d%H%M}-{number}", "time": end - step * (number + 1)}
        for number, row in enumerate(rows.astype(object).to_dict("records"))
    ]
    with opened(settings.prediction_log_url) as engine:
        assert insert(engine, PREDICTIONS, records) == []
