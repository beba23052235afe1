"""An assessment as JSON and back: what `--json` prints and a monitoring run's result.json holds."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from insurance_predictor.base.errors import BadInput
from insurance_predictor.table.columns import Columns
from monitoring.domain.assessment import Assessment, Distribution, Power, Verdict, Window

FORMAT = 1
MOMENTS = ("start", "end", "slot")  # of a window


def assessment_json(assessment: Assessment) -> dict[str, Any]:
    """`assessment` in the words of JSON: times in ISO 8601, numbers that were not finite as null.

    Each verdict has its full `name` too, which nobody has to put together again.
    """
    return {
        "format": FORMAT,
        **vars(assessment),
        "window": _window_json(assessment.window),
        "other_versions": dict(assessment.other_versions),
        "other_outcomes": dict(assessment.other_outcomes),
        "verdicts": [{"name": verdict.name, **vars(verdict)} for verdict in assessment.verdicts],
        "distributions": [vars(distribution) for distribution in assessment.distributions],
        "power": [vars(power) for power in assessment.power],
        "columns": json.loads(assessment.columns.to_json()),
    }


def assessment_from_json(found: Mapping[str, Any]) -> Assessment:
    """The assessment that `assessment_json` wrote. Raises BadInput for anything else."""
    if found.get("format") != FORMAT:
        raise BadInput(
            f"This result of an assessment has format {found.get('format')!r}, not {FORMAT}. "
            "Read it with the version of monitoring that wrote it."
        )
    try:
        parts = {
            "window": _window(found["window"]),
            "verdicts": tuple(_verdict(fields) for fields in found["verdicts"]),
            "distributions": tuple(_distribution(fields) for fields in found["distributions"]),
            "power": tuple(Power(**fields) for fields in found["power"]),
        }
        if "columns" in found:  # not in a result of before
            parts["columns"] = Columns.from_json(json.dumps(found["columns"]))
        given = {name: part for name, part in found.items() if name != "format"}
        return Assessment(**given | parts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The result of an assessment is damaged: {error!r}.") from error


def _window_json(window: Window) -> dict[str, str]:
    moments = {name: getattr(window, name).isoformat() for name in MOMENTS}
    return moments | {"schedule": window.schedule}


def _window(fields: Mapping[str, str]) -> Window:
    start, end, slot = (datetime.fromisoformat(fields[name]) for name in MOMENTS)
    return Window(start, end, slot, fields.get("schedule", ""))


def _verdict(fields: Mapping[str, Any]) -> Verdict:
    given = {name: value for name, value in fields.items() if name != "name"}
    return Verdict(**given | {"details": tuple(given["details"])})


def _distribution(fields: Mapping[str, Any]) -> Distribution:
    return Distribution(**dict(fields) | {"labels": tuple(fields["labels"])})
