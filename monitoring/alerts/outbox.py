"""Brings the outbox to its channels, each message once: what cannot be sent now waits.

Before a call the row is marked as in doubt, after the answer as sent. Of a row in doubt, because
no answer came or the process died, a channel that can tell is asked whether the message is there
before it is sent again. A webhook cannot be asked: it gets the message at least once.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Engine, Row, func, or_, select

from insurance_predictor.base.settings import Settings
from monitoring.alerts import channels
from monitoring.alerts.apprise_channel import Other
from monitoring.alerts.channel import Channel, NotSent, Outgoing
from monitoring.alerts.slack import Bot, Webhook
from monitoring.history.tables import INCIDENTS, OUTBOX

TRIES = 3  # calls in one run for a message of which the channel can tell whether it arrived
PAUSE = 1.0  # seconds before the second call, doubled each time
PATIENCE = 60.0  # seconds that another process may take to send
SENDING_LOCK = 0x5E2D  # any number, the same for everybody who empties this outbox
POLL = 0.1  # seconds

Open = Callable[[Settings, str], Channel]


@dataclass
class Delivery:
    """What became of the outbox: how many messages left it, and how many wait for the next run.

    `troubles` are the reasons, a sentence each. `refused` are messages that will never be taken,
    as plain text, so that they can be shown instead.
    """

    sent: int = 0
    waiting: int = 0
    troubles: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def open_channel(settings: Settings, name: str) -> Channel:
    """The channel of that name. Raises NotSent when the settings no longer have it."""
    if name == channels.SLACK_BOT and settings.slack_bot_token and settings.slack_channel:
        return Bot(settings)
    if name == channels.SLACK_WEBHOOK and settings.slack_webhook_url:
        return Webhook(settings)
    if name == channels.FORMER_GITHUB:
        raise NotSent(
            "A request for a training is given up: `make incidents RETRAIN=1` asks for it now.",
            is_final=True,
        )
    if url := channels.other_urls(settings).get(name):
        return Other(url)
    kind = name.partition(":")[0]
    raise NotSent(f"Messages wait for the channel {kind}, which is no longer set. Set it again.")


def deliver(
    settings: Settings,
    engine: Engine,
    opening: Open = open_channel,
    pause: float = PAUSE,
    patience: float = PATIENCE,
) -> Delivery:
    """Send what waits, the oldest first. Raises the errors of the database only.

    Several processes may do this at once: they take turns, and each message is sent once.
    """
    delivery = Delivery()
    if not _waiting(engine):
        return delivery
    with turn(engine, patience) as is_ours:
        if is_ours:
            _Round(settings, engine, opening, pause, delivery).run()
        else:
            delivery.troubles.append("Another process is sending; it or the next run sends these.")
        delivery.waiting = len(_waiting(engine))
    return delivery


class _Round:
    """One go at everything that waits."""

    def __init__(
        self, settings: Settings, engine: Engine, opening: Open, pause: float, delivery: Delivery
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._opening = opening
        self._pause = pause
        self._delivery = delivery
        self._shut: set[tuple[str, ...]] = set()  # channels, or incidents in a channel

    def run(self) -> None:
        """Try each message that waits. After a trouble the channel's others are left alone.

        Of a message that may have arrived, only those of the same incident are: it may be to blame.
        """
        for name in _waiting(self._engine):
            row = _row(self._engine, name)
            outgoing = _outgoing(row)
            incident = (outgoing.channel, outgoing.incident_id or outgoing.id)
            if {incident, (outgoing.channel,)} & self._shut:
                continue
            try:
                self._bring(row, outgoing)
            except NotSent as trouble:
                self._note(outgoing, trouble)
                if not trouble.is_final:
                    self._shut.add(incident if trouble.is_doubtful else (outgoing.channel,))

    def _note(self, outgoing: Outgoing, trouble: NotSent) -> None:
        """Keep and tell why a message did not arrive."""
        _mark(self._engine, outgoing, trouble=str(trouble))
        if trouble.is_final:
            _mark(self._engine, outgoing, gave_up=datetime.now(UTC))
            self._delivery.refused.append(str(outgoing.message.get("plain", outgoing.event)))
        if str(trouble) not in self._delivery.troubles:
            self._delivery.troubles.append(str(trouble))

    def _bring(self, row: Row[Any], outgoing: Outgoing) -> None:
        """The message, and then its report, which may fail without the message."""
        channel = self._opening(self._settings, outgoing.channel)
        if row.sent is None:
            place = self._place(channel, outgoing, row.attempts, row.is_in_doubt)
            _mark_sent(self._engine, outgoing, place)
            self._delivery.sent += 1
            outgoing = _outgoing(_row(self._engine, outgoing.id))
        if outgoing.report is not None and outgoing.report.is_file():
            channel.attach(outgoing)
        _mark(self._engine, outgoing, report=None)

    def _place(
        self, channel: Channel, outgoing: Outgoing, attempts: int, is_in_doubt: bool
    ) -> str | None:
        """Where the message is after as few calls as it takes."""
        for last in range(TRIES):
            if is_in_doubt and (place := channel.found(outgoing)):
                return place
            try:
                return self._call(channel, outgoing, attempts + last + 1)
            except NotSent as trouble:
                if last + 1 == TRIES or not (trouble.is_doubtful and channel.can_tell):
                    raise
            is_in_doubt = True
            time.sleep(self._pause * 2**last)
        raise AssertionError("the last of the tries returns or raises")

    def _call(self, channel: Channel, outgoing: Outgoing, attempts: int) -> str | None:
        """Send once, in doubt from before the call until the answer."""
        _mark(self._engine, outgoing, attempts=attempts, is_in_doubt=True)
        try:
            return channel.send(outgoing)
        except NotSent as trouble:
            _mark(self._engine, outgoing, is_in_doubt=trouble.is_doubtful)
            raise
        except Exception as error:  # a bug, perhaps of a library, must not stop the others
            raise NotSent(
                f"A message could not be sent: {type(error).__name__}.", is_doubtful=True
            ) from error


@contextmanager
def turn(engine: Engine, patience: float) -> Iterator[bool]:
    """Whether it is our turn to send after at most `patience` seconds; it ends with the context.

    No transaction is open meanwhile: quotes go on being logged. A process that dies leaves its
    turn to the next.
    """
    if engine.dialect.name == "postgresql":
        lock = func.pg_try_advisory_lock(SENDING_LOCK)
        with engine.connect() as connection:
            quiet = connection.execution_options(isolation_level="AUTOCOMMIT")
            end = time.monotonic() + patience
            while not (is_ours := bool(quiet.scalar(select(lock)))) and time.monotonic() < end:
                time.sleep(POLL)
            try:
                yield is_ours
            finally:
                if is_ours:
                    quiet.execute(select(func.pg_advisory_unlock(SENDING_LOCK)))
    else:
        lock_file = FileLock(f"{engine.url.database}.sending", timeout=patience, poll_interval=POLL)
        try:
            lock_file.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock_file.release()


def _waiting(engine: Engine) -> list[str]:
    """The ids of what is to be sent, or whose report is, the oldest first."""
    is_open = or_(OUTBOX.c.sent.is_(None), OUTBOX.c.report.is_not(None))
    asked = select(OUTBOX.c.id).where(OUTBOX.c.gave_up.is_(None), is_open)
    with engine.begin() as connection:
        return list(connection.scalars(asked.order_by(OUTBOX.c.time, OUTBOX.c.id)))


def _row(engine: Engine, name: str) -> Row[Any]:
    with_thread = select(OUTBOX, INCIDENTS.c.thread).outerjoin(
        INCIDENTS, OUTBOX.c.incident_id == INCIDENTS.c.id
    )
    with engine.begin() as connection:
        return connection.execute(with_thread.where(OUTBOX.c.id == name)).one()


def _outgoing(row: Row[Any]) -> Outgoing:
    return Outgoing(
        id=row.id,
        time=row.time,
        event=row.event,
        message=row.message,
        channel=row.channel,
        incident_id=row.incident_id,
        thread=row.thread if row.channel == channels.SLACK_BOT else None,
        report=Path(row.report) if row.report else None,
    )


def _mark(engine: Engine, outgoing: Outgoing, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(OUTBOX.update().where(OUTBOX.c.id == outgoing.id).values(**values))


def _mark_sent(engine: Engine, outgoing: Outgoing, place: str | None) -> None:
    """Sent, and where: the first place that a bot names is the incident's thread."""
    done = {"sent": datetime.now(UTC), "is_in_doubt": False, "trouble": None}
    thread = INCIDENTS.update().where(
        INCIDENTS.c.id == outgoing.incident_id, INCIDENTS.c.thread.is_(None)
    )
    with engine.begin() as connection:
        connection.execute(OUTBOX.update().where(OUTBOX.c.id == outgoing.id).values(**done))
        if outgoing.channel == channels.SLACK_BOT and place is not None:
            connection.execute(thread.values(thread=place))
