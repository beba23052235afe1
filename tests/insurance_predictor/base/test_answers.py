"""An answer that trickles is given up; one that is large, or slow to begin, is not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from insurance_predictor.base import answers
from insurance_predictor.base.answers import limit_answers

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
DROPS = 40
PAUSE = 0.1  # seconds between two drops
PIECE = 1.0  # seconds that a client waits for each


@contextmanager
def host(
    words: bytes, drop: bytes = b"", last: bytes = b""
) -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of a host that says `words`, then `drop` by drop, then `last`; and who came."""
    over = threading.Event()
    guests: list[socket.socket] = []

    def answer(guest: socket.socket) -> None:
        with suppress(OSError):
            while guest.recv(9999):
                guest.sendall(words)
                for _ in range(DROPS if drop else 0):
                    if over.wait(PAUSE):
                        return
                    guest.sendall(drop)
                guest.sendall(last)
                if drop:
                    guest.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                guest = listener.accept()[0]
                guests.append(guest)
                threading.Thread(target=answer, args=(guest,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", guests
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for guest in guests:
                guest.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_answers()
    monkeypatch.setattr(answers, "BEYOND", 0.5)
    monkeypatch.setattr(answers, "UNTOLD", 0)


@pytest.mark.parametrize(
    "words",
    [
        (HEAD, b"X: x\r\n", LENGTH % 0),
        (HEAD + LENGTH % DROPS, b"x", b""),
        (HEAD + b"\r\n", b"x", b""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"0\r\n\r\n"),
    ],
    ids=["head", "body", "body of no length", "chunks"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_trickles_is_given_up(words: tuple[bytes, bytes, bytes], stream: bool):
    # Waited for, each of these is a good answer in the end.
    with (
        host(*words) as (address, _),
        pytest.raises(requests.RequestException),
        requests.get(address, timeout=PIECE, stream=stream) as answer,
    ):
        assert b"".join(answer.iter_content(1000)) is not None


def test_a_large_body_has_time_for_its_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers, "SLOWEST", 1)
    with host(HEAD + LENGTH % 10_000 + b"x" * (10_000 - DROPS), b"x") as (address, _):
        assert len(requests.get(address, timeout=PIECE * 2).content) == 10_000


def test_a_connection_that_is_kept_is_not_cut_for_an_answer_that_came():
    with host(HEAD + LENGTH % 1 + b"x") as (address, guests), requests.Session() as session:
        for _ in range(3):
            assert session.get(address, timeout=PIECE).content == b"x"
            threading.Event().wait(1.5 * (PIECE + answers.BEYOND))
        assert len(guests) == 1


def test_a_client_without_a_limit_gets_none():
    with host(HEAD + LENGTH % DROPS, b"x") as (address, _):
        assert len(requests.get(address).content) == DROPS
