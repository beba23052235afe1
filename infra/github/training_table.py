"""Tells which table a training learns from, and why, before it begins.

A pull request's environment may hold no key for that table: then nothing is trained, which is an
answer and no failure.
"""

from infra.github.markdown import code
from infra.github.training import check, comment
from infra.github.training_summary import failure_as_markdown
from infra.github.workflow import Run, annotate, show
from insurance_predictor.base.command_line import hand_on
from insurance_predictor.base.errors import BadInput, InsurancePredictorError
from insurance_predictor.base.foreign_text import for_github
from insurance_predictor.base.settings import DEFAULT_TRACKING_URI, Settings
from insurance_predictor.table.choice import Choice, choose_table
from insurance_predictor.table.files import read_parts
from insurance_predictor.table.s3 import NoKey

NOT_TRIED = "Not tried: this pull request has no key for the table"
RULE = """A training learns from the first of these:

1. the table that it was asked for: the workflow's input `data`, in a terminal `make train DATA=...`
2. the table in `data/` that its branch brings: the newest commit with one that `main` does not have
3. the usual one: the repository's variable `DATA`, in a terminal `DATA=` in `.env`
4. `data/insurance.csv` of the repository, and where there is none, the public table, downloaded
"""


NO_SERVER = "No MLflow server is set here: what is trained is in SQLite, an artifact of this run.\n"


def announce_table(settings: Settings, run: Run) -> bool:
    """Tell which table a training would use, wherever this run may; whether it can be used.

    Raises InvalidTable, and BadInput when it cannot be seen what the branch brings, after telling.
    """
    try:
        choice = _chosen(settings)
    except InsurancePredictorError as error:
        text = failure_as_markdown(str(error), run.url)
        show(text)
        comment(settings, run, text)
        raise
    show(as_markdown(choice))
    if settings.mlflow_tracking_uri == DEFAULT_TRACKING_URI:
        show(NO_SERVER)
    refusal = _refusal(choice, run)
    if refusal:
        _tell_not_tried(settings, run, choice, refusal)
    hand_on("can_train", "false" if refusal else "true")
    return not refusal


def as_markdown(choice: Choice) -> str:
    """The table and the rule by which it was chosen, for the page of the run."""
    return f"## The table: {code(choice.source)}\n\nBecause {for_github(choice.why)}. {RULE}"


def _chosen(settings: Settings) -> Choice:
    choice = choose_table(settings)
    if choice.unseen:
        raise BadInput(
            f"Which table this branch brings cannot be seen: {choice.unseen}. Check out the whole "
            "history (fetch-depth: 0), or name the table: DATA=data/table.csv."
        )
    return choice


def _refusal(choice: Choice, run: Run) -> str:
    """Why a pull request may not read its table; everywhere else a training fails of it."""
    if run.pull_request is None or "://" not in choice.location:
        return ""
    try:
        read_parts(choice.location)
    except NoKey as error:
        return str(error)
    return ""


def _tell_not_tried(settings: Settings, run: Run, choice: Choice, refusal: str) -> None:
    message = (
        f"The table is {choice.source}, because {choice.why}; the environment of pull requests has "
        "no key for it. Nothing is wrong: a push to a branch data/..., or the next training on "
        "main, has one."
    )
    text = f"## {NOT_TRIED}\n\n{for_github(message)}\n\n{for_github(refusal)}\n"
    show(text)
    annotate("notice", NOT_TRIED, message)
    comment(settings, run, text)
    check(settings, run, NOT_TRIED, "neutral", text)
