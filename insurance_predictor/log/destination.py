"""Which database a URL names, whoever asks for it: rows that wait say so of themselves."""

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote

# As SQLAlchemy reads it, which takes too long to load for somebody who waits for a quote.
URL = re.compile(
    r"(?P<kind>\w+)(?:\+\w+)?://"
    r"(?:(?P<user>[^:/]*)(?::[^@]*)?@)?"
    r"(?:\[(?P<six>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
HERE = {"127.0.0.1", "::1", ""}
PORT = "5432"


def destination(url: str) -> str | None:
    """The database of a PREDICTION_LOG_URL, without user and password; None where it names none.

    It is a URL itself: sqlite:////an/absolute/path or postgresql://host:port/name.
    """
    found = URL.match(url)
    if found is None:
        return None
    parts = {name: value or "" for name, value in found.groupdict().items()}
    if parts["kind"] == "sqlite":
        return _sqlite(unquote(parts["database"]))
    return _postgresql(parts) if parts["kind"] == "postgresql" else None


def _sqlite(path: str) -> str | None:
    if path in ("", ":memory:") or "\0" in path:
        return None
    return f"sqlite:///{Path(path).resolve()}"


def _postgresql(parts: dict[str, str]) -> str:
    query = parse_qs(parts["query"])

    def asked(part: str, *names: str) -> str:
        """What the URL says, there or in its query, which libpq reads too."""
        return part or ",".join(value for name in names for value in query.get(name, ()))

    # A password with an @ that is not escaped reaches into the host.
    host = parts["six"] or asked(parts["host"].rpartition("@")[2], "host", "hostaddr", "service")
    host = "localhost" if host in HERE else host.lower()
    port = asked(parts["port"], "port") or PORT
    name = asked(unquote(parts["database"]), "dbname") or unquote(parts["user"])
    return f"postgresql://{f'[{host}]' if ':' in host else host}:{port}/{name}"
