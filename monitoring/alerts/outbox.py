"""Brings the outbox to its channels, each message once: what cannot be sent now waits.

Before a call the row is marked as in doubt, after the answer as sent. Of a row in doubt, because
no answer came or the process died, a channel that can tell is asked whether the message is there
before it is sent again. A webhook cannot be asked: it gets the message at least once.

No message waits for a report, and no incident for another: reports go out after all messages, and
what is in the way of one incident leaves the others alone. What is given up, a message or only its
report, is told by the run that gave up, and by the next message.

Others may write to the same log. Of what stands there only messages of the own model are sent, only
to channels and threads that the settings name, and only with reports that are where reports lie.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import ColumnElement, Engine, Row, and_, func, or_, select

from insurance_predictor.base.settings import Settings
from monitoring.alerts import channels
from monitoring.alerts.apprise_channel import Other
from monitoring.alerts.channel import Channel, NotSent, Outgoing, no_report
from monitoring.alerts.messages import Lost, title, with_losses
from monitoring.history import report_folder
from monitoring.history.tables import INCIDENTS, OUTBOX

TRIES = 3  # calls in one run for a message of which the channel can tell whether it arrived
IN_A_ROW = 3  # incidents in a row that a channel does not take, after which a run leaves it alone
LONGEST_WAIT = timedelta(days=14)  # after which a message that cannot be sent is given up
PAUSE = 1.0  # seconds before the second call, doubled each time
PATIENCE = 60.0  # seconds that another process may take to send
SENDING_LOCK = 0x5E2D  # any number, the same for everybody who empties this outbox
POLL = 0.1  # seconds

Open = Callable[[Settings, str], Channel]
Incident = tuple[str, str]  # a channel, and the incident or a message about none


@dataclass
class Delivery:
    """What became of the outbox: how many messages left it, and how many wait for the next run.

    `troubles` are the reasons, a sentence each. `refused` are messages that will never be taken,
    as plain text, so that they can be shown instead; `given_up` says of each of them, and of
    reports, that it is given up. `is_broken` says that a channel that is set refused a message.
    """

    sent: int = 0
    waiting: int = 0
    troubles: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    is_broken: bool = False


def open_channel(settings: Settings, name: str) -> Channel:
    """The channel of that name. Raises NotSent when the settings no longer have it."""
    if name == channels.SLACK_BOT and settings.slack_bot_token and settings.slack_channel:
        from monitoring.alerts.slack import Bot

        return Bot(settings)
    if name == channels.SLACK_WEBHOOK and settings.slack_webhook_url:
        from monitoring.alerts.slack import Webhook

        return Webhook(settings)
    if name == channels.FORMER_GITHUB:
        raise NotSent(
            "A request for a training is given up: `make incidents RETRAIN=1` asks for it now.",
            is_final=True,
        )
    if url := channels.other_urls(settings).get(name):
        return Other(url)
    kind = name.partition(":")[0]
    raise NotSent(
        f"Messages wait for the channel {kind}, which is no longer set. Set it again; after "
        f"{LONGEST_WAIT.days} days they are given up.",
        is_of_channel=True,
    )


def deliver(
    settings: Settings,
    engine: Engine,
    opening: Open = open_channel,
    pause: float = PAUSE,
    patience: float = PATIENCE,
    now: datetime | None = None,
    incarnation: str | None = None,
) -> Delivery:
    """Send what waits of MODEL_NAME, the oldest first. Raises the errors of the database only.

    `incarnation` is that of the model in the registry; where it is not known, only messages that
    say none are sent.

    Several processes may do this at once: they take turns, and each message is sent once. `now`
    is aware, and what is given up for its age is judged by it.
    """
    delivery = Delivery()
    own = _own(settings, incarnation)
    if not _waiting(engine, own) and not _without_report(engine, own):
        return delivery
    with turn(engine, patience) as is_ours:
        if is_ours:
            now = now or datetime.now(UTC)
            _Round(settings, engine, own, opening, pause, now, delivery).run()
        else:
            delivery.troubles.append("Another process is sending; it or the next run sends these.")
        delivery.waiting = len(_waiting(engine, own))
    return delivery


class _Round:
    """One go at everything that waits."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        own: ColumnElement[bool],
        opening: Open,
        pause: float,
        now: datetime,
        delivery: Delivery,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._own = own
        self._opening = opening
        self._pause = pause
        self._now = now
        self._delivery = delivery
        self._open: dict[str, Channel] = {}
        self._left_alone: dict[str, NotSent] = {}  # channels, and why
        self._stuck: set[Incident] = set()
        self._failed: Counter[str] = Counter()  # incidents in a row, by channel

    def run(self) -> None:
        """Try each message that waits, and then each report."""
        for name in _in_turn(_waiting(self._engine, self._own)):
            row = self._row(name)
            if reason := self._left_alone.get(row.channel):
                self._give_up_if_old(self._outgoing(row), reason)
            elif _incident(row) not in self._stuck:
                self._bring(row)
        for name in _without_report(self._engine, self._own):
            self._attach(self._outgoing(self._row(name)))

    def _row(self, name: str) -> Row[Any]:
        """With the thread of its incident, which is of the same model."""
        is_its = and_(
            OUTBOX.c.incident_id == INCIDENTS.c.id,
            INCIDENTS.c.model_name == self._settings.model_name,
        )
        with_thread = select(OUTBOX, INCIDENTS.c.thread).outerjoin(INCIDENTS, is_its)
        with self._engine.begin() as connection:
            return connection.execute(with_thread.where(OUTBOX.c.id == name)).one()

    def _outgoing(self, row: Row[Any]) -> Outgoing:
        thread = None
        if row.channel == channels.SLACK_BOT:
            from monitoring.alerts.slack import in_channel

            thread = in_channel(row.thread, self._settings.slack_channel or "")
        return Outgoing(
            id=row.id,
            time=row.time,
            event=row.event,
            message=row.message,
            channel=row.channel,
            incident_id=row.incident_id,
            thread=thread,
            report=report_folder.find(self._settings.report_folder, row.report or ""),
        )

    def _bring(self, row: Row[Any]) -> None:
        """One message. What is in its way stops its incident, and perhaps its channel."""
        outgoing = self._outgoing(row)
        channel = None
        try:
            channel = self._channel(outgoing.channel)
            self._place(channel, outgoing, row.attempts, row.is_in_doubt)
        except NotSent as trouble:
            self._note(outgoing, trouble, is_set=channel is not None)
        else:
            self._delivery.sent += 1
            self._failed[outgoing.channel] = 0

    def _channel(self, name: str) -> Channel:
        if name not in self._open:
            self._open[name] = self._opening(self._settings, name)
        return self._open[name]

    def _note(self, outgoing: Outgoing, trouble: NotSent, is_set: bool) -> None:
        """Keep and tell why a message did not arrive, and what is left alone because of it."""
        self._delivery.is_broken |= is_set
        if str(trouble) not in self._delivery.troubles:
            self._delivery.troubles.append(str(trouble))
        if trouble.is_final:
            self._give_up_message(outgoing, trouble)
            return
        _mark(self._engine, outgoing, trouble=str(trouble))
        self._give_up_if_old(outgoing, trouble)
        self._stuck.add((outgoing.channel, outgoing.incident_id or outgoing.id))
        self._failed[outgoing.channel] += 1
        of_all = trouble.is_of_channel or trouble.is_gone
        if of_all or self._failed[outgoing.channel] >= IN_A_ROW:
            self._left_alone[outgoing.channel] = trouble

    def _give_up_if_old(self, outgoing: Outgoing, trouble: NotSent) -> None:
        if self._now - outgoing.time > LONGEST_WAIT:
            self._give_up_message(outgoing, trouble)

    def _give_up_message(self, outgoing: Outgoing, trouble: NotSent) -> None:
        self._delivery.refused.append(str(outgoing.message.get("plain", outgoing.event)))
        self._give_up(outgoing, trouble, f"The message {_quoted(outgoing)}")

    def _give_up(self, outgoing: Outgoing, trouble: NotSent, sentence: str) -> None:
        _mark(self._engine, outgoing, gave_up=self._now, trouble=str(trouble))
        self._delivery.given_up.append(f"{sentence} is given up: {trouble}")

    def _place(
        self, channel: Channel, outgoing: Outgoing, attempts: int, is_in_doubt: bool
    ) -> None:
        """Bring the message to where it belongs after as few calls as it takes."""
        for last in range(TRIES):
            if is_in_doubt and (place := guarded(channel.found, outgoing)):
                return self._mark_sent(outgoing, place)
            try:
                return self._call(channel, outgoing, attempts + last + 1, is_in_doubt)
            except NotSent as trouble:
                if last + 1 == TRIES or not (trouble.is_doubtful and channel.can_tell):
                    raise
            is_in_doubt = True
            time.sleep(self._pause * 2**last)
        raise AssertionError("the last of the tries returns or raises")

    def _call(self, channel: Channel, outgoing: Outgoing, attempts: int, is_in_doubt: bool) -> None:
        """Send once, in doubt from before the call until the answer.

        A doubt from before stays: a refusal says nothing of an earlier call. Where the thread is
        gone, the message begins another one.
        """
        lost = _lost(self._engine, self._own, self._settings, outgoing.channel)
        _mark(self._engine, outgoing, attempts=attempts, is_in_doubt=True)
        try:
            try:
                place = guarded(channel.send, self._telling(outgoing, lost))
            except NotSent as trouble:
                if not (trouble.is_gone and outgoing.thread):
                    raise
                outgoing = replace(outgoing, thread=None)
                told = self._telling(outgoing, lost, is_thread_gone=True)
                place = guarded(channel.send, told)
        except NotSent as trouble:
            _mark(self._engine, outgoing, is_in_doubt=is_in_doubt or trouble.is_doubtful)
            raise
        self._mark_sent(outgoing, place, tuple(lost))

    def _mark_sent(self, outgoing: Outgoing, place: str | None, told: Sequence[str] = ()) -> None:
        """Sent, and where: a bot's message outside of a thread is the incident's from then on.

        `told` are the ids of what was given up and is told by this message.
        """
        now = datetime.now(UTC)
        done = {"sent": now, "is_in_doubt": False, "trouble": None}
        thread = INCIDENTS.update().where(
            INCIDENTS.c.id == outgoing.incident_id,
            INCIDENTS.c.model_name == self._settings.model_name,
        )
        with self._engine.begin() as connection:
            connection.execute(OUTBOX.update().where(OUTBOX.c.id == outgoing.id).values(**done))
            if told:
                mark = OUTBOX.update().where(OUTBOX.c.id.in_(told))
                connection.execute(mark.values(gave_up_told=now))
            if outgoing.channel == channels.SLACK_BOT and place is not None and not outgoing.thread:
                connection.execute(thread.values(thread=place))

    def _telling(
        self, outgoing: Outgoing, lost: dict[str, Lost], is_thread_gone: bool = False
    ) -> Outgoing:
        language = self._settings.alert_language
        message = with_losses(outgoing.message, list(lost.values()), is_thread_gone, language)
        return replace(outgoing, message=message)

    def _attach(self, outgoing: Outgoing) -> None:
        """The report of a message that has arrived, in this run or never."""
        try:
            self._upload(outgoing)
        except NotSent as trouble:
            self._give_up(outgoing, trouble, f"The report of {_quoted(outgoing)}")
        _mark(self._engine, outgoing, report=None)

    def _upload(self, outgoing: Outgoing) -> None:
        if outgoing.report is None and outgoing.channel != channels.SLACK_WEBHOOK:
            raise no_report()
        channel = self._channel(outgoing.channel)
        for last in range(TRIES):
            try:
                guarded(channel.attach, outgoing)
                return
            except NotSent as trouble:
                hopeless = trouble.is_final or trouble.is_gone or trouble.is_of_channel
                if last + 1 == TRIES or hopeless:
                    raise
            time.sleep(self._pause * 2**last)


