"""Who is let in, with how much, for how long: before anything reads what was sent."""

import asyncio
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from insurance_predictor.api.problems import Problem, busy, response
from insurance_predictor.serving import json_log

KEY_HEADER = "X-API-Key"
OPEN = ("/health", "/ready", "/docs", "/openapi.json")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MOST_HELD = 64 * 2**20  # bytes of the bodies of all requests that have no answer yet
LAST = {"Connection": "close"}  # what is still on its way is not waited for


class Guard:
    """Answers in the place of `app` a request that has no key, is too large or takes too long.

    With `keys`, each path that is not OPEN asks for one of them. Without, whoever asks has to call
    this machine by a name of its own, so that no page of a browser can be made to ask for another.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Sequence[str],
        most_bytes: int,
        seconds: float,
        most_held: int = MOST_HELD,
    ) -> None:
        self._app = app
        self._keys = [_digest(key.encode()) for key in keys]
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._most_held = most_held
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds):
                await self._let_in(scope, receive, sending)
            return
        except Problem as problem:
            refusal = problem
        except TimeoutError:
            refusal = busy(f"This took more than {self._seconds:g} s. Ask again in a moment.")
        except Exception as error:  # a fault of ours: nobody else's request ends with it
            json_log.tell_error("request_failed", error)
            refusal = Problem(500, "A fault of this server. It is in its log; ask again.")
        if not has_begun:
            await response(refusal)(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._keys:
            _check_host(headers.get("host", ""))
        elif scope["path"] not in OPEN:
            self._check_key(headers.get(KEY_HEADER, ""))
        with self._body() as body:
            await self._read(body, headers, receive)
            messages = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

            async def read_already() -> Message:
                return next(messages, None) or await receive()  # which says that the client is gone

            await self._app(scope, read_already, send)

    def _check_key(self, given: str) -> None:
        digest = _digest(given.encode("latin-1"))
        # With all of them, so that the time does not tell which one it was.
        if not sum(hmac.compare_digest(digest, key) for key in self._keys):
            raise Problem(
                401,
                f"Give one of the server's keys in the header {KEY_HEADER}.",
                headers={"WWW-Authenticate": f'ApiKey header="{KEY_HEADER}"'},
            )

    @contextmanager
    def _body(self) -> Iterator[bytearray]:
        body = bytearray()
        try:
            yield body
        finally:
            self._held -= len(body)

    async def _read(self, body: bytearray, headers: Headers, receive: Receive) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._most_bytes:
            raise self._too_large()
        more = True
        try:
            async with asyncio.timeout(self._seconds / 2):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "The request broke off.")
                    self._add(body, message.get("body", b""))
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise Problem(408, "The request did not arrive in time.", headers=LAST) from error

    def _add(self, body: bytearray, piece: bytes) -> None:
        if len(body) + len(piece) > self._most_bytes:
            raise self._too_large()
        if self._held + len(piece) > self._most_held:
            raise busy("Too much has been sent that waits for an answer. Ask again in a moment.")
        body += piece
        self._held += len(piece)

    def _too_large(self) -> Problem:
        most = self._most_bytes // 2**20
        return Problem(
            413, f"A request has at most {most} MiB. Ask for fewer people at once.", headers=LAST
        )


def _digest(key: bytes) -> bytes:
    """Of one length, whatever the key's."""
    return hmac.digest(b"API_KEYS", key, "sha256")


def _check_host(host: str) -> None:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in LOCAL_HOSTS:
        raise Problem(421, "Without API_KEYS this server answers to 127.0.0.1 and localhost only.")
