"""One look back: the predictions of a window against what the served version was trained on."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.spool import Spool
from insurance_predictor.serving.served_model import Served
from monitoring.checks.data_quality import features_with_unseen, quality_verdicts
from monitoring.checks.detectable_change import power
from monitoring.checks.distributions import distributions
from monitoring.checks.drift import drift_verdicts
from monitoring.checks.performance import performance_verdicts
from monitoring.checks.service import service_verdicts
from monitoring.domain.assessment import Look, Window
from monitoring.window.reader import (
    count_failures,
    read_chunks,
    read_outcomes,
    read_service,
    rows_by_version,
    unseen_values,
)
from monitoring.window.reference import PREMIUM, Reference, build
from monitoring.window.statistics import Tally


def look_back(settings: Settings, served: Served, window: Window, engine: Engine) -> Look:
    """Everything that is judged of the predictions that `served` made in the window.

    `engine` is a prediction log's; of `log_database.reading` it lets others write meanwhile.
    Raises NotFound when the version has not kept what it learned from.
    """
    version, thresholds = served.facts.version, settings.monitor
    reference = build(served)
    other_versions = rows_by_version(engine, window)
    other_versions.pop(version, None)
    tally = read_tally(engine, window, version, reference, tuple(other_versions))
    unseen = {
        column.name: unseen_values(engine, window, version, column)
        for column in features_with_unseen(tally)
    }
    backlog = Spool(settings.prediction_spool).waiting()
    premium = tally.numbers[PREMIUM]
    return Look(
        model_name=settings.model_name,
        version=version,
        window=window,
        rows=tally.rows,
        outcomes=tally.outcomes.rows,
        other_versions=other_versions,
        average_premium=premium.mean if premium.rows else None,
        verdicts=(
            *quality_verdicts(reference, tally, thresholds, unseen),
            *drift_verdicts(reference, tally, thresholds),
            *performance_verdicts(reference, tally, thresholds),
            *service_verdicts(tally, count_failures(engine, window), backlog, thresholds),
        ),
        distributions=distributions(reference, tally),
        power=power(reference, tally.rows, tally.outcomes.rows, thresholds),
    )


def read_tally(
    engine: Engine, window: Window, version: str, reference: Reference, others: tuple[str, ...]
) -> Tally:
    """The window as it streams by: the version's predictions, their outcomes, other versions'."""
    tally = Tally(reference)
    with _no_collection():
        for chunk in read_chunks(engine, window, version):
            tally.add(chunk)
        for outcomes in read_outcomes(engine, window, version):
            tally.outcomes.add(outcomes)
        for other in others:
            for answers in read_service(engine, window, other):
                tally.add_other(answers)
    return tally


@contextmanager
def _no_collection() -> Iterator[None]:
    """Rows hold no cycles, and to look for some takes longer than to read the rows."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
