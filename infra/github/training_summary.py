"""What became of a training: the registry's answer, and how a reader of a workflow is told.

A step that fails says only that it did: make ends with 2 for a refusal as for a crash. So what
happened is read from the version that the run has, or has not, become.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infra.github.markdown import code, table
from insurance_predictor.base import formats
from insurance_predictor.base.errors import BadInput, IntegrityFault, NotFound
from insurance_predictor.base.foreign_text import for_github
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import APPROVED, REASONS_TAG
from insurance_predictor.release.gate import AgainstProduction
from insurance_predictor.release.registration import against_production, find_run
from insurance_predictor.store import versions
from insurance_predictor.store.version_facts import VersionFacts, read_facts
from insurance_predictor.store.versions import Version
from insurance_predictor.table.columns import NumberColumn

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["approved", "refused"]
TITLES: Mapping[Status, str] = {
    "approved": "Version {number} is approved and waits for promotion",
    "refused": "Version {number} is refused by the gate (exit 3)",
}
PREFIX = "holdout."
AMOUNTS = {
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "median_absolute_error": "median absolute error",
}
NUMBERS = {"r2": "R²", "gamma_deviance": "Gamma deviance"}
SHARES = {"total_bias": "total bias", "coverage": "90 % intervals hold"}


@dataclass(frozen=True)
class TrainingSummary:
    """The version that a run became, beside the one in production, if there is one.

    `reasons` are the gate's, empty for an approved version. `against` is what the gate measured on
    the same people; `production` has what was measured when that version was trained.
    """

    status: Status
    facts: VersionFacts
    reasons: str
    against: AgainstProduction | None
    production: VersionFacts | None

    @property
    def title(self) -> str:
        return TITLES[self.status].format(number=self.facts.version)

    @property
    def is_identical(self) -> bool:
        """Whether there was nothing new: the same data and code give the same model."""
        return "identical to production" in self.reasons


def read_summary(client: "MlflowClient", settings: Settings, run_id: str) -> TrainingSummary:
    """What became of the run `run_id`. Raises BadInput when it was not trained or not judged."""
    if not run_id:
        raise BadInput("No training was finished. The step before this one says why.")
    find_run(client, settings, run_id, production=True)
    version = versions.version_of_run(client, settings, run_id)
    reasons = version.tags.get(REASONS_TAG, "") if version else ""
    if version is None or version.status is None:
        raise BadInput(f"The run {run_id} was trained and not registered: see `make register`.")
    if version.status == APPROVED and version.objection is not None:
        raise BadInput(f"{version.objection} See `make register`.")
    if not version.is_approved and not reasons:
        raise BadInput(
            f"The registry's copy of version {version.number} is not what was trained: see "
            "`make register`."
        )
    return TrainingSummary(
        status="approved" if version.is_approved else "refused",
        facts=read_facts(client, settings, version),
        reasons=reasons,
        against=against_production(version),
        production=_production(client, settings, version),
    )


def as_markdown(summary: TrainingSummary, why: str = "", run_url: str = "") -> str:
    """The summary for a page of GitHub; `why` is what the training was started for."""
    return "\n".join(
        [
            f"## {summary.title}",
            "",
            *([f"Started for: {for_github(why)}", ""] if why.strip() else []),
            for_github(summary.facts.description),
            "",
            *_refusal(summary),
            *_against(summary.against, summary.facts.target),
            *_metrics(summary),
            f"MLflow run {code(summary.facts.run_id)}."
            + (f" [This run of the workflow]({run_url})." if run_url else ""),
            "",
        ]
    )


def failure_as_markdown(message: str, run_url: str = "") -> str:
    """A training that did not come to its end."""
    where = f" [The run of the workflow]({run_url}) has the log." if run_url else ""
    return f"## The training failed\n\n{for_github(message)}{where}\n"


def _production(
    client: "MlflowClient", settings: Settings, candidate: Version
) -> VersionFacts | None:
    """The version in production, unless it is the candidate itself or cannot be read."""
    number = versions.aliases(client, settings).get(settings.production_alias)
    if number is None or number == candidate.number:
        return None
    try:
        return read_facts(client, settings, versions.get_version(client, settings, number))
    except (IntegrityFault, NotFound):
        return None


def _refusal(summary: TrainingSummary) -> Iterator[str]:
    """Why not; and that it is no fault when there was nothing new."""
    if summary.reasons:
        yield f"**Why:** {for_github(summary.reasons)}."
    if summary.is_identical:
        yield "Nothing is wrong: the table and the code are those of the version that serves."
    if summary.reasons:
        yield ""


def _against(found: AgainstProduction | None, target: NumberColumn) -> list[str]:
    if found is None:
        return ["Nothing was in production to compare with: only the absolute rules applied.", ""]
    rows = [
        (
            "RMSE",
            f"{found.rmse_difference:+.1%} "
            f"(97.5 % confidence: at least {found.rmse_worse_by:+.1%})",
        ),
        ("sum of all quotes", f"{found.quote_shift:+.1%}"),
        ("largest difference of one quote", target.amount(found.largest_difference, 2)),
        ("people trained on", f"{found.training_rows:.0%} of production's"),
    ]
    header = (f"Against version {found.version}, on the same people", "Difference")
    return [*table(header, rows), ""]


def _metrics(summary: TrainingSummary) -> list[str]:
    """The hold-out's metrics of both versions, each on its own hold-out."""
    mine, other = summary.facts, summary.production
    names = {**AMOUNTS, **NUMBERS, **SHARES}
    header = [f"Hold-out ({mine.metrics.get(f'{PREFIX}rows', 0):,.0f} people)"]
    header += [f"Version {mine.version}", "95 % interval"]
    if other is not None:
        header += [f"Version {other.version}, in production", "Difference"]
    rows = [[word, *_cells(name, mine, other)] for name, word in names.items()]
    return [*table(header, rows), "", *_caution(mine, other)]


def _cells(name: str, mine: VersionFacts, other: VersionFacts | None) -> list[str]:
    """The value, its interval, production's value and the difference."""
    value = mine.metrics.get(PREFIX + name)
    ends = [mine.metrics.get(f"{PREFIX}{name}_{end}") for end in ("low", "high")]
    unit = mine.target
    interval = " to ".join(_shown(name, end, unit) for end in ends) if None not in ends else ""
    cells = [_shown(name, value, unit), interval]
    if other is None:
        return cells
    theirs = other.metrics.get(PREFIX + name)
    is_comparable = name not in AMOUNTS or other.target.meaning == unit.meaning
    difference = None
    if value is not None and theirs is not None and is_comparable:
        difference = value - theirs
    return [
        *cells,
        _shown(name, theirs, other.target),
        _shown(name, difference, unit, is_signed=True),
    ]


def _caution(mine: VersionFacts, other: VersionFacts | None) -> list[str]:
    if other is None or mine.dataset == other.dataset:
        return []
    return [
        f"Version {other.version} was measured on another table ({for_github(other.dataset)}, "
        f"not {for_github(mine.dataset)}): its column is not on the same people.",
        "",
    ]


def _shown(name: str, value: float | None, target: NumberColumn, is_signed: bool = False) -> str:
    if value is None:
        return "–"
    if name in AMOUNTS:
        shown = formats.signed_amount if is_signed else formats.amount
        return shown(value, target, "en")
    sign = "+" if is_signed else ""
    return f"{value:{sign}.1%}" if name in SHARES else f"{value:{sign}.3f}"
