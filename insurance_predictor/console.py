"""What the commands print: results in a terminal's words, and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from math import isfinite
from typing import TYPE_CHECKING

from insurance_predictor.base.foreign_text import LONGEST_PARAGRAPH, one_line
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import DATASET_TAG
from insurance_predictor.table.columns import NumberColumn
from insurance_predictor.table.schema import CURRENT

if TYPE_CHECKING:
    from insurance_predictor.log.archiving import ArchiveReport
    from insurance_predictor.log.outcomes import OutcomeReport
    from insurance_predictor.release.promotion import Move
    from insurance_predictor.release.registration import Registration
    from insurance_predictor.scoring.score import ScoreReport
    from insurance_predictor.serving.predictor import Quote
    from insurance_predictor.store.ledger import Line
    from insurance_predictor.store.status import RegistryState
    from insurance_predictor.store.versions import Version
    from insurance_predictor.table.read import Table
    from insurance_predictor.table.split import Split
    from insurance_predictor.training.trained_run import TrainedRun

SHOWN_LINES = 10


def score_summary(done: "ScoreReport", out: str) -> str:
    """How many people have premiums now, and where."""
    manifest, target = done.manifest, done.target
    rate = f", {done.done / max(done.seconds, 0.001):,.0f} a second" if done.done else ""
    lines = [
        f"{out}: {manifest.rows:,} people quoted by version {manifest.version}, "
        f"{target.figure(manifest.premium)} in all.",
        *(f"  {notice}" for notice in done.notices),
    ]
    if manifest.outside:
        lines.append(f"  {manifest.outside:,} are beyond what the model saw (outside_range)")
    if manifest.faulty:
        lines.append(f"  {manifest.faulty:,} rows could not be quoted: {out.rstrip('/')}/_faults")
    was = (
        f"{done.done:,} of them now in {done.seconds:,.1f} s{rate}" if done.done else "no new ones"
    )
    return "\n".join([*lines, f"  {was}; _manifest.json names every part."])


def table_summary(table: "Table", split: "Split", warnings: Sequence[str] = ()) -> str:
    """What is in a table that can be used, and what it is too little for."""
    target = table.columns.target
    return "\n".join(
        [
            f"{table.source} can be used: {len(table.frame):,} people, "
            f"{len(split.train):,} to train on and {len(split.holdout):,} held out.",
            *(f"  {notice}" for notice in table.notices),
            f"  fingerprint {table.fingerprint[:12]}, {_group_share(table)}"
            f"median {target.name} {target.amount(table.frame[target.name].median())}",
            *(f"  warning: {warning}" for warning in warnings),
        ]
    )


def _group_share(table: "Table") -> str:
    """How many are of the last group of the intervals, where there are groups."""
    group = table.columns.group
    if group is None:
        return ""
    share = (table.frame[group.name] == group.values[-1]).mean()
    return f"{share:.1%} with {group.name}={group.values[-1]}, "


def training_summary(settings: Settings, done: "TrainedRun") -> str:
    """Candidates, hold-out metrics and what to do next."""
    from insurance_predictor.training.model_card import METRIC_WORDS

    candidates = [
        (
            ("* " if number == 0 else "  ") + scores.candidate.name,
            f"{scores.mean('rmse'):,.0f} ± {scores.deviation('rmse'):,.0f}",
            _measured("r2", scores.mean("r2"))[0],
        )
        for number, scores in enumerate(done.every)
    ]
    found, sign = done.trained.evaluation, done.table.columns.target.sign
    metrics = [
        *(
            (f"  {words}", *_measured(name, *astuple(found.overall[name]), sign=sign))
            for name, words in METRIC_WORDS.items()
        ),
        ("  90 % intervals hold", f"{found.interval.coverage:.1%}", ""),
    ]
    folds = len(done.every[0].folds)
    return "\n".join(
        [
            "",
            *_columns([("Candidates", f"RMSE, {sign} ({folds} folds)", "R²"), *candidates]),
            "",
            *(f"{notice}\n" for notice in done.notices),
            *_columns([(f"Hold-out ({found.rows:,} people)", "", "95 % interval"), *metrics]),
            "",
            *(f"warning: {warning}" for warning in done.warnings),
            *([""] if done.warnings else []),
            f"Run {done.run_id} in {done.experiment!r} "
            f"on {without_secrets(settings.mlflow_tracking_uri)}.",
            "Next: `make register`, and `make ui` to look at it.",
        ]
    )


def registration_summary(settings: Settings, done: "Registration") -> str:
    """The version, what the gate found, and what to do next."""
    checks = [("  " + check.name, check.found, check.allowed) for check in done.decision.checks]
    return "\n".join(
        [
            f"Version {done.version.number} is approved and stands as "
            f"{settings.challenger_alias!r}. "
            f"{one_line(done.version.description, LONGEST_PARAGRAPH)}",
            *done.notices,
            "",
            *_columns([("The gate", "found", "allowed"), *checks]),
            "",
            "Next: `make promote`.",
        ]
    )


def move_summary(settings: Settings, move: "Move") -> str:
    """Where production went."""
    alias = settings.production_alias
    if move.moved:
        said = (
            f"{alias!r} moved from {_or_nothing(move.before)} to version {move.after}."
            f"{' `make rollback` goes back.' if move.before else ''}"
        )
    else:
        more = "more " if move.notes else ""
        said = f"{alias!r} already stands on version {move.after}: nothing {more}to do."
    return "\n".join([*move.notes, said])


def state_summary(settings: Settings, state: "RegistryState") -> str:
    """Aliases, versions, ledger and problems, for a terminal."""
    where = without_secrets(settings.mlflow_tracking_uri)
    if not state.versions and not state.aliases:
        return f"{state.model_name!r} has no version on {where}. Run `make train register`."
    aliases = [
        (f"  {one_line(name)}", f"version {number}")
        for name, number in sorted(state.aliases.items())
    ]
    lines: list[str] = [f"{state.model_name} on {where}", "", "Aliases"]
    lines += _columns(aliases) if aliases else ["  none"]
    lines += ["", *_columns(_version_rows(state))]
    if state.ledger:
        lines += ["", *_columns(_ledger_rows(settings, state))]
    if state.problems:
        lines += [
            "",
            "Problems",
            *(f"  {one_line(problem, LONGEST_PARAGRAPH)}" for problem in state.problems),
        ]
    return "\n".join(lines)


def state_json(state: "RegistryState") -> str:
    """The same for programs."""
    return json.dumps(asdict(state), indent=2, default=str)


def quote_summary(quote: "Quote", target: NumberColumn = CURRENT.target) -> str:
    """A quote for a terminal, in the unit of the `target` of its version."""
    return "\n".join(
        [
            f"{target.amount(quote.premium, 2)} "
            f"(90 % interval: {quote.low:,.2f} to {quote.high:,.2f}), version {quote.version}",
            *(f"  caution: {caution}" for caution in quote.cautions),
        ]
    )


def quote_json(quote: "Quote", prediction_id: str) -> str:
    """A quote for programs; money in US dollars a year. Outcomes are joined by its id."""
    return json.dumps({"prediction_id": prediction_id, **asdict(quote)})


def outcomes_summary(settings: Settings, done: "OutcomeReport") -> str:
    """What became of each outcome of a file."""
    lines = [
        f"{done.source}: {done.recorded:,} outcomes recorded in "
        f"{without_secrets(settings.prediction_log_url)}, {done.repeated:,} were there already.",
        *(f"  {notice}" for notice in done.notices),
    ]
    if done.unknown:
        lines.append(f"{len(done.unknown):,} belong to no prediction there and were left out:")
        lines += _some([f"  {one_line(name)}" for name in done.unknown])
    if done.conflicts:
        lines.append(f"{len(done.conflicts):,} contradict what was recorded, which stays:")
        lines += _some(
            [
                f"  {one_line(conflict.id)}: "
                f"{CURRENT.target.sign} {conflict.kept:,.2f} is recorded, "
                f"{CURRENT.target.sign} {conflict.given:,.2f} was given"
                for conflict in done.conflicts
            ]
        )
    return "\n".join(lines)


def archive_summary(done: "ArchiveReport") -> str:
    """What left the log, and what stayed of what is as old."""
    verb = "would go" if done.is_preview else "went"
    lines = [f"No quote of before {done.before} {verb} to {done.archive}."]
    if done.days is not None:
        first, last = done.days
        files = "" if done.is_preview else f" in {len(done.files):,} files of {done.bytes:,} bytes"
        lines = [
            f"{done.rows:,} quotes of {first} to {last}, {done.outcomes:,} of them with their "
            f"outcome, {verb} to {done.archive}{files}.",
            *(f"  version {one_line(name)}: {rows:,}" for name, rows in done.versions.items()),
        ]
    stays = {
        "as old, and their outcome was recorded since": done.late,
        "as old, and have a value that is not of its column's kind": done.strange,
        "as old, and changed meanwhile; the same command takes them": done.changed,
    }
    lines += [f"  {rows:,} stay: {why}" for why, rows in stays.items() if rows]
    return "\n".join(lines)


def archive_json(done: "ArchiveReport") -> str:
    """The same for programs."""
    return json.dumps(asdict(done), indent=2, default=str)


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN_LINES
    return [*lines[:SHOWN_LINES], *([f"  and {more:,} more"] if more > 0 else [])]


def _version_rows(state: "RegistryState") -> list[tuple[str, ...]]:
    header = ("Versions", "status", "made (UTC)", "hold-out RMSE", "dataset", "run")
    return [header, *(_version_row(version) for version in state.versions[:SHOWN_LINES])]


def _version_row(version: "Version") -> tuple[str, ...]:
    rmse = version.metrics.get("rmse")
    return (
        f"  {version.number}",
        version.status or "-",
        f"{version.created:%Y-%m-%d %H:%M}",
        "-" if rmse is None else _measured("rmse", rmse, sign=version.target.sign)[0],
        one_line(version.tags.get(DATASET_TAG, "-")),
        version.run_id,
    )


def _ledger_rows(settings: Settings, state: "RegistryState") -> list[tuple[str, ...]]:
    return [
        ("Ledger", "who", "move", "why"),
        *(
            (
                f"  {line.when:%Y-%m-%d %H:%M}",
                one_line(line.who),
                f"{line.action} {_or_nothing(line.before)} to {line.after}"
                + "".join(f" ({remark})" for remark in _remarks(settings, state, line)),
                one_line(line.why),
            )
            for line in state.ledger[-SHOWN_LINES:]
        ),
    ]


def _remarks(settings: Settings, state: "RegistryState", line: "Line") -> Iterator[str]:
    """What is not as usual about a line."""
    if line.alias not in (None, settings.production_alias):
        yield f"alias {one_line(str(line.alias))}"
    if not line.is_about(line.alias or settings.production_alias, state.model_created):
        yield "of a model that was deleted"
    if line.forced:
        yield "forced"
    if not line.finished:
        yield "not closed"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _measured(name: str, value: float, *ends: float, sign: str = "") -> tuple[str, str]:
    """A metric and its interval, in the unit of the metric, as far as they are defined."""
    from insurance_predictor.training.model_card import AMOUNTS

    unit, form = (f"{sign} ", ",.0f") if name in AMOUNTS else ("", ".3f")
    if name == "total_bias":
        form = "+.1%"
    interval = " to ".join(f"{end:{form}}" for end in ends) if all(map(isfinite, ends)) else ""
    return f"{unit}{value:{form}}" if isfinite(value) else "not defined", interval


def _or_nothing(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"
