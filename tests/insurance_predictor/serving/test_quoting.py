"""Whoever asks gets a quote that is in the log, or an error that is in the log."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pandas as pd
import pytest

from insurance_predictor.base.errors import BadInput, InvalidTable, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.serving.quoting import (
    ADDED,
    ROWS_AT_ONCE,
    quote_person,
    quote_table,
    recording_failure,
)
from insurance_predictor.table.schema import FEATURE_NAMES
from tests.insurance_predictor.serving.test_predictor import PERSON
from tests.predictions import PATIENCE, kept, log_in

MONEY = ["premium", "low", "high"]


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


@pytest.fixture
def log(log_settings: Settings) -> Iterator[PredictionLog]:
    with PredictionLog(log_settings) as running:
        yield running


@pytest.fixture
def rows(log_settings: Settings, log: PredictionLog):
    """The quotes, or what another table has, in the database once all has been delivered."""

    def delivered(*table) -> list[dict]:
        assert log.flush(PATIENCE)
        return kept(log_settings.prediction_log_url, *table)

    return delivered


@pytest.fixture
def broken(predictor: Predictor) -> Predictor:
    """A version whose prediction fails, through no fault of whoever asks."""
    return replace(predictor, pair=replace(predictor.pair, preprocessor=None))


def people(count: int) -> pd.DataFrame:
    """Ages from 18 to 64 in turn, with an index that is not 0, 1, 2, ..."""
    ages = [18 + number % 47 for number in range(count)]
    table = pd.DataFrame([PERSON] * count).assign(age=ages)
    return table.set_axis(range(2, count + 2))


def test_a_person_s_quote_is_the_predictor_s_and_is_logged_as_it_was_given(predictor, log, rows):
    given = quote_person(predictor, PERSON, log, "app", stale=True)
    assert given.quote == predictor.quote(PERSON)
    assert (given.is_recorded, len(given.beside)) == (True, 0)
    [row] = rows()
    assert (row["id"], row["time"]) == (given.entry.id, given.entry.time)
    assert {name: row[name] for name in FEATURE_NAMES} == PERSON
    assert [row[name] for name in MONEY] == [getattr(given.quote, name) for name in MONEY]
    assert (row["version"], row["source"], row["stale"]) == ("1", "app", True)
    assert row["incarnation"] == predictor.incarnation is not None
    assert row["latency_ms"] == given.entry.latency_ms > 0


def test_the_same_wish_is_one_quote_and_any_other_is_another(predictor, log, rows):
    ask = uuid4()
    first = quote_person(predictor, PERSON, log, "app", ask=ask)
    again = quote_person(predictor, dict(reversed(PERSON.items())), log, "app", ask=ask)
    assert again.entry.id == first.entry.id
    assert [row["time"] for row in rows()] == [first.entry.time]
    others = [
        quote_person(predictor, {**PERSON, "age": 41}, log, "app", ask=ask),
        quote_person(replace(predictor, version="2"), PERSON, log, "app", ask=ask),
        quote_person(replace(predictor, incarnation="2"), PERSON, log, "app", ask=ask),
        quote_person(predictor, PERSON, log, "app", ask=UUID(first.entry.id)),
        quote_person(predictor, PERSON, log, "app"),
    ]
    assert {row["id"] for row in rows()} == {one.entry.id for one in [first, *others]}
    assert len(rows()) == 6


def test_others_are_quoted_beside_a_person_and_are_not_logged(predictor, log, rows):
    others = people(3)
    given = quote_person(predictor, PERSON, log, "app", beside=others)
    assert given.beside == pytest.approx(predictor.predict(others)["premium"].to_numpy())
    assert [row["id"] for row in rows()] == [given.entry.id]


def test_a_person_who_breaks_the_rules_is_told_and_no_failure_of_ours(predictor, log, rows):
    with pytest.raises(BadInput, match="age is 17"):
        quote_person(predictor, {**PERSON, "age": 17}, log, "command")
    given = quote_person(predictor, PERSON, log, "command")
    assert [row["id"] for row in rows()] == [given.entry.id]
    assert rows(FAILURES) == []


def test_a_quote_that_fails_is_logged_as_a_failure_and_the_error_goes_on(broken, log, rows):
    with pytest.raises(AttributeError):
        quote_person(broken, PERSON, log, "app")
    assert rows() == []
    [failure] = rows(FAILURES)
    told = (failure["version"], failure["source"], failure["error"])
    assert told == ("1", "app", "AttributeError")
    assert failure["incarnation"] == broken.incarnation is not None
    assert failure["latency_ms"] >= 0


def test_a_disk_that_takes_nothing_costs_no_quote_but_is_told(predictor, tmp_path):
    (tmp_path / "spool").write_text("a file where the folder should be")
    settings = log_in(tmp_path).model_copy(update={"prediction_spool": tmp_path / "spool"})
    with PredictionLog(settings) as log:
        given = quote_person(predictor, PERSON, log, "app")
        assert given.quote.premium > 0
        assert not given.is_recorded


def test_every_row_of_a_table_gets_its_quote_and_is_logged_by_its_id(predictor, log, rows):
    table = people(60)
    answer = quote_table(predictor, table, log, "batch")
    assert list(answer.columns) == list(ADDED)
    assert answer.index.equals(table.index)
    assert set(answer["version"]) == {"1"}
    expected = predictor.predict(table)
    pd.testing.assert_frame_equal(answer[MONEY], expected.round(2))
    logged = {row["id"]: row for row in rows()}
    assert len(logged) == len(table)
    for number, entry_id in answer["prediction_id"].items():
        row = logged[entry_id]
        assert row["age"] == table["age"][number]
        assert row["premium"] == expected["premium"][number]  # the log keeps every digit
        assert (row["source"], row["stale"]) == ("batch", False)


def test_a_large_table_goes_in_parts_so_that_others_get_their_turn(predictor, log, rows):
    heard: list[int] = []
    count = 2 * ROWS_AT_ONCE + 1
    answer = quote_table(predictor, people(count), log, "batch", stale=True, progress=heard.append)
    assert heard == [ROWS_AT_ONCE, 2 * ROWS_AT_ONCE, count]
    assert answer["prediction_id"].nunique() == count
    latencies = {row["latency_ms"] for row in rows() if row["stale"]}
    assert len(latencies) <= len(heard)


def test_a_table_that_breaks_the_rules_is_refused_whole(predictor, log, rows):
    table = pd.concat([people(3), people(1).assign(age=5)])
    with pytest.raises(InvalidTable, match="age"):
        quote_table(predictor, table, log, "batch")
    answer = quote_table(predictor, people(1), log, "batch")
    assert [row["id"] for row in rows()] == answer["prediction_id"].tolist()
    assert rows(FAILURES) == []


def test_a_table_that_fails_is_one_failure(broken, log, rows):
    with pytest.raises(AttributeError):
        quote_table(broken, people(9), log, "batch")
    assert [row["source"] for row in rows(FAILURES)] == ["batch"]


def test_what_goes_wrong_inside_is_a_failure_and_goes_on(log, rows):
    with pytest.raises(Unreachable), recording_failure(log, "app", "7"):
        raise Unreachable("ana@example.org")
    with pytest.raises(InvalidTable), recording_failure(log, "app", "7"):
        raise InvalidTable("age: 200 is not allowed")
    with recording_failure(log, "app", "7"):
        pass
    assert rows() == []  # no quote, and the failure is there
    [row] = rows(FAILURES)
    assert (row["version"], row["source"], row["error"]) == ("7", "app", "Unreachable")
    assert row["latency_ms"] >= 0
