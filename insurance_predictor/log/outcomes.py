"""What people were really charged, joined to the quotes in the prediction log by their ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from insurance_predictor.base.errors import InsurancePredictorError, InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import OUTCOMES, PREDICTIONS, insert_or_ignore, opened
from insurance_predictor.log.late_outcomes import Recorded, record_late
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.table.check import (
    about_leaving_out,
    broken_rule,
    can_be_left_out,
    counted,
    number,
    rows_told,
)
from insurance_predictor.table.files import SHOWN_FAULTS, Wanted, read_cells, read_parts, shown
from insurance_predictor.table.reading.header import TextColumn
from insurance_predictor.table.reading.numerals import LONGEST_CELL
from insurance_predictor.table.schema import TARGET

# A table that comes back with premiums has ours in a column of its own, perhaps beside an id.
ID = TextColumn("id", ("quote number", "número da cotação"), rather="prediction id")
TIME = TextColumn("time")
# A premium beside an id is what we quoted, and not what somebody was charged.
CHARGED = replace(
    TARGET,
    name="charges",
    label={"pt": "charges", "en": "charges"},
    also_called=(*TARGET.also_called, *({TARGET.name} - {"charges"})),
)
CHUNK = 1000  # outcomes that are recorded at once


@dataclass(frozen=True)
class Outcome:
    """US dollars charged in the year that the prediction `id` was for, known since `time`."""

    id: str
    charges: float
    time: datetime


@dataclass(frozen=True)
class Conflict:
    """An outcome that contradicts the one that is `kept`, in US dollars a year."""

    id: str
    kept: float
    given: float


@dataclass(frozen=True)
class OutcomeReport:
    """What became of the outcomes of a file; `repeated` were recorded before with the same value.

    `unknown` are the ids of no prediction; neither they nor the conflicts changed anything.
    `notices` tell what was done so that the file could be read, and why the archive has none of it.
    """

    source: str
    recorded: int
    repeated: int
    unknown: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    notices: tuple[str, ...] = ()


def record_outcomes(settings: Settings, file: Path | str) -> OutcomeReport:
    """Record the outcomes of a file or s3:// object; recording one twice changes nothing.

    They are recorded now, whatever time they carry: monitoring judges them in the window of today.
    Those of quotes that are in the archive are recorded there. Raises InvalidTable, before anything
    is recorded, with every value that cannot be used; InvalidSettings and Unreachable for a
    prediction log that does not do its part.
    """
    outcomes, notices = read_outcomes(settings, file)
    PredictionLog(settings).close()  # predictions that were left in the spool are known, too
    done = Recorded()
    with opened(settings.prediction_log_url) as engine:
        for start in range(0, len(outcomes), CHUNK):
            with engine.begin() as connection:
                done.add(_record(connection, outcomes[start : start + CHUNK]))
        left = [outcome for outcome in outcomes if outcome.id not in done.kept]
        # Of an id that a file has twice the first one counts.
        late = {outcome.id: (outcome.charges, outcome.time) for outcome in reversed(left)}
        try:
            done.add(record_late(settings.archive, engine, late))
        except InsurancePredictorError as error:  # what is recorded stays recorded
            told = f"none of quotes that may be in the archive was recorded: {error}"
            notices = (*notices, told)
    unknown = tuple(outcome.id for outcome in outcomes if outcome.id not in done.kept)
    conflicts = tuple(
        Conflict(outcome.id, done.kept[outcome.id], outcome.charges)
        for outcome in outcomes
        if done.kept.get(outcome.id, outcome.charges) != outcome.charges
    )
    repeated = len(outcomes) - len(done.new) - len(unknown) - len(conflicts)
    return OutcomeReport(str(file), len(done.new), repeated, unknown, conflicts, notices)


def read_outcomes(settings: Settings, file: Path | str) -> tuple[list[Outcome], tuple[str, ...]]:
    """The outcomes in a file with the columns id, charges and perhaps time, and notices.

    A time is ISO 8601, in UTC unless it says otherwise; without one it is now. Raises InvalidTable
    with every value that cannot be used (row, column, value, rule; the first 20 and the count),
    unless so few rows have one that `settings` leave them out.
    """
    wanted = Wanted((ID, CHARGED), (TIME,), settings.strict, settings.sheet)
    cells = read_cells(read_parts(str(file), "FILE"), str(file), wanted)
    frame = _with_time(cells.understood)
    faults: list[str] = []
    faulty: list[int] = []
    total = 0
    for row, fault in _faults(frame, _with_time(cells.written)):
        total += 1
        faults += [fault] if total <= SHOWN_FAULTS else []
        faulty += [row] if faulty[-1:] != [row] else []
    notices = cells.notices
    may_drop = can_be_left_out(len(faulty), len(frame), settings.faulty_share)
    if faulty and not (may_drop and settings.faulty_rows == "drop"):
        about = about_leaving_out(len(faulty), len(frame), settings)
        told = [f"{counted(total, str(file))} Correct the file and run again:", *faults]
        every = [*told, about] if may_drop else [about, *told]
        raise InvalidTable("\n".join(filter(None, every)))
    if faulty:
        frame = frame.drop(index=faulty)
        notices = (*notices, rows_told("faulty", faulty, "left out"))
    now = datetime.now(UTC)
    outcomes = [
        Outcome(str(name).strip(), number(charges), _moment(time) or now)
        for name, charges, time in zip(frame["id"], frame["charges"], frame["time"], strict=True)
    ]
    return outcomes, notices


def _record(connection: Connection, outcomes: Sequence[Outcome]) -> Recorded:
    ids = {outcome.id for outcome in outcomes}
    found = select(PREDICTIONS.c.id).where(PREDICTIONS.c.id.in_(ids))
    known = set(connection.scalars(found))
    now = datetime.now(UTC)
    rows = [vars(outcome) | {"recorded": now} for outcome in outcomes if outcome.id in known]
    new: set[str] = set()
    if rows:
        statement = insert_or_ignore(connection, OUTCOMES).returning(OUTCOMES.c.id)
        new = set(connection.scalars(statement, rows))
    stored = select(OUTCOMES.c.id, OUTCOMES.c.charges).where(OUTCOMES.c.id.in_(known))
    return Recorded({row.id: row.charges for row in connection.execute(stored)}, new)


def _with_time(cells: pd.DataFrame) -> pd.DataFrame:
    return cells if "time" in cells else cells.assign(time="")


def _faults(frame: pd.DataFrame, written: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """The row of each value of `frame` that cannot be used, and the value as it is `written`."""
    columns = ["id", "charges", "time"]
    pairs = zip(frame[columns].itertuples(), written["charges"], strict=True)
    for (row, name, charges, time), given in pairs:
        if not _is_id(name):
            yield row, f"  row {row}, id: {shown(name)} is not the id of a prediction"
        if not TARGET.allows(number(charges)):
            yield row, f"  row {row}, {TARGET.name}: {broken_rule(given, charges, TARGET)}"
        try:
            _moment(time)
        except (ValueError, OverflowError):
            yield row, f"  row {row}, time: {shown(time)} is not a time like 2026-01-31T12:00:00Z"


def _is_id(value: Any) -> bool:
    """Whether a cell can be an id at all: databases and terminals take printable text only."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_CELL
        and value.strip() != ""
        and value.strip().isprintable()
    )


def _moment(value: Any) -> datetime | None:
    """The moment in UTC; None for an empty cell. Raises ValueError for what is no moment."""
    if isinstance(value, str):
        if len(value) > LONGEST_CELL:
            raise ValueError("too long for a time")
        if not value.strip():
            return None
        value = datetime.fromisoformat(value.strip())
    if pd.isna(value):
        return None
    if not isinstance(value, datetime):
        raise ValueError("neither text nor a timestamp")
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(aware.isoformat()).astimezone(UTC)
