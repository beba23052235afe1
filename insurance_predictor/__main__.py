"""`python -m insurance_predictor`."""

from insurance_predictor.base.command_line import run


def commands() -> None:
    """Parse and run; the columns, which some options are, may have a fault."""
    from insurance_predictor.cli import app

    app()


if __name__ == "__main__":
    run(commands)
