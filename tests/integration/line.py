"""A line to a server that breaks when a test wants it to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


class Line:
    """Carries every connection to a server, until it breaks after so many more of them."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.left, line, address = 10**9, self, (parts.hostname, parts.port)

        class Carrier(BaseRequestHandler):
            def handle(self) -> None:
                line.left -= 1
                if line.left < 0:
                    return
                with socket.create_connection(address) as there:
                    back = threading.Thread(target=_carry, args=(there, self.request), daemon=True)
                    back.start()
                    _carry(self.request, there)
                    back.join()

        class Server(ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Carrier)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def carrying(target: str) -> Iterator[Line]:
    line = Line(target)
    threading.Thread(target=line.server.serve_forever, daemon=True).start()
    yield line
    line.server.shutdown()
    line.server.server_close()
