"""Backup, restore and migration: the databases and the bucket as one archive.

The databases are dumped first and the bucket is copied after them. MLflow writes a file before
the row that names it and deletes no file of its own accord, so whatever a dump names is in the
copy. Files of runs that were logged in between are in it too and do no harm.

A restore makes each database anew beside the one that is there, migrates it, and puts it in its
place last of all: whatever fails before that leaves the stack as it was.
"""

import errno
import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from infra import stack
from infra.compose import answer, check_docker, check_env_file, compose, into
from infra.images import provide
from insurance_predictor.base.errors import BadInput, InsurancePredictorError
from insurance_predictor.base.settings import read_settings

# Database -> the role that owns it.
DATABASES = {"mlflow": "mlflow", "mlflow_auth": "mlflow", "predictions": "predictions"}
BUCKET = "bucket.tar"
MANIFEST = "manifest.json"
FORMAT = 1

BESIDE = "_restored"  # after the name of a database that takes the place of another
FULL = (errno.ENOSPC, errno.EDQUOT)

# A fresh stack has MLflow's default experiment, the monitoring's and our own users, nothing else.
EXPERIMENTS = "SELECT count(*) FROM experiments WHERE experiment_id <> 0 AND name <> '{}'"
USERS = "SELECT username FROM users"
ROWS = """SELECT coalesce(sum((xpath('//c/text()', query_to_xml(
  format('SELECT count(*) AS c FROM %I', tablename), false, true, '')))[1]::text::bigint), 0)
  FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%alembic_version'
  AND tablename NOT IN ('experiments', 'workspaces')"""

Say = Callable[[str], None]


def backup(folder: Path, say: Say) -> Path:
    """The archive of the running stack that was written to `folder`, readable by its owner only."""
    _require_stack()
    return _back_up(folder, say)


def restore(file: Path, say: Say) -> None:
    """Bring the archive `file` into an empty stack, which is started if need be.

    Raises BadInput, before anything is touched, for a file that is not whole or a stack that
    holds something.
    """
    with _workplace(file) as folder:
        parts = Path(folder)
        _unpack(file, parts)
        say(stack.up())
        _require_empty()
        running = stack.stop_writers()
        try:
            _require_empty()  # now that nobody writes any more
            _load(parts, say)
        finally:
            _start_all(running)


def upgrade_database(folder: Path, say: Say) -> None:
    """Back up, then migrate MLflow's database to the MLflow of our lock file, and start it.

    What was running and cannot be migrated runs again as it was.
    """
    _require_stack()
    provide(*stack.wanted())
    stack.start("postgres", *stack.object_store())
    running = stack.stop_writers()
    try:
        say(f"Backed up to {_back_up(folder, say)}.")
        say(_migrate("mlflow"))
    except BaseException:
        if running:
            with suppress(InsurancePredictorError):  # it is on the terminal already
                compose("start", *running)  # the containers of before, with the image of before
        raise
    _start_all(running)


def _start_all(running: list[str]) -> None:
    """Start what this stack is made of and what was `running` besides, such as the app."""
    stack.start(*dict.fromkeys([*stack.wanted(), *running]))


def _migrate(database: str) -> str:
    """Bring MLflow's tables in `database` to the MLflow of the image; the value says what was."""
    command = ["python", "-m", "infra.mlflow.upgrade", database]
    return answer("run", "--rm", "--no-deps", "-T", "mlflow", *command).strip()


def _require_stack() -> None:
    check_docker()
    check_env_file()
    read_settings(stack.ENV_FILE)


def _back_up(folder: Path, say: Say) -> Path:
    moment = datetime.now(UTC)
    archive = folder / f"stack-{moment:%Y%m%dT%H%M%SZ}.tar"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
            parts = _save(Path(partial), say)
            _write_manifest(parts, moment)
            whole = Path(partial) / archive.name
            _pack(parts, whole)
            whole.replace(archive)
    except OSError as error:
        raise BadInput(f"{folder} cannot hold the archive: {error}. Name another.") from error
    return archive


def _save(folder: Path, say: Say) -> Path:
    parts = folder / "parts"
    parts.mkdir()
    for database in DATABASES:
        with (parts / f"{database}.dump").open("wb") as file:
            into(file, *_postgres("pg_dump", "--format=custom", database))
        say(f"  database {database:<12} {_size(parts / f'{database}.dump')}")
    with (parts / BUCKET).open("wb") as file:
        into(file, *_objects("save"))
    say(f"  bucket                {_size(parts / BUCKET)}")
    return parts


