"""Starts the API: where it listens, with how many processes, and for whom."""

import os
import resource
import socket
from ipaddress import ip_address
from tempfile import TemporaryDirectory

from insurance_predictor.base.command_line import collect_as_usual, say
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings

CONNECTIONS = 8_192  # open files that a process may have, where the machine allows it
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client goes by it
KEEP_ALIVE = 30  # seconds between two requests of one connection


def serve(settings: Settings) -> None:
    """Answer until it is stopped. Raises BadInput where it cannot or must not listen."""
    check_address(settings)
    import uvicorn

    from insurance_predictor.api.connection import Connection

    collect_as_usual()
    _allow_connections()
    address = f"http://{_in_url(settings.api_host)}:{settings.api_port}"
    say(f"Quotes at {address}/v1/quotes, described at {address}/docs; Ctrl-C ends it.")
    with TemporaryDirectory(prefix="api-metrics-") as folder:
        if settings.api_workers > 1:
            os.environ[METRICS_FOLDER] = folder
        uvicorn.run(
            "insurance_predictor.api.routes:create",
            factory=True,
            host=settings.api_host,
            port=settings.api_port,
            workers=settings.api_workers,
            http=Connection,
            ws="none",
            access_log=False,  # it would have what stands in an address
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=int(settings.api_seconds) + 1,
            backlog=CONNECTIONS,
        )


def check_address(settings: Settings) -> None:
    """Raise BadInput where strangers could ask without a key, or nobody can listen."""
    host, port = settings.api_host, settings.api_port
    if not settings.good_api_keys and not _is_loopback(host):
        raise BadInput(
            f"API_HOST={host} lets other machines in, and API_KEYS is not set. Set API_KEYS to one "
            "or more keys (`openssl rand -hex 32` makes one), or API_HOST=127.0.0.1."
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        raise BadInput(
            f"The API cannot listen on {host} at port {port}: {error.strerror}. Stop what uses the "
            f"port, or set another (`make api API_PORT={port % 65535 + 1}`)."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _allow_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
