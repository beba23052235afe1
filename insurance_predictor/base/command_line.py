"""What the commands of all packages have in common: how they are made, and how they end."""

import sys

import typer

from insurance_predictor.base.errors import InsurancePredictorError


def make_app(help: str) -> typer.Typer:
    """A command line without commands yet; a bare call prints `help` and lists them."""
    return typer.Typer(
        help=help,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # drawing boxes would cost `--help` a third of its time
    )


def run(app: typer.Typer) -> None:
    """Run a command; an error that a person can meet becomes one message and its exit code."""
    try:
        app()
    except InsurancePredictorError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
