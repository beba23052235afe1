"""Writes `.env`: a random secret for every name that the stack refuses to start without."""

import os
import secrets
from pathlib import Path

from dotenv import dotenv_values

from insurance_predictor.base.errors import BadInput

HEADER = """\
# Made by `make env`. Keep it: the volumes of the stack know these secrets.
# .env.example documents every other name that may stand here.
"""


def write_env_file(path: Path) -> tuple[str, ...]:
    """Add the names that `path` lacks and return them; what stands there is never changed.

    The file can be read by its owner alone. Raises BadInput when it cannot be written.
    """
    try:
        there = dotenv_values(path)
        missing = {name: value for name, value in _needed().items() if not there.get(name)}
        if missing:
            _append(path, missing)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(path, error) from error
    return tuple(missing)


def complete_env_file(path: Path) -> None:
    """Add what `path` lacks when a stack was made with it, by a release that wanted less.

    Raises BadInput like `write_env_file`.
    """
    try:
        is_ours = bool(dotenv_values(path).get("POSTGRES_PASSWORD"))
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(path, error) from error
    if is_ours:
        write_env_file(path)


def _needed() -> dict[str, str]:
    return {
        "POSTGRES_PASSWORD": _secret(),
        "MLFLOW_DATABASE_PASSWORD": _secret(),
        "PREDICTION_LOG_PASSWORD": _secret(),
        "S3_ACCESS_KEY_ID": secrets.token_hex(10),
        "S3_SECRET_ACCESS_KEY": _secret(),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _secret(),
        # Not the client's names: a person's own password for a team's server is not this one's.
        "MLFLOW_ADMIN_PASSWORD": _secret(),
        "MLFLOW_READER_PASSWORD": _secret(),
        "MLFLOW_MONITOR_PASSWORD": _secret(),
        "API_KEYS": _secret(),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:${MLFLOW_PORT:-5000}",
        "MLFLOW_TRACKING_USERNAME": "${MLFLOW_ADMIN_USERNAME:-admin}",
        "MLFLOW_TRACKING_PASSWORD": "${MLFLOW_ADMIN_PASSWORD}",
        "PREDICTION_LOG_URL": "postgresql://predictions:${PREDICTION_LOG_PASSWORD}"
        "@127.0.0.1:${POSTGRES_PORT:-5432}/predictions",
    }


def _unwritable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path} cannot be written: {error}. Move it away and try again.")


def _secret() -> str:
    """192 random bits that no URL and no shell has to escape."""
    return secrets.token_hex(24)


def _append(path: Path, values: dict[str, str]) -> None:
    """Replace the file in one step, so that nobody ever sees half of it."""
    before = path.read_text() if path.exists() else HEADER
    if not before.endswith("\n"):
        before += "\n"
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.touch(mode=0o600)
    partial.write_text(before + lines)
    partial.replace(path)
