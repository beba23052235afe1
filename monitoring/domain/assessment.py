"""What one assessment is made of: the window it was over and a verdict for each thing judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Literal

from insurance_predictor.table.columns import Columns, former_columns

Kind = Literal["schema", "drift", "performance", "service"]
Status = Literal["quiet", "alarm", "unknown"]
KINDS: tuple[Kind, ...] = ("schema", "drift", "performance", "service")


@dataclass(frozen=True)
class Window:
    """The predictions from `start` up to, but not at, `end`; both aware and in UTC.

    `schedule` is the length that is looked back at regularly, as 7d or 12h; a stretch of time that
    somebody chose has none. `slot` is the moment that stands for it in the history of incidents: of
    windows of one schedule with the same slot only the last one counts, so that assessing twice is
    no second vote.
    """

    start: datetime
    end: datetime
    slot: datetime
    schedule: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that was judged, with the evidence, its size and its price.

    `check` names it within its kind: bmi, null.bmi, ratio, error_rate. `missing` says how many
    rows an `unknown` one is short of. `p_value` is below `limit`, or `value` beyond it, in an
    alarm. `effects` holds sizes beside the test, in the feature's own unit where they have one.
    `money` is what it changes in the average premium, in its unit, signed; None where that
    cannot be said. A number that is not finite could be neither kept nor shown, and is None; such
    an effect is left out. `details` are words from the data, which nobody has checked.
    """

    kind: Kind
    check: str
    status: Status
    rows: int
    missing: int = 0
    p_value: float | None = None
    value: float | None = None
    limit: float | None = None
    effects: Mapping[str, float] = field(default_factory=dict)
    money: float | None = None
    details: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("p_value", "value", "limit", "money"):
            object.__setattr__(self, name, _finite(getattr(self, name)))
        known = {name: size for name, size in self.effects.items() if _finite(size) is not None}
        object.__setattr__(self, "effects", known)

    @property
    def name(self) -> str:
        """The verdict's name among all: drift.bmi."""
        return f"{self.kind}.{self.check}"


def undecided(kind: Kind, check: str, rows: int, missing: int) -> Verdict:
    """The verdict on `check` where `rows` are `missing` rows too few to judge by."""
    return Verdict(kind=kind, check=check, status="unknown", rows=rows, missing=missing)


@dataclass(frozen=True)
class Distribution:
    """Shares of a feature's bins or categories, (k,) each and adding up to 1, for a picture.

    `labels` are categories, or the lower ends of bins in the feature's unit as text.
    """

    feature: str
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]

    def __post_init__(self) -> None:
        for side in ("reference", "window"):
            shares = tuple(_finite(share) or 0.0 for share in getattr(self, side))
            object.__setattr__(self, side, shares)


@dataclass(frozen=True)
class Power:
    """What a window of this size could have seen: the least change caught in 80 % of windows.

    `least` is in the feature's own `unit`: years, kg/m², percentage points or % of charges.
    """

    check: str
    least: float
    unit: str


@dataclass(frozen=True)
class Assessment:
    """One assessment of the predictions of `version`, with everything that was judged.

    `outcomes` counts the predictions whose charges came into the log in the window, and
    `other_outcomes` those that other versions had made, by version. `other_versions` counts
    predictions of the same window that other versions made, which only the service is judged by.
    `average_premium` is the window's, in its unit; None without a row. `left_out` counts
    predictions of the window that are of another model in the same log, or of another registry's
    model of this name, which nothing is judged by. `registry_problem` says why the registry could
    not be asked which version serves: then it is the last good one. `columns` are those of the
    version, which an assessment of before did not say.
    """

    model_name: str
    version: str
    window: Window
    rows: int
    outcomes: int
    other_versions: Mapping[str, int]
    average_premium: float | None
    verdicts: tuple[Verdict, ...]
    distributions: tuple[Distribution, ...]
    power: tuple[Power, ...]
    left_out: int = 0
    other_outcomes: Mapping[str, int] = field(default_factory=dict)
    registry_problem: str | None = None
    columns: Columns = field(default_factory=former_columns)

    def __post_init__(self) -> None:
        object.__setattr__(self, "average_premium", _finite(self.average_premium))

    @property
    def alarms(self) -> tuple[Verdict, ...]:
        """The verdicts in alarm, the most expensive first."""
        found = [verdict for verdict in self.verdicts if verdict.status == "alarm"]
        return tuple(sorted(found, key=lambda verdict: -abs(verdict.money or 0.0)))

    @property
    def status(self) -> Status:
        """alarm with any verdict in alarm; quiet only where drift could be judged."""
        if self.alarms:
            return "alarm"
        drift = {verdict.status for verdict in self.verdicts if verdict.kind == "drift"}
        return "quiet" if "quiet" in drift else "unknown"


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None
