"""How a command ended."""

from dataclasses import dataclass


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
