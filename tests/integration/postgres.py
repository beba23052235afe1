"""A PostgreSQL for one session: Debian's binaries, a new cluster, the stack's databases."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.repository import ROOT
from tests.servers import PATIENCE, free_port

BINARIES = Path("/usr/lib/postgresql")
INIT_SQL = ROOT / "infra" / "postgres" / "init.sql"
SUPERUSER = "postgres"


@dataclass
class Postgres:
    """A cluster in `folder` that listens on `port` whenever it runs."""

    folder: Path
    port: int = field(default_factory=free_port)
    superuser_password: str = field(default_factory=secrets.token_hex)
    passwords: dict[str, str] = field(
        default_factory=lambda: {role: secrets.token_hex() for role in ("mlflow", "predictions")}
    )
    durable: bool = True  # in a crash of the machine; one of the server loses nothing in any case
    process: subprocess.Popen[bytes] | None = None

    def uri(self, role: str, database: str) -> str:
        """How `role` reaches `database`."""
        password = self.passwords[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        """Rows of MLflow's own database, past its server."""
        with psycopg.connect(self.uri("mlflow", "mlflow"), connect_timeout=5) as connection:
            return connection.execute(question, values).fetchall()

    def limit_connections(self, role: str, most: int) -> None:
        """Let `role` in at most so often at once; -1 is without a limit."""
        with psycopg.connect(**self.as_superuser(), connect_timeout=5) as connection:
            connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT {most}")

    def create(self) -> None:
        """Make the cluster with scram passwords, start it, and make the stack's databases."""
        password_file = self.folder / "password"
        password_file.write_text(self.superuser_password)
        give_to_unprivileged(password_file)
        command = [binaries() / "initdb", "--pgdata", self.folder / "data", "--no-instructions"]
        command += ["--username", SUPERUSER, "--auth", "scram-sha-256"]
        command += ["--encoding", "UTF8", "--no-locale"]
        run([*command, "--pwfile", password_file], cwd=self.folder, **unprivileged())
        self.start()
        self.make_databases()

    def start(self) -> None:
        """Return once it answers, which after a kill is only when the old backends are gone."""
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()}")
            if self.process is None or self.process.poll() is not None:
                self.process = self._launch()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it without waiting for its clients."""
        self._end(signal.SIGINT)

    def make_databases(self) -> None:
        """Make what is missing of the stack as the container does: the same file, by psql."""
        command = [binaries() / "psql", "--no-psqlrc", "--quiet", "--file", INIT_SQL]
        secret = {
            "PGPASSWORD": self.superuser_password,
            "MLFLOW_DATABASE_PASSWORD": self.passwords["mlflow"],
            "PREDICTION_LOG_PASSWORD": self.passwords["predictions"],
        }
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--username", SUPERUSER]
        run([*command, *where], env=os.environ | secret)

    def as_superuser(self) -> dict[str, Any]:
        """Arguments of psycopg for the administrator."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": SUPERUSER,
            "password": self.superuser_password,
        }

    def answers(self) -> bool:
        """Whether the administrator is let in."""
        try:
            with psycopg.connect(**self.as_superuser(), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [binaries() / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command += [] if self.durable else ["-c", "fsync=off"]
        with self._log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, **unprivileged()
            )

    @property
    def _log(self) -> Path:
        return self.folder / "postgres.log"


@contextmanager
def postgres(durable: bool = True) -> Iterator[Postgres]:
    """A running cluster with the databases of the stack, gone afterwards."""
    # Not in pytest's folder, which nobody but its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    give_to_unprivileged(folder)
    cluster = Postgres(folder, durable=durable)
    try:
        cluster.create()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def binaries() -> Path:
    """The folder of initdb and postgres: what is on the path, else the newest that Debian has."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(BINARIES.glob("*/bin/initdb"), key=_version)
    if not installed:
        raise RuntimeError("There is no PostgreSQL here. On Debian: apt-get install postgresql")
    return installed[-1].parent


def _version(initdb: Path) -> int:
    return int(re.sub(r"\D", "", initdb.parts[-3]))


def unprivileged() -> dict[str, Any]:
    """Arguments of Popen for who runs the cluster: whoever we are, but never root."""
    if os.geteuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give_to_unprivileged(path: Path) -> None:
    """Let who runs the cluster use `path`."""
    if os.geteuid() == 0:
        account = _account()
        os.chown(path, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd:
    """Debian's own account for PostgreSQL, or the one for nobody in particular."""
    names = {account.pw_name for account in pwd.getpwall()}
    return pwd.getpwnam(SUPERUSER if SUPERUSER in names else "nobody")


def run(command: list[Any], **options: Any) -> None:
    """Run `command` to its end. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
