"""A PostgreSQL that lets everybody in and then says nothing: given up, and not for its slowness."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Double, Select, func, literal_column, select, text

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.log import postgresql
from insurance_predictor.log.arrow import batches
from insurance_predictor.log.database import opened, reading
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.log.spool import Spool
from tests.integration.postgres import Postgres
from tests.predictions import PATIENCE, entries, ids, kept_ids, log_in

MOMENT = 0.5  # seconds


@dataclass
class Wire:
    """A way to a database; nothing that is under way arrives unless `is_open` is set."""

    url: str
    is_open: threading.Event = field(default_factory=threading.Event)

    def pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(9999):
                self.is_open.wait()
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(url: str, database: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr(postgresql, "SILENCE", MOMENT)
    monkeypatch.setattr(postgresql, "PATIENCE", 5 * MOMENT)
    with ExitStack() as ends, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        wire = Wire(url.replace(f":{database.port}/", f":{port}/") + "?connect_timeout=3")
        wire.is_open.set()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    guest = ends.enter_context(listener.accept()[0])
                    there = socket.create_connection(("127.0.0.1", database.port))
                    ends.enter_context(there)
                    for pair in ((guest, there), (there, guest)):
                        threading.Thread(target=wire.pass_on, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield wire
        wire.is_open.set()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("way", [opened, reading])
def test_a_database_that_falls_silent_is_unreachable(wire: Wire, way):
    def ask() -> None:
        with way(wire.url) as engine, engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
            wire.is_open.clear()
            connection.scalar(text("SELECT 2"))

    with pytest.raises(Unreachable, match="did not do its part: it fell silent"):
        ask()


def test_a_statement_that_takes_long_is_waited_for(wire: Wire):
    with opened(wire.url) as engine, engine.connect() as connection:
        assert connection.scalar(text(f"SELECT 1 FROM pg_sleep({6 * MOMENT})")) == 1


def test_a_statement_that_takes_long_is_waited_for_though_nobody_else_is_let_in(
    wire: Wire, database: Postgres
):
    with opened(wire.url) as engine, engine.connect() as connection:
        database.limit_connections("predictions", 1)
        try:
            assert connection.scalar(text(f"SELECT 1 FROM pg_sleep({6 * MOMENT})")) == 1
        finally:
            database.limit_connections("predictions", -1)


def test_a_silence_keeps_quotes_in_the_spool_until_it_is_over(wire: Wire, tmp_path: Path):
    settings = log_in(tmp_path, wire.url)
    before, during = entries(3), entries(300)
    with PredictionLog(settings) as log:
        log.write(before)
        assert log.flush(PATIENCE)
        wire.is_open.clear()
        log.write(during)
        assert not log.flush(20 * MOMENT)
        assert Spool(settings.prediction_spool, wire.url).waiting() == 300
        wire.is_open.set()
        assert log.flush(PATIENCE)
    assert sorted(kept_ids(wire.url)) == sorted(ids([*before, *during]))


def test_a_database_that_falls_silent_while_it_is_read_in_batches_is_unreachable(wire: Wire):
    def ask() -> None:
        with reading(wire.url) as engine:
            assert len(list(batches(engine, numbers(0)))) == 1
            threading.Timer(MOMENT, wire.is_open.clear).start()
            list(batches(engine, numbers(20 * MOMENT)))

    with pytest.raises(Unreachable, match="did not do its part: it fell silent"):
        ask()


def test_batches_that_take_long_are_waited_for(wire: Wire):
    with reading(wire.url) as engine:
        (batch,) = batches(engine, numbers(6 * MOMENT))
    assert batch.num_rows == 1


def numbers(seconds: float) -> Select[Any]:
    """One row that takes so long."""
    rested = func.pg_sleep(seconds).table_valued("rested")
    return select(literal_column("1.5", Double()).label("number")).select_from(rested)