def _load(parts: Path, say: Say) -> None:
    for database, owner in DATABASES.items():
        beside = database + BESIDE
        _change(
            f"DROP DATABASE IF EXISTS {beside} WITH (FORCE)",
            f"CREATE DATABASE {beside} OWNER {owner}",
            f"REVOKE CONNECT ON DATABASE {beside} FROM PUBLIC",
        )
        command = ["pg_restore", "--clean", "--if-exists", "--single-transaction"]
        command += ["--no-owner", f"--role={owner}", f"--dbname={beside}"]
        with (parts / f"{database}.dump").open("rb") as file:
            answer(*_postgres(*command), stdin=file)
        say(f"  database {database}")
    say(f"  {_migrate('mlflow' + BESIDE)}")
    with (parts / BUCKET).open("rb") as file:
        answer(*_objects("load"), stdin=file)
    say("  bucket")
    for database in DATABASES:
        _change(
            f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
            f"ALTER DATABASE {database}{BESIDE} RENAME TO {database}",
        )


def _change(*statements: str) -> None:
    """Each statement on its own, as a database cannot be made or dropped in a transaction."""
    each = [part for statement in statements for part in ("-c", statement)]
    answer(*_postgres("psql", "-q", "-v", "ON_ERROR_STOP=1", *each, "postgres"))


def _write_manifest(parts: Path, moment: datetime) -> None:
    sums = {path.name: _sha256(path) for path in sorted(parts.iterdir())}
    manifest = {"format": FORMAT, "created": moment.isoformat(), "sha256": sums}
    (parts / MANIFEST).write_text(json.dumps(manifest, indent=2))


def _pack(parts: Path, whole: Path) -> None:
    whole.touch(mode=0o600)
    with tarfile.open(whole, "w") as tar:
        for path in sorted(parts.iterdir()):
            tar.add(path, path.name)


def _workplace(file: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder for the parts of `file`, gone with the object. Raises BadInput."""
    try:
        return tempfile.TemporaryDirectory()
    except OSError as error:
        raise _no_room(file) from error


def _no_room(file: Path) -> BadInput:
    places = os.environ.get("TMPDIR") or tempfile.tempdir or "No folder for temporary files"
    return BadInput(
        f"{places} has no room to unpack {file}. Make some, or name a folder on a larger disk: "
        f"TMPDIR=... make restore FILE={file}"
    )


def _unpack(file: Path, parts: Path) -> None:
    """Put the parts of the archive `file` into the folder `parts`, or raise BadInput."""
    try:
        with tarfile.open(file, "r:") as tar:
            tar.extractall(parts, filter="data")
        _check(parts)
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        if not file.exists():
            raise BadInput(f"No whole archive {file}. `ls backups` shows what there is.") from error
        if isinstance(error, OSError) and error.errno in FULL:
            raise _no_room(file) from error
        raise BadInput(f"{file} is not a whole archive of `make backup`: {error}.") from error


def _check(parts: Path) -> None:
    manifest = json.loads((parts / MANIFEST).read_text())
    if manifest["format"] != FORMAT:
        raise ValueError(f"its format is {manifest['format']}, this reads {FORMAT}")
    for name in [*(f"{database}.dump" for database in DATABASES), BUCKET]:
        if _sha256(parts / name) != manifest["sha256"][name]:
            raise ValueError(f"{name} has changed since it was written")


def _require_empty() -> None:
    """Raise BadInput, with what it is, when the stack holds anything of anybody's."""
    ours = {os.environ.get(name) or default for name, default in stack.USERS.items()}
    users = set(_ask("mlflow_auth", USERS).splitlines()) - ours
    monitoring = read_settings(stack.ENV_FILE).monitoring_experiment_name.replace("'", "''")
    found = {
        "entries in the database mlflow": sum(
            int(_ask("mlflow", it)) for it in (EXPERIMENTS.format(monitoring), ROWS)
        ),
        "entries in the database predictions": _rows("predictions"),
        "users": len(users),
        "objects in the bucket": int(answer(*_objects("count"))),
    }
    if held := [f"{count:,} {what}" for what, count in found.items() if count]:
        own = " in MinIO; of another S3 store, name an empty bucket as S3_BUCKET"
        raise BadInput(
            f"The stack is not empty: {', '.join(held)}. `make destroy` deletes them"
            f"{'' if stack.object_store() else own}. Nothing was changed."
        )


def _rows(database: str) -> int:
    return int(_ask(database, ROWS))


def _ask(database: str, question: str) -> str:
    return answer(*_postgres("psql", "-Atqc", question, database))


def _postgres(*command: str) -> list[str]:
    """A command inside the database's container, as its administrator."""
    quoted = 'PGUSER=postgres PGPASSWORD=$POSTGRES_PASSWORD exec "$0" "$@"'
    return ["exec", "-T", "postgres", "sh", "-c", quoted, *command]


def _objects(action: str) -> list[str]:
    command = ["python", "-m", "infra.mlflow.objects", action]
    return ["run", "--rm", "--no-deps", "-T", "minio-init", *command]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"
