"""The one way to a quote: a person or a table is checked, quoted, measured and logged.

Pages, commands and whatever else gives quotes call this; so every quote is in the prediction log
with what it took, and so is every one that somebody asked for in vain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import urandom
from time import perf_counter
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4, uuid5

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.log.prediction_log import Entry, Failure, PredictionLog, Source
from insurance_predictor.serving.predictor import Predictor, Quote
from insurance_predictor.table.schema import CURRENT

ROWS_AT_ONCE = 20_000  # a moment each, so that people who ask for one quote get their turn
NOBODY: FloatArray = np.empty(0)
ADDED = ("premium", "low", "high", "version", "outside_range", "prediction_id")


@dataclass(frozen=True, eq=False)
class GivenQuote:
    """A quote and its `entry` for the prediction log, which has its id, its time and its person.

    `beside` are the premiums of others that were asked for in the same batch, (n,).
    """

    quote: Quote
    entry: Entry
    is_recorded: bool  # False when the disk did not take it
    beside: FloatArray


@dataclass(frozen=True)
class Ask:
    """One person who is asked about, since `start` by `perf_counter`, with what is `carried`.

    The same `ask` for the same person, answered by the same version, is one quote with one id, of
    which the log keeps the first row, however often it is asked.
    """

    person: Mapping[str, Any]
    ask: UUID | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    start: float = field(default_factory=perf_counter)


def quote_person(
    predictor: Predictor,
    person: Mapping[str, Any],
    log: PredictionLog,
    source: Source,
    *,
    stale: bool = False,
    beside: pd.DataFrame | None = None,
    ask: UUID | None = None,
    carried: Mapping[str, str] = MappingProxyType({}),
) -> GivenQuote:
    """The quote of one person, and the premiums of the people in `beside`, (n, features).

    `stale` says that the registry could not be asked whether the version still serves; `ask` and
    `carried` are as of an Ask. Raises BadInput with every rule that the person or what is `carried`
    breaks; any other error is recorded and goes on.
    """
    predictor.check(person)
    check_carried(carried)
    asked = Ask(person, ask, carried)
    with _recording(log, source, predictor):
        quote, premiums = predictor.quote_beside(person, beside)
    entry = _entry(predictor, asked, quote, source, stale)
    lost_before = log.lost
    log.write([entry])  # whatever it answers: slow is not lost
    return GivenQuote(quote, entry, log.lost == lost_before, premiums)


def quote_people(
    predictor: Predictor,
    asks: Sequence[Ask],
    log: PredictionLog,
    source: Source,
    *,
    stale: bool = False,
    patience: float,
) -> list[GivenQuote]:
    """The quotes of people who came together and whom `faults_of` finds nothing wrong with.

    They are on the disk before they are given, unless that takes more than `patience` seconds: then
    they are not known to be recorded. An error is recorded for each of them and goes on.
    """
    if not asks:
        return []
    with _recording(log, source, predictor, len(asks)):
        quotes = predictor.quote_all([one.person for one in asks])
    entries = [
        _entry(predictor, one, quote, source, stale)
        for one, quote in zip(asks, quotes, strict=True)
    ]
    is_recorded = log.write(entries, patience)
    return [
        GivenQuote(quote, entry, is_recorded, NOBODY)
        for quote, entry in zip(quotes, entries, strict=True)
    ]


def faults_of(predictor: Predictor, person: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a person and what goes with the quote: names, and what to say of each."""
    faults = list(predictor.faults_of(person))
    return faults + [
        (column.name, f"must be {column.rule}")
        for column in CURRENT.logged
        if not column.allows(person.get(column.name))
    ]


def carried_of(person: Mapping[str, Any]) -> dict[str, str]:
    """What goes with the quote of a person who is given with it."""
    names = [column.name for column in CURRENT.logged]
    return {name: person[name] for name in names if person.get(name) is not None}