def guarded(call: Callable[[Outgoing], str | None], outgoing: Outgoing) -> str | None:
    """What `call` answers; a bug, perhaps of a library, must not stop the others."""
    try:
        return call(outgoing)
    except NotSent:
        raise
    except Exception as error:
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


def _own(settings: Settings, incarnation: str | None) -> ColumnElement[bool]:
    """What this model's monitoring has queued; old rows do not say whose they are."""
    is_of_model = or_(OUTBOX.c.model_name.is_(None), OUTBOX.c.model_name == settings.model_name)
    is_of_any = OUTBOX.c.incarnation.is_(None)
    return and_(is_of_model, or_(is_of_any, OUTBOX.c.incarnation == incarnation))


def _waiting(engine: Engine, own: ColumnElement[bool]) -> list[Row[Any]]:
    """What is to be sent, the oldest first: id, channel, incident_id and attempts."""
    wanted = select(OUTBOX.c.id, OUTBOX.c.channel, OUTBOX.c.incident_id, OUTBOX.c.attempts)
    asked = wanted.where(own, OUTBOX.c.gave_up.is_(None), OUTBOX.c.sent.is_(None))
    with engine.begin() as connection:
        return list(connection.execute(asked.order_by(OUTBOX.c.time, OUTBOX.c.id)))


