"""A line to a server that breaks when a test wants it to."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) ")


class Line:
    """Carries every HTTP request to a server, until it breaks after `left` more of them.

    Not connections: a client makes as few of those as it has time to use again.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.left, line, address = 10**9, self, (parts.hostname, parts.port)

        class Carrier(BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(address) as there:
                    back = threading.Thread(target=_carry, args=(there, self.request), daemon=True)
                    back.start()
                    _carry(self.request, there, line.breaks)
                    back.join()

        class Server(ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Carrier)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def breaks(self, data: bytes) -> bool:
        """Whether the line ends before it carries this, which is counted if a request begins it."""
        self.left -= REQUEST.match(data) is not None
        return self.left < 0


def _carry(
    source: socket.socket,
    sink: socket.socket,
    breaks: Callable[[bytes], bool] = lambda data: False,
) -> None:
    with suppress(OSError):
        while (data := source.recv(65536)) and not breaks(data):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def carrying(target: str) -> Iterator[Line]:
    line = Line(target)
    threading.Thread(target=line.server.serve_forever, daemon=True).start()
    yield line
    line.server.shutdown()
    line.server.server_close()
