"""What serves the visitors: settings, the version in production, the prediction log.

The version kept on disk answers at once. The registry is asked behind it, never while somebody
waits, except when nothing is kept yet.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Timer
from typing import TYPE_CHECKING

import streamlit as st

from app import json_log
from insurance_predictor.base.errors import (
    InsurancePredictorError,
    InvalidSettings,
    NoProductionModel,
)
from insurance_predictor.base.settings import Settings, read_settings

if TYPE_CHECKING:
    from insurance_predictor.log.prediction_log import PredictionLog
    from insurance_predictor.serving.served_model import Served

# Seconds that a look waits, so that whoever came first is quoted before MLflow is loaded.
HEAD_START = 5.0


class Counter:
    """The version that answers now, or the error that says why none can."""

    def __init__(self, settings: Settings) -> None:
        from insurance_predictor.serving import served_model

        self._settings = settings
        self._asking = Lock()
        self._error: InsurancePredictorError | None = None
        self._served: Served | None = served_model.read(settings)

    @property
    def is_serving(self) -> bool:
        return self._served is not None

    def served(self) -> "Served":
        """Raises what `served_model.refresh` raised when there has never been a version."""
        if self._served is None:
            # Without its past: it is raised again for every visitor.
            raise (self._error or NoProductionModel()).with_traceback(None)
        return self._served

    def ask(self) -> None:
        """Look at the registry; what answers now stays when that fails."""
        from insurance_predictor.serving import served_model

        with self._asking:
            start = time.monotonic()
            try:
                self._served = served_model.refresh(self._settings, self._served)
            except InsurancePredictorError as error:
                self._error = error
            self._tell(1000 * (time.monotonic() - start))

    def ask_later(self) -> None:
        """Look at the registry in a moment, while nobody waits for it."""
        timer = Timer(HEAD_START, self.ask)
        timer.daemon = True
        timer.start()

    def _tell(self, latency_ms: float) -> None:
        latency = round(latency_ms, 1)
        if self._served is None:
            json_log.tell_error("nothing_to_serve", self._error, latency_ms=latency)
            return
        event = "registry_checked"
        if self._served.problem is not None:
            event = "registry_unreachable"
        elif self._served.refusal is not None:
            event = "version_refused"
        json_log.tell(event, version=self._served.predictor.version, latency_ms=latency)


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Settings from the secrets, the environment and `.env`. Raises InvalidSettings."""
    # Streamlit puts the secrets of a file in the environment; without a file they are not asked.
    st.secrets.load_if_toml_exists()
    return read_settings()


@st.cache_resource(show_spinner=False)
def _counter() -> Counter:
    return Counter(settings())


@st.cache_resource(show_spinner=False)
def _asking() -> Callable[[], None]:
    """Looks at the registry when the last look is too old."""

    @st.cache_resource(ttl=ask_every(), refresh_mode="background", show_spinner=False)
    def ask_now_and_then() -> None:
        counter = _counter()
        if counter.is_serving:
            counter.ask_later()
        else:
            counter.ask()

    return ask_now_and_then


def ask_every() -> float:
    """Seconds between two looks at the registry. Raises InvalidSettings."""
    return settings().registry_check_seconds


def served() -> "Served":
    """The version in production, from the disk or, when nothing is there, from the registry.

    Raises NoProductionModel, NotFound, Unreachable, IntegrityFault or InvalidSettings when there
    is nothing to serve.
    """
    _asking()()
    return _counter().served()


def try_again() -> None:
    """Read the settings anew and ask the registry at the next use."""
    with suppress(InvalidSettings):
        _asking().clear()  # type: ignore[attr-defined]
    for kept in (settings, _counter, _asking):
        kept.clear()


@st.cache_resource(show_spinner=False)
def prediction_log() -> "PredictionLog":
    from insurance_predictor.log.prediction_log import PredictionLog

    return PredictionLog(settings())
