"""The commands around the stack: each makes one call, prints its result and ends with a code."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.github import cli as github
from insurance_predictor.base.command_line import make_app, run, say

HELP = """The stack, MLflow with PostgreSQL and an S3 store in containers; and what GitHub is told.

Exit codes: 0 done, 2 bad input or settings, 4 Docker or a service does not do its part, 1 a bug."""

app = make_app(HELP)
app.add_typer(github.app, name="github")


def main() -> None:
    """Run the command that is asked for."""
    run(app)


@app.command()
def env() -> None:
    """Write .env with random secrets, once; add what is missing in one that is there."""
    from infra.stack import make_env

    added = make_env()
    say(f".env has {', '.join(added)} now." if added else ".env has all that is needed.")


@app.command()
def up(
    build: Annotated[
        bool, typer.Option("--build", envvar="BUILD", help="build the images")
    ] = False,
) -> None:
    """Start the stack and wait until it is healthy; harmless when it runs."""
    from infra.stack import up

    say(up(build))


@app.command()
def pull() -> None:
    """Take the stack's images from the registry, as far as it has them; builds none."""
    from infra.stack import take_images

    missing = take_images()
    say(f"`make up` builds: {', '.join(missing)}." if missing else "Every image is here.")


@app.command()
def down() -> None:
    """Stop the stack and keep its data."""
    from infra.stack import down

    down()


@app.command()
def destroy(
    yes: Annotated[bool, typer.Option("--yes", envvar="YES", help="do not ask")] = False,
) -> None:
    """Stop the stack and delete its data, after asking."""
    from infra.stack import destroy

    if not yes:
        _ask()
    destroy()


@app.command()
def logs(
    service: Annotated[str, typer.Argument(envvar="SERVICE", help="default: all")] = "",
) -> None:
    """Follow what the services say; Ctrl-C ends it."""
    _hand_over("logs", "--follow", "--tail", "100", *([service] if service else []))


@app.command()
def ps() -> None:
    """The services and their health."""
    _hand_over("ps", "--all")


@app.command()
def backup(
    folder: Annotated[Path, typer.Option(help="where the archive goes")] = Path("backups"),
) -> None:
    """Write databases and bucket as one archive."""
    from infra.archive import backup

    say(f"Backed up to {backup(folder, say)}.")


@app.command()
def restore(
    file: Annotated[Path | None, typer.Argument(envvar="FILE", help="an archive of backup")] = None,
) -> None:
    """Bring an archive back into an empty stack."""
    from infra.archive import restore

    if file is None:
        raise typer.BadParameter("name the archive: make restore FILE=backups/....tar")
    restore(file, say)
    say(f"Restored from {file}.")


@app.command("upgrade-db")
def upgrade_db() -> None:
    """Back up, then migrate MLflow's database to the version of our lock file."""
    from infra.archive import upgrade_database

    upgrade_database(Path("backups"), say)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Say what is right and what is wrong, and how to put it right."""
    from infra.doctor import doctor

    raise typer.Exit(doctor(as_json))


def _ask() -> None:
    from insurance_predictor.base.errors import BadInput

    what = "every run, version, artifact and logged prediction of the stack"
    if not sys.stdin.isatty():
        raise BadInput(f"This deletes {what}. To do it without being asked: YES=1.")
    say(f"This deletes {what}.")
    if typer.prompt("Type `delete` to go on", default="", show_default=False) != "delete":
        raise BadInput("Nothing was deleted.")


def _hand_over(*arguments: str) -> None:
    """Become `docker compose`, which a person then steers and stops."""
    from infra.compose import DOCKER, check_docker, check_env_file

    check_docker()
    check_env_file()
    os.execvp(DOCKER[0], [*DOCKER, *arguments])  # noqa: S606 - a fixed command
