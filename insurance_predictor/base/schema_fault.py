"""What is wrong in `schema.py`, the one file that a team edits, for whoever meets it first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from insurance_predictor.base.errors import InvalidSchema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "insurance_predictor" / "table" / "schema.py"
MODULE = "insurance_predictor.table.schema"


@contextmanager
def schema_faults() -> Iterator[None]:
    """Raise InvalidSchema for what comes of a fault in `schema.py`; other errors go on."""
    try:
        yield
    except Exception as error:
        line = _line(error)
        if line is None:
            raise
        raise InvalidSchema(_sentence(error, line)) from error


def _line(error: Exception) -> int | None:
    """Where the error comes from in `schema.py`, 0 where no line is to blame, else None."""
    if isinstance(error, SyntaxError) and error.filename == str(SCHEMA):
        return error.lineno or 0
    steps = [step for step in extract_tb(error.__traceback__) if step.name == "<module>"]
    lines = [step.lineno or 0 for step in steps if step.filename == str(SCHEMA)]
    if lines:
        return lines[-1]
    return 0 if isinstance(error, ImportError) and error.name == MODULE else None


def _sentence(error: Exception, line: int) -> str:
    place = f"{SCHEMA.relative_to(ROOT)}, line {line}" if line else str(SCHEMA.relative_to(ROOT))
    said = error.msg if isinstance(error, SyntaxError | ImportError) else str(error)
    if isinstance(error, ImportError):
        said = said.partition(" (")[0]  # a place on this machine
    said = said.replace(".__init__()", "").rstrip(".") or type(error).__name__
    return f"{place}: {said}. Correct it and run again; docs/your-own-table.md says what it takes."
