"""One assessment as a page that is enjoyed: no script, no request, everything in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import Columns, NumberColumn
from monitoring.domain.assessment import KINDS, Assessment, Power, Verdict
from monitoring.domain.incidents import Incident
from monitoring.history.mlflow_runs import Trend
from monitoring.report import performance, verdict_tables
from monitoring.report import trend as trend_charts
from monitoring.words import report_words, verdict_text

if TYPE_CHECKING:
    from jinja2 import Template

POINTS = "pp"  # the unit of what is a share
TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class ReportLinks:
    """Where the page points to; what is None is not linked, and `no_evidently` says why not.

    `portfolio` is where the people are of a scored portfolio, who are of no window of time.

    An address that is neither http(s) nor the file evidently.html beside the page is only shown.
    """

    runbook: str
    evidently: str | None = None
    no_evidently: str | None = None
    run: str | None = None
    portfolio: str | None = None


def report_page(
    assessment: Assessment,
    open_incidents: Sequence[Incident],
    trend: Trend,
    links: ReportLinks,
    language: Language,
    generated: datetime,
) -> str:
    """The page as HTML. Whatever comes from the data is escaped; `generated` is aware."""
    return _template().render(
        language=language,
        say=partial(_say, language),
        number=partial(formats.decimal, language=language, digits=0),
        moment=partial(_moment, language),
        assessment=assessment,
        links=links,
        headline=_headline(assessment, language),
        figures=_figures(assessment, open_incidents, language),
        findings=[
            _finding(verdict, links, language, assessment.columns) for verdict in assessment.alarms
        ],
        incidents=[_incident(incident, language) for incident in open_incidents],
        features=verdict_tables.features(assessment, language),
        performance=performance.shown(assessment, language),
        tables=[verdict_tables.table(assessment, kind, language) for kind in KINDS],
        power=[_power(power, language, assessment.columns) for power in assessment.power],
        trends=trend_charts.charts(trend, language),
        facts=_facts(assessment, links, generated, language),
        reading=[line(language) for line in report_words.READING_LINES],
    )


@cache
def _template() -> "Template":
    """The template, which escapes whatever is put into it."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _say(language: Language, name: str, **values: object) -> str:
    words: str = getattr(report_words, name)(language, **values)
    return words


def _moment(language: Language, when: datetime) -> str:
    return formats.moment(when, language, None)


def _headline(assessment: Assessment, language: Language) -> str:
    """The one sentence for somebody who reads no other."""
    if assessment.alarms:
        title = verdict_text.title(assessment.alarms[0], language, assessment.columns)
        if len(assessment.alarms) == 1:
            return title
        return report_words.MANY_ALARMS(language, count=len(assessment.alarms), title=title)
    if not assessment.rows:
        return report_words.EMPTY(language)
    if assessment.status == "quiet":
        return report_words.QUIET(language)
    drift = [verdict.missing for verdict in assessment.verdicts if verdict.kind == "drift"]
    missing = formats.decimal(max(drift, default=0), language, 0)
    return report_words.UNDECIDED(language, missing=missing)


def _figures(
    assessment: Assessment, incidents: Sequence[Incident], language: Language
) -> list[tuple[str, str]]:
    """The few numbers at the top, each with its words."""
    average, target = assessment.average_premium, assessment.columns.target
    premium = verdict_text.NOTHING if average is None else formats.amount(average, target, language)
    return [
        (formats.decimal(assessment.rows, language, 0), report_words.QUOTES(language)),
        (formats.decimal(assessment.outcomes, language, 0), report_words.WITH_OUTCOME(language)),
        (premium, report_words.AVERAGE_PREMIUM(language, unit=target.unit[language])),
        (str(len(incidents)), report_words.OPEN_INCIDENTS(language)),
    ]


def _finding(
    verdict: Verdict, links: ReportLinks, language: Language, columns: Columns
) -> dict[str, Any]:
    """An alarm: what happened, what it costs, what it means, what to do."""
    return {
        "title": verdict_text.title(verdict, language, columns),
        "kind": report_words.KINDS[verdict.kind](language),
        "money": verdict_text.money(verdict, language, columns) or report_words.NO_PRICE(language),
        "meaning": verdict_text.meaning(verdict, language, columns),
        "next_step": with_code(verdict_text.next_step(verdict, language, columns)),
        "runbook": f"{links.runbook}#{verdict_text.runbook_anchor(verdict, columns)}",
    }


def _incident(incident: Incident, language: Language) -> str:
    return report_words.SINCE(
        language,
        kind=report_words.KINDS[incident.kind](language),
        opened=_moment(language, incident.opened),
        version=incident.version,
    )


def _power(power: Power, language: Language, columns: Columns) -> tuple[str, str]:
    """What is judged, and the least change that would have been seen."""
    least = formats.decimal(power.least, language, 1)
    is_drift = power.check in columns.feature_names
    name = f"drift.{power.check}" if is_drift else "performance.ratio"  # where charges show
    column, unit = columns.by_name.get(power.check), power.unit
    if is_drift and isinstance(column, NumberColumn):
        unit = column.unit[language]
    elif unit == POINTS:
        unit = report_words.POINTS(language)
    return verdict_text.check_name(name, language, columns), f"{least}{formats.SPACE}{unit}"


def _facts(
    assessment: Assessment, links: ReportLinks, generated: datetime, language: Language
) -> list[tuple[str, str]]:
    def by_version(counts: Mapping[str, int]) -> str:
        counted = (
            f"{name}: {formats.decimal(n, language, 0)}" for name, n in sorted(counts.items())
        )
        return ", ".join(counted) or report_words.NONE(language)

    outcomes = assessment.other_outcomes
    left_out = formats.decimal(assessment.left_out, language, 0)
    if links.portfolio is not None:
        who = [(report_words.PORTFOLIO(language), links.portfolio)]
    else:
        who = [
            (report_words.FROM(language), _moment(language, assessment.window.start)),
            (report_words.UNTIL(language), _moment(language, assessment.window.end)),
        ]
    return [
        *who,
        (report_words.VERSION(language), f"{assessment.model_name} {assessment.version}"),
        *(
            [(report_words.REGISTRY(language), report_words.LAST_GOOD(language))]
            if assessment.registry_problem
            else []
        ),
        (report_words.OTHERS(language), by_version(assessment.other_versions)),
        *([(report_words.OTHER_OUTCOMES(language), by_version(outcomes))] if outcomes else []),
        *([(report_words.LEFT_OUT(language), left_out)] if assessment.left_out else []),
        (report_words.GENERATED(language), _moment(language, generated.astimezone(UTC))),
    ]


def with_code(text: str) -> Markup:
    """`text` as HTML, what stands between backquotes as code."""
    code, parts = Markup("<code>{}</code>"), enumerate(text.split("`"))
    return Markup("").join(code.format(part) if place % 2 else part for place, part in parts)
