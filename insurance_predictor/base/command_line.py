"""What the commands of all packages have in common: how they are made, and how they end."""

import atexit
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.foreign_text import one_line, printable
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.schema_fault import schema_faults

# What a command imports are a million objects and hardly any garbage: to look through them for some
# as often as Python does by itself takes a quarter of a short command.
NEW_OBJECTS = 100_000  # between two looks; 700 by default
USUAL = gc.get_threshold()


class PrintableFormatter(logging.Formatter):
    """Log lines as `say` prints them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(without_secrets(super().format(record)))


def make_app(help: str) -> typer.Typer:
    """A command line without commands yet; a bare call prints `help` and lists them."""
    return typer.Typer(
        help=help,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # drawing boxes would cost `--help` a third of its time
    )


NO_MEMORY = (
    "The memory that this process may take is used up. Give a smaller table, or more memory "
    "(`ulimit -v`, or to the container, if this is one)."
)


def run(app: Callable[[], object]) -> None:
    """Run a command; an error that a person can meet becomes one message and its exit code.

    `app` may import the commands first: some of their options are the columns.
    """
    gc.set_threshold(NEW_OBJECTS, *USUAL[1:])
    atexit.register(gc.freeze)  # what is left at the end goes with the process
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())
    try:
        with schema_faults():
            app()
    except InsurancePredictorError as error:
        say(f"error: {error}", to_stderr=True)
        sys.exit(error.exit_code)
    except MemoryError:  # a process may be given less than its limit says
        say(f"error: {NO_MEMORY}", to_stderr=True)
        sys.exit(2)
    except Exception:  # a fault of ours: its traceback may quote what somebody else wrote
        say(without_secrets(traceback.format_exc()), to_stderr=True)
        sys.exit(1)


def collect_as_usual() -> None:
    """Look for garbage as often as Python does by itself: a server would keep much of it.

    What has been imported by now is not looked through again.
    """
    gc.freeze()
    gc.set_threshold(*USUAL)


def say(text: str, to_stderr: bool = False) -> None:
    """Print `text` for a person, whoever wrote it; see `foreign_text.printable`.

    A sign that the terminal cannot write becomes a question mark.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    encoding = stream.encoding or "utf-8"
    shown = printable(text).encode(encoding, "replace").decode(encoding)
    print(shown, file=stream, flush=True)


def hand_on(name: str, value: str) -> None:
    """Let the later steps of a workflow know, when this runs in one: `steps.ID.outputs.NAME`."""
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a", encoding="utf-8") as outputs:
            outputs.write(f"{name}={one_line(value)}\n")
