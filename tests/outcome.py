"""Commands typed in this process, and how they ended."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from insurance_predictor import cli
from insurance_predictor.base.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and the exit code it ended with."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The error, once it is sure that there is one and nothing else."""
        assert self.err.startswith("error: "), self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("error: ").rstrip("\n")


@dataclass(frozen=True)
class Terminal:
    """Runs a program's commands in this process, with variables of the environment."""

    main: Callable[[], None]
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, **variables: str) -> Outcome:
        self.capture.readouterr()
        code = 0
        with self.patch.context() as patch:
            patch.setattr(sys, "argv", ["program", *arguments])
            for name, value in variables.items():
                patch.setenv(name, value)
            try:
                self.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Outcome(code, *self.capture.readouterr())


def library_terminal(
    settings: Settings, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
) -> Terminal:
    """The library's commands, on the store and the registered model of `settings`."""
    patch.setenv("MLFLOW_TRACKING_URI", settings.mlflow_tracking_uri)
    patch.setenv("ARTIFACT_LOCATION", str(settings.artifact_location))
    patch.setenv("MODEL_NAME", settings.model_name)
    return Terminal(cli.main, patch, capture)
