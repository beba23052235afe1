"""`docker` for the commands of the stack, over a PostgreSQL and an S3 server of this machine.

What a command would run in a container runs here as a process. Which services run is kept in
`services.json` of the folder LOCAL_DOCKER, and every call in `calls` beside it.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SERVICES = ("postgres", "minio", "minio-init", "mlflow", "app")


def main() -> None:
    """Do what `docker compose ...` was asked for."""
    arguments = [one for one in sys.argv[1:] if one not in ("compose", "--profile", "*")]
    folder = Path(os.environ["LOCAL_DOCKER"])
    with (folder / "calls").open("a", encoding="utf-8") as file:
        file.write(" ".join(arguments).replace("\n", " ") + "\n")
    action, *rest = arguments
    if action in ACTIONS:
        ACTIONS[action](folder, rest)


def ps(folder: Path, rest: Sequence[str]) -> None:
    """The services that were ever started."""
    for name, state in states(folder).items():
        health = "healthy" if state == "running" else ""
        found = {"Service": name, "State": state, "Health": health, "ExitCode": 0}
        print(json.dumps(found))


def up(folder: Path, rest: Sequence[str]) -> None:
    """MLflow refuses a schema that is not its own, as its container does."""
    import psycopg

    names = [name for name in rest if name in SERVICES]
    if "mlflow" in names or "app" in names:
        uri = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("+psycopg", "")
        with psycopg.connect(uri, connect_timeout=5) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        if found != [(os.environ["NEWEST_SCHEMA"],)]:
            sys.exit(f"error: The database has the schema {found}.")
    note(folder, names, "running")


def stop(folder: Path, rest: Sequence[str]) -> None:
    """Only what was started can be stopped."""
    note(folder, [name for name in rest if name in states(folder)], "exited")


def start(folder: Path, rest: Sequence[str]) -> None:
    """The containers of before, as they were."""
    note(folder, rest, "running")


def run(folder: Path, rest: Sequence[str]) -> None:
    """A command of a container: what stands after its options and the service."""
    command = rest[next(place for place, one in enumerate(rest) if one in SERVICES) + 1 :]
    program = sys.executable if command[0] == "python" else command[0]
    os.execvp(program, [program, *command[1:]])


def tag(folder: Path, rest: Sequence[str]) -> None:
    """No image is here, so that each has to be built."""
    sys.exit(f"Error response from daemon: No such image: {rest[0]}")


ACTIONS: dict[str, Callable[[Path, Sequence[str]], None]]
ACTIONS = {"ps": ps, "up": up, "stop": stop, "start": start, "run": run, "exec": run, "tag": tag}


def states(folder: Path) -> dict[str, str]:
    """The state of every service that was ever started."""
    path = folder / "services.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def note(folder: Path, names: Sequence[str], state: str) -> None:
    """Remember that the services `names` are in `state` now."""
    known = states(folder) | dict.fromkeys(names, state)
    (folder / "services.json").write_text(json.dumps(known))


if __name__ == "__main__":
    main()
