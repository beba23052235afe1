"""A connection that brings no whole head of a request in time is closed, as is an endless head."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 10.0
MOST_BYTES = 64 * 1024


class Connection(HttpToolsProtocol):
    """As uvicorn's, which would wait for ever and take whatever comes."""

    _patience: asyncio.TimerHandle | None = None
    _head = 0  # bytes of it so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._patience is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)
        if self._patience is None:
            self._head = 0
        else:
            self._head += len(data)
            if self._head > MOST_BYTES:
                self._give_up()

    def on_headers_complete(self) -> None:
        self._wait_no_longer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(SECONDS, self._give_up)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._wait_no_longer()
        self.transport.close()