def quote_table(
    predictor: Predictor,
    people: pd.DataFrame,
    log: PredictionLog,
    source: Source,
    *,
    stale: bool = False,
    progress: Callable[[int], None] = lambda done: None,
    carried: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The columns ADDED for each of `people`, (n, features), whose index they keep.

    Money is to the cent. `outside_range` names the features beyond what the model saw in training.
    `progress` hears how many rows are done. Of `carried`, (n, any), the log keeps what the schema
    wants logged. Raises InvalidTable with every rule that a row breaks; any other error is recorded
    once and goes on.
    """
    from insurance_predictor.table.check import check_table

    typed = check_table(predictor.without_later(people), predictor.columns.features)
    beside = pd.DataFrame(index=typed.index)
    if carried is not None and (logged := [c for c in CURRENT.logged if c.name in carried]):
        beside = check_table(carried[[column.name for column in logged]], logged)
    answers = []
    for first in range(0, len(typed), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        chunk = typed.iloc[rows]
        answers.append(_quote_chunk(predictor, chunk, beside.iloc[rows], log, source, stale))
        progress(first + len(chunk))
    return pd.concat(answers)


def quotes_unlogged(predictor: Predictor, people: pd.DataFrame) -> pd.DataFrame:
    """The columns ADDED but the id for each of `people`, (n, features), whose index they keep.

    Nothing is checked, and nothing is logged: what comes of a portfolio is its own record.
    """
    return _answer(predictor, people, predictor.pair.predict(people))


def check_carried(carried: Mapping[str, str]) -> None:
    """Raise BadInput with everything that the log cannot keep beside a quote."""
    wrong = [
        f"{column.name} is {one_line(repr(carried[column.name]))}; it must be {column.rule}"
        for column in CURRENT.logged
        if not column.allows(carried.get(column.name))
    ]
    if wrong:
        raise BadInput("What goes with the quote cannot be logged: " + "; ".join(wrong) + ".")


@contextmanager
def recording_failure(
    log: PredictionLog,
    source: Source,
    version: str | None = None,
    incarnation: str | None = None,
    quotes: int = 1,
) -> Iterator[None]:
    """Log as a Failure of each of `quotes` what is raised inside, unless a table breaks the rules.

    Whatever it is goes on to the caller. `version` is None when there was none to ask.
    """
    start = perf_counter()
    try:
        yield
    except InvalidTable:
        raise
    except Exception as error:
        latency_ms = _milliseconds_since(start)
        log.write(
            Failure(
                version=version,
                source=source,
                error=type(error).__name__,
                incarnation=incarnation,
                latency_ms=latency_ms,
            )
            for _ in range(quotes)
        )
        raise


def _entry(predictor: Predictor, asked: Ask, quote: Quote, source: Source, stale: bool) -> Entry:
    """What the log keeps of a quote that is given now."""
    names = predictor.columns.feature_names
    return Entry(
        version=quote.version,
        person={name: asked.person.get(name) for name in names},
        premium=quote.premium,
        low=quote.low,
        high=quote.high,
        latency_ms=_milliseconds_since(asked.start),
        source=source,
        stale=stale,
        incarnation=predictor.incarnation,
        features=names,
        carried=asked.carried,
        id=_prediction_id(predictor, asked.person, asked.ask),
    )


def _prediction_id(predictor: Predictor, person: Mapping[str, Any], ask: UUID | None) -> str:
    """Nobody's who asks for something else, whatever `ask` a stranger makes up."""
    if ask is None:
        return str(uuid4())
    said = [str(person.get(name)) for name in predictor.columns.feature_names]
    return str(uuid5(ask, repr((predictor.incarnation, predictor.version, said))))


def _recording(
    log: PredictionLog, source: Source, predictor: Predictor, quotes: int = 1
) -> AbstractContextManager[None]:
    return recording_failure(log, source, predictor.version, predictor.incarnation, quotes)


def _quote_chunk(
    predictor: Predictor,
    people: pd.DataFrame,
    carried: pd.DataFrame,
    log: PredictionLog,
    source: Source,
    stale: bool,
) -> pd.DataFrame:
    start = perf_counter()
    with _recording(log, source, predictor):
        answer = predictor.pair.predict(people)
    latency_ms = _milliseconds_since(start) / len(people)
    now = datetime.now(UTC)
    quotes = people.join(carried).assign(
        id=_random_ids(len(people)),
        # Each its own moment, so that the last so many quotes can be told from those before.
        time=pd.date_range(now, periods=len(people), freq="us"),
        version=predictor.version,
        **answer,
        latency_ms=latency_ms,
        source=source,
        stale=stale,
        incarnation=predictor.incarnation,
    )
    log.write_table(quotes)
    return _answer(predictor, people, answer).assign(prediction_id=quotes["id"])


def _random_ids(count: int) -> list[str]:
    """As `uuid4` makes them, from one draw: a call for each is most of a batch."""
    drawn = np.frombuffer(urandom(16 * count), np.uint8).reshape(count, 16).copy()
    drawn[:, 6] = drawn[:, 6] & 0x0F | 0x40  # version 4
    drawn[:, 8] = drawn[:, 8] & 0x3F | 0x80  # of RFC 9562's variant
    digits = drawn.tobytes().hex()
    each = (digits[first : first + 32] for first in range(0, len(digits), 32))
    return [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in each]


def _answer(predictor: Predictor, people: pd.DataFrame, premiums: pd.DataFrame) -> pd.DataFrame:
    return premiums.round(2).assign(
        version=predictor.version, outside_range=predictor.outside_range(people)
    )


def _milliseconds_since(start: float) -> float:
    return round(1000 * (perf_counter() - start), 3)