def _in_turn(waiting: Sequence[Row[Any]]) -> list[str]:
    """The ids of what waits. An incident that was in trouble before comes after the others."""
    first: dict[Incident, int] = {}
    for row in waiting:
        first.setdefault(_incident(row), row.attempts)
    return [row.id for row in sorted(waiting, key=lambda row: first[_incident(row)] >= TRIES)]


def _incident(row: Row[Any]) -> Incident:
    return row.channel, row.incident_id or row.id


def _without_report(engine: Engine, own: ColumnElement[bool]) -> list[str]:
    """The ids of messages that have arrived and whose report has not."""
    asked = select(OUTBOX.c.id).where(
        own, OUTBOX.c.gave_up.is_(None), OUTBOX.c.sent.is_not(None), OUTBOX.c.report.is_not(None)
    )
    with engine.begin() as connection:
        return list(connection.scalars(asked.order_by(OUTBOX.c.time, OUTBOX.c.id)))


def _lost(
    engine: Engine, own: ColumnElement[bool], settings: Settings, channel: str
) -> dict[str, Lost]:
    """What was given up and not told yet, by id, of this channel or one that is no longer set."""
    asked = select(OUTBOX).where(
        own,
        OUTBOX.c.gave_up.is_not(None),
        OUTBOX.c.gave_up_told.is_(None),
        OUTBOX.c.channel != channels.FORMER_GITHUB,
    )
    others = set(channels.configured(settings)) - {channel}
    with engine.begin() as connection:
        found = connection.execute(asked.order_by(OUTBOX.c.time, OUTBOX.c.id)).all()
    return {
        row.id: Lost(title(row.message, row.event), row.time, is_report=row.sent is not None)
        for row in found
        if row.channel not in others
    }


def _quoted(outgoing: Outgoing) -> str:
    return f"“{title(outgoing.message, outgoing.event)}”"


def _mark(engine: Engine, outgoing: Outgoing, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(OUTBOX.update().where(OUTBOX.c.id == outgoing.id).values(**values))
