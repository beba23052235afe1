"""A log with everything that can be in one, and all that monitoring asks of a window of it."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, func, select

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import OUTCOMES, PREDICTIONS, reading
from monitoring.checks.assess import assess, assess_service
from monitoring.domain.assessment import Window
from monitoring.history.json import assessment_json
from monitoring.window.reader import ModelLog, last_rows, newest_version, sample, unseen_values
from tests.monitoring.windows import START, log, model, people

DAYS = Window(START - timedelta(hours=7), START + timedelta(hours=61), START + timedelta(days=3))
NOW = START + timedelta(days=60)
HOUR = timedelta(hours=1)
WINDOWS = [
    DAYS,
    Window(START, START + 24 * HOUR, START),
    Window(START + 100 * timedelta(seconds=1), START + 200 * timedelta(seconds=1), START),
    Window(START - timedelta(days=3), NOW, NOW),
    Window(NOW - 2 * HOUR, NOW, NOW),
]


def fill(engine: Engine) -> None:
    """1,300 quotes, of which 140 are recent or have a recent outcome."""
    odd = people(40, 3)
    log(engine, people(300, 4), 150, known=START + HOUR)
    log(engine, people(300, 5), 120, start=START + 23.9 * HOUR, known=START + HOUR)
    log(engine, people(200, 6), 200, start=START - 20 * HOUR, known=START + 30 * HOUR)
    log(engine, people(90, 7), 90, start=START + 50 * HOUR, known=NOW - HOUR)  # stays
    log(engine, odd, region="<abroad>", bmi=703 * 30.0)
    log(engine, odd, 20, region="Atlantis", age=None, known=START + 2 * HOUR)
    log(engine, odd, age=17, bmi=None, smoker=None, source="batch", latency_ms=0.01)
    log(engine, odd, bmi=2.0 + np.arange(40), stale=True, latency_ms=900.0)
    log(engine, people(110, 8), 110, version="2", start=START + 5 * HOUR, known=START + 9 * HOUR)
    log(engine, people(30, 9), 30, version="10", latency_ms=3.0, known=START + 10 * HOUR)
    log(engine, people(25, 10), 25, model="another", known=START + HOUR)
    log(engine, people(20, 11), 20, incarnation="5", known=START + HOUR)
    log(engine, people(15, 12), 15, model="insurance_predictor", known=START + HOUR)
    log(engine, people(50, 13), start=NOW - HOUR)


def look(
    settings: Settings, window: Window = DAYS, incarnation: str | None = None
) -> dict[str, Any]:
    """Everything that is judged of a window, and all else that is asked of it."""
    reference = model()[1]
    others = {"2": reference}
    with reading(settings.prediction_log_url) as engine:
        found = ModelLog(engine, "insurance_predictor", incarnation, settings.archive)
        columns = {one.name: one for one in reference.columns.categories}
        return {
            "assessment": assessment_json(assess(settings, "1", reference, window, found, others)),
            "service": assessment_json(assess_service(settings, "1", window, found, "away")),
            "last": [last_rows(found, "1", rows, NOW) for rows in (1, 60, 141, 500, 900, 10**6)],
            "none": last_rows(found, "7", 3, NOW),
            "newest": newest_version(found, window),
            "unseen": unseen_values(found, window, "1", columns["region"]),
            "sample": sample(found, window, "1", 70),
        }


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, found in one.items():
        if name == "sample":
            pd.testing.assert_frame_equal(found, other[name], check_exact=True)
        else:
            assert found == other[name], name


def in_log(settings: Settings) -> tuple[int, int]:
    with reading(settings.prediction_log_url) as engine, engine.connect() as connection:
        counts = (select(func.count()).select_from(table) for table in (PREDICTIONS, OUTCOMES))
        predictions, outcomes = (connection.scalar(chosen) for chosen in counts)
    return predictions, outcomes
