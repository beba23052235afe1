"""What the guard answers in the place of an application that fails, hangs or has begun."""

import asyncio
import json

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from insurance_predictor.api.guard import Guard
from insurance_predictor.serving import json_log
from tests.insurance_predictor.api.conftest import HERE


def client_of(app, most_bytes: int = 1_000, seconds: float = 5.0) -> TestClient:
    return TestClient(Guard(app, (), most_bytes, seconds), HERE)


async def broken(scope, receive, send):
    raise ValueError("somebody is 40")


async def hanging(scope, receive, send):
    await asyncio.sleep(60)


async def reading(scope, receive, send):
    message = await receive()
    await PlainTextResponse(str(len(message["body"])))(scope, receive, send)


def test_a_fault_of_ours_is_a_sentence_and_its_words_stand_nowhere(capsys):
    json_log.set_up()
    answer = client_of(broken).get("/")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["error"] == "ValueError"
    assert "40" not in answer.text + json.loads(line)["event"]


def test_what_takes_too_long_is_given_up():
    answer = client_of(hanging, seconds=0.05).get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def asked(guarded: Guard, *bodies: bytes) -> list[int]:
    """The statuses that begin the answers to requests that come together."""

    async def status_of(body: bytes) -> list[int]:
        begun: list[int] = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            begun.extend([message["status"]] if "status" in message else [])

        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        await guarded(scope, receive, send)
        return begun

    async def together():
        return await asyncio.gather(*map(status_of, bodies))

    return [status for statuses in asyncio.run(together()) for status in statuses]


def test_an_answer_that_has_begun_is_not_begun_again():
    async def breaking_off(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    assert asked(Guard(breaking_off, (), 1_000, 5.0), b"") == [200]


def test_bodies_that_wait_for_an_answer_are_bounded_together():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.01)
        await reading(scope, receive, send)

    guarded = Guard(slow, (), 1_000, 5.0, most_held=1_500)
    assert sorted(asked(guarded, b"." * 900, b"." * 900, b"." * 500)) == [200, 200, 503]
    assert asked(guarded, b"." * 1_000) == [200]  # what has its answer is held no longer


@pytest.mark.parametrize("length", ["1001", "9" * 30])
def test_what_says_that_it_is_too_large_is_not_read(length):
    answer = client_of(reading).post("/", content=b"", headers={"Content-Length": length})
    assert answer.status_code == 413
