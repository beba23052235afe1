"""Every error a user can meet, with the exit code that a shell or a workflow sees."""

from insurance_predictor.base.foreign_text import LONGEST_PARAGRAPH, one_line
from insurance_predictor.base.masking import without_secrets


class InsurancePredictorError(Exception):
    """Base of the errors that say what happened, where, and what to do next.

    What a sentence quotes of an address or of a driver is shown without its secrets.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class BadInput(InsurancePredictorError):
    """Something the person gave, or has not done yet, is in the way."""

    exit_code = 2


class InvalidSettings(BadInput):
    """A variable of the environment or of .env has a value that cannot be used."""


class InvalidSchema(BadInput):
    """What `schema.py` says of the columns cannot be, or cannot be read."""


class InvalidTable(BadInput):
    """A table that cannot be read, or that breaks the rules of `schema`."""


class DownloadFailed(BadInput):
    """The public table did not arrive, or is not the file that was expected."""


class NotFound(BadInput):
    """A run, model version or alias that does not exist."""


class NoProductionModel(NotFound):
    """Nothing has been promoted yet."""


class Refused(InsurancePredictorError):
    """A version that may not serve; `reasons` says why, one sentence each."""

    exit_code = 3

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        shown = [f"  - {one_line(reason, LONGEST_PARAGRAPH)}" for reason in reasons]
        super().__init__("\n".join([message, *shown]))
        self.reasons = reasons


class RefusedByGate(Refused):
    """The promotion gate said no."""


class IntegrityFault(Refused):
    """Files of a version that are not the ones it was registered with, or do not fit together."""


class Unreachable(InsurancePredictorError):
    """The tracking server, its database or its storage does not answer."""

    exit_code = 4
