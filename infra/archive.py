"""Backup, restore and migration: the databases and the bucket as one archive.

The databases are dumped first and the bucket is copied after them. MLflow writes a file before
the row that names it and deletes no file of its own accord, so whatever a dump names is in the
copy. Files of runs that were logged in between are in it too and do no harm.
"""

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from infra import stack
from infra.compose import answer, check_docker, check_env_file, compose, into
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import read_settings

# Database -> the role that owns it.
DATABASES = {"mlflow": "mlflow", "mlflow_auth": "mlflow", "predictions": "predictions"}
BUCKET = "bucket.tar"
MANIFEST = "manifest.json"
FORMAT = 1

# A fresh stack has MLflow's default experiment and nothing else.
RUNS = """SELECT (SELECT count(*) FROM experiments WHERE experiment_id <> 0)
  + (SELECT count(*) FROM runs) + (SELECT count(*) FROM registered_models)"""
ROWS = """SELECT coalesce(sum((xpath('//c/text()', query_to_xml(
  format('SELECT count(*) AS c FROM %I', tablename), false, true, '')))[1]::text::bigint), 0)
  FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"""

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
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder)
        _unpack(file, parts)
        say(stack.up())
        _require_empty()
        compose("stop", "mlflow", "app")
        try:
            _load(parts, say)
        finally:
            stack.start("mlflow")


def upgrade_database(folder: Path, say: Say) -> None:
    """Back up, then migrate MLflow's database to the MLflow of our lock file, and start it."""
    _require_stack()
    compose("build", "mlflow")
    stack.start("postgres", *stack.object_store())
    say(f"Backed up to {_back_up(folder, say)}.")
    compose("stop", "mlflow", "app")
    say(answer("run", "--rm", "--no-deps", "-T", "mlflow", "python", "-m", "infra.mlflow.upgrade"))
    stack.start("mlflow")


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
    with (parts / BUCKET).open("rb") as file:
        answer(*_objects("load"), stdin=file)
    say("  bucket")
    for database, owner in DATABASES.items():
        command = ["pg_restore", "--clean", "--if-exists", "--single-transaction"]
        command += ["--no-owner", f"--role={owner}", f"--dbname={database}"]
        with (parts / f"{database}.dump").open("rb") as file:
            answer(*_postgres(*command), stdin=file)
        say(f"  database {database}")


def _write_manifest(parts: Path, moment: datetime) -> None:
    sums = {path.name: _sha256(path) for path in sorted(parts.iterdir())}
    manifest = {"format": FORMAT, "created": moment.isoformat(), "sha256": sums}
    (parts / MANIFEST).write_text(json.dumps(manifest, indent=2))


def _pack(parts: Path, whole: Path) -> None:
    whole.touch(mode=0o600)
    with tarfile.open(whole, "w") as tar:
        for path in sorted(parts.iterdir()):
            tar.add(path, path.name)


def _unpack(file: Path, parts: Path) -> None:
    """Put the parts of the archive `file` into the folder `parts`, or raise BadInput."""
    try:
        with tarfile.open(file, "r:") as tar:
            tar.extractall(parts, filter="data")
        _check(parts)
    except FileNotFoundError as error:
        raise BadInput(f"No whole archive {file}. `ls backups` shows what there is.") from error
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise BadInput(f"{file} is not a whole archive of `make backup`: {error}.") from error


def _check(parts: Path) -> None:
    manifest = json.loads((parts / MANIFEST).read_text())
    if manifest["format"] != FORMAT:
        raise ValueError(f"its format is {manifest['format']}, this reads {FORMAT}")
    for name in [*(f"{database}.dump" for database in DATABASES), BUCKET]:
        if _sha256(parts / name) != manifest["sha256"][name]:
            raise ValueError(f"{name} has changed since it was written")


def _require_empty() -> None:
    for database, question in (("mlflow", RUNS), ("predictions", ROWS)):
        found = int(answer(*_postgres("psql", "-Atqc", question, database)))
        if found:
            raise BadInput(
                f"The stack is not empty: {found} entries in the database {database}. "
                "`make destroy` deletes them; nothing was changed."
            )


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
