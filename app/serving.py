"""What serves the visitors, held once for all of them: settings, the served version, the log."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings, read_settings, unreadable_secrets
from insurance_predictor.serving import json_log

if TYPE_CHECKING:
    from insurance_predictor.log.prediction_log import PredictionLog, Source
    from insurance_predictor.serving.served_model import Served, ServedModel

# Seconds that a look waits, so that whoever came first is quoted before MLflow is loaded.
HEAD_START = 5.0


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Settings from the secrets, the environment and `.env`. Raises InvalidSettings."""
    _read_secrets()
    return read_settings()


def _read_secrets() -> None:
    """Have Streamlit put the secrets of its files in the environment, as they are now.

    Left to itself it reads them once, watches no file that is made later, and takes one that
    cannot be read for none. Raises InvalidSettings.
    """
    st.secrets._reset()  # there is no other way
    try:
        if st.secrets.load_if_toml_exists():
            return
    except (OSError, UnicodeDecodeError):
        pass  # told as what is no TOML
    there = [path for path in st.get_option("secrets.files") if Path(path).exists()]
    if there:
        raise unreadable_secrets(there)


@st.cache_resource(show_spinner=False)
def _served_model() -> "ServedModel":
    from insurance_predictor.serving.served_model import ServedModel

    return ServedModel(settings(), HEAD_START, json_log.tell_look)


def served() -> "Served":
    """The version in production, from the disk or, when nothing is there, from the registry.

    Raises NoProductionModel, NotFound, Unreachable, IntegrityFault or InvalidSettings when there
    is nothing to serve.
    """
    return _served_model().current()


def served_for_quote(source: "Source") -> "Served":
    """As `served`, for somebody who asks for a quote: a failure is in the prediction log, too."""
    from insurance_predictor.serving.quoting import recording_failure

    with recording_failure(prediction_log(), source):
        return served()


def try_again() -> None:
    """Read the settings anew and ask the registry at the next use.

    Where they are as they were, a look at the registry that still hangs is not joined by another.
    """
    before = _valid_settings()
    settings.clear()
    now = _valid_settings()
    if now is not None and now == before:
        _served_model().try_again()
        return
    _served_model.clear()
    with suppress(InvalidSettings):  # then none was opened
        prediction_log().close()
    prediction_log.clear()


def _valid_settings() -> Settings | None:
    try:
        return settings()
    except InvalidSettings:
        return None


@st.cache_resource(show_spinner=False)
def prediction_log() -> "PredictionLog":
    from insurance_predictor.log.prediction_log import PredictionLog

    return PredictionLog(settings())
