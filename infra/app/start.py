"""Starts a command in the container, with the prediction log that `.env` means.

`.env` names the stack's log as 127.0.0.1, which in a container is the container itself. So Compose
hands over both: PREDICTION_LOG_URL is the stack's, TEAM_PREDICTION_LOG_URL what `.env` says.
"""

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit

OF_THE_TEAM = "TEAM_PREDICTION_LOG_URL"


def main() -> None:
    """Become the command that the arguments are."""
    written = os.environ.pop(OF_THE_TEAM, "")
    if is_elsewhere(written):
        os.environ["PREDICTION_LOG_URL"] = written
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command of the image or of Compose


def is_elsewhere(url: str) -> bool:
    """Whether a database URL names a host, and one that is not the machine it was written on."""
    try:
        return any(not _is_here(host) for host in _hosts(urlsplit(url)))
    except ValueError:
        return True  # it is no URL, which the command says better


def _hosts(parts: SplitResult) -> Iterator[str]:
    """PostgreSQL may be given several, also behind the question mark, or a socket's folder."""
    named = [parts.netloc.rpartition("@")[2], *parse_qs(parts.query).get("host", [])]
    for host in ",".join(named).split(","):
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if name and not name.startswith("/"):
            yield name


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


if __name__ == "__main__":
    main()
