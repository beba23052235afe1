"""A message on its way out, and what may become of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One row of the outbox: `message` for `channel`, about an incident or none.

    `thread` is where the channel has the incident's first message, as the channel names it;
    `report` the file that goes along. `time` is when it was queued, aware.
    """

    id: str
    time: datetime
    event: str
    message: Mapping[str, Any]
    channel: str
    incident_id: str | None = None
    thread: str | None = None
    report: Path | None = None


class NotSent(Exception):
    """A message did not arrive; one sentence says why, and `word` is the channel's own for it.

    `is_final` says that it never will. `is_doubtful` says that it may have arrived all the same:
    the call began and no answer came. `is_gone` says that the thread, or without one the channel,
    is not there, and `is_of_channel` that no other message would arrive now either.
    """

    def __init__(
        self,
        sentence: str,
        word: str = "",
        *,
        is_doubtful: bool = False,
        is_final: bool = False,
        is_gone: bool = False,
        is_of_channel: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.word = word
        self.is_doubtful = is_doubtful
        self.is_final = is_final
        self.is_gone = is_gone
        self.is_of_channel = is_of_channel


def no_report() -> NotSent:
    """Of a report whose file is not there, as on another machine than the one that wrote it."""
    return NotSent(
        "It is not on this machine any more; the one in MLflow is not touched.", is_final=True
    )


class Channel(Protocol):
    """Somewhere that messages go to."""

    can_tell: bool  # whether `found` knows

    def send(self, outgoing: Outgoing) -> str | None:
        """Where the message is now, as the channel names it. Raises NotSent."""

    def found(self, outgoing: Outgoing) -> str | None:
        """Where the message is, if an earlier call has brought it there. Raises NotSent."""

    def attach(self, outgoing: Outgoing) -> None:
        """Bring the report to where the message is, once. Raises NotSent."""
