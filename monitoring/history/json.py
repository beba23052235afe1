"""An assessment as JSON and back: what `--json` prints and a monitoring run's result.json holds."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from insurance_predictor.base.errors import BadInput
from monitoring.domain.assessment import Assessment, Distribution, Power, Verdict, Window

FORMAT = 1


def assessment_json(assessment: Assessment) -> dict[str, Any]:
    """`assessment` in the words of JSON: times in ISO 8601, numbers that are not finite as null.

    Each verdict has its full `name` too, which nobody has to put together again.
    """
    parts = {
        "window": {name: when.isoformat() for name, when in vars(assessment.window).items()},
        "verdicts": [{"name": verdict.name, **vars(verdict)} for verdict in assessment.verdicts],
        "distributions": [vars(distribution) for distribution in assessment.distributions],
        "power": [vars(power) for power in assessment.power],
    }
    written: dict[str, Any] = _finite({"format": FORMAT, **vars(assessment), **parts})
    return written


def assessment_from_json(found: Mapping[str, Any]) -> Assessment:
    """The assessment that `assessment_json` wrote. Raises BadInput for anything else."""
    if found.get("format") != FORMAT:
        raise BadInput(
            f"This result of an assessment has format {found.get('format')!r}, not {FORMAT}. "
            "Read it with the version of monitoring that wrote it."
        )
    try:
        return _assessment(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The result of an assessment is damaged: {error!r}.") from error


def finite(assessment: Assessment) -> Assessment:
    """As JSON would keep it: a number that is not finite is None, an effect is left out."""
    return assessment_from_json(assessment_json(assessment))


def _finite(value: Any) -> Any:
    """`value` without numbers that JSON does not know, and with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _assessment(found: Mapping[str, Any]) -> Assessment:
    window = found["window"]
    return Assessment(
        model_name=found["model_name"],
        version=found["version"],
        window=Window(*(datetime.fromisoformat(window[name]) for name in ("start", "end", "slot"))),
        rows=found["rows"],
        outcomes=found["outcomes"],
        other_versions=found["other_versions"],
        average_premium=found["average_premium"],
        verdicts=tuple(_verdict(fields) for fields in found["verdicts"]),
        distributions=tuple(_distribution(fields) for fields in found["distributions"]),
        power=tuple(Power(**fields) for fields in found["power"]),
    )


def _verdict(fields: Mapping[str, Any]) -> Verdict:
    given = {name: value for name, value in fields.items() if name != "name"}
    effects = {name: value for name, value in given["effects"].items() if value is not None}
    return Verdict(**given | {"effects": effects, "details": tuple(given["details"])})


def _distribution(fields: Mapping[str, Any]) -> Distribution:
    reference, window = (
        tuple(share or 0.0 for share in fields[side]) for side in ("reference", "window")
    )
    return Distribution(fields["feature"], tuple(fields["labels"]), reference, window)
