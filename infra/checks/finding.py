"""One line of the doctor: what was looked at, whether it is right, and what to do when not."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import ParamSpec

from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.masking import without_secrets

Arguments = ParamSpec("Arguments")

LONGEST = 300  # characters of what others say
UNEXPECTED = "Please report it with the line above."


class Verdict(StrEnum):
    """`note` is neither right nor wrong: it is not used here, or could not be looked at."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """`found` is one clause; `remedy` is one line, and only there when the verdict is wrong."""

    verdict: Verdict
    found: str
    remedy: str = ""
    name: str = ""


def right(found: str) -> Finding:
    """All is well."""
    return Finding(Verdict.RIGHT, _shown(found))


def wrong(found: str, remedy: str) -> Finding:
    """Something is in the way, and `remedy` takes it out."""
    return Finding(Verdict.WRONG, _shown(found), _shown(remedy))


def note(found: str) -> Finding:
    """Worth knowing, nothing to do."""
    return Finding(Verdict.NOTE, _shown(found))


def told(message: str, remedy: str = UNEXPECTED) -> Finding:
    """What an error of ours says: its first sentence, then its own remedy or else `remedy`."""
    happened, _, own = message.partition(". ")
    return wrong(happened.rstrip("."), own or remedy)


def check(name: str) -> Callable[[Callable[Arguments, Finding]], Callable[Arguments, Finding]]:
    """Give a check the `name` of its line and turn whatever it raises into a finding."""

    def decorate(look: Callable[Arguments, Finding]) -> Callable[Arguments, Finding]:
        @wraps(look)
        def named(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Finding:
            try:
                return replace(look(*args, **kwargs), name=name)
            except Exception as error:  # a doctor that falls ill helps nobody
                return failed(name, error)

        return named

    return decorate


def failed(name: str, error: Exception) -> Finding:
    """The line of a check that could not be done because of `error`."""
    if isinstance(error, InsurancePredictorError):
        return replace(told(str(error)), name=name)
    return replace(wrong(f"{type(error).__name__}: {error}", UNEXPECTED), name=name)


def not_looked_at(names: Iterable[str], why: str) -> Iterator[Finding]:
    """The lines of checks that make no sense while `why` holds."""
    for name in names:
        yield replace(note(f"not looked at: {why}"), name=name)


def not_used_here(names: Iterable[str], why: str) -> Iterator[Finding]:
    """The lines of checks of what this configuration does without."""
    for name in names:
        yield replace(note(f"not used here: {why}"), name=name)


def _shown(text: str) -> str:
    """One line without a password in it."""
    return one_line(without_secrets(text), LONGEST)
