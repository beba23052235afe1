"""How many incidents a year are false, and how many days a change waits for one.

Daily looks at the last seven days, judged by monitoring's own tests and decided by its own rules,
of made-up people (`table/synthetic.py`): each year has a version, and so a reference, of its own.
Every outcome is known at once. `make calibrate` prints both tables after those of the single looks.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import IncidentRules, MonitorThresholds
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.pair import Pair
from insurance_predictor.table.schema import AGE, CURRENT, SMOKER
from insurance_predictor.table.synthetic import make_table
from monitoring.checks import performance
from monitoring.checks.drift import drift_verdicts
from monitoring.domain.assessment import Assessment, Kind, Verdict, Window
from monitoring.domain.windows import schedule
from monitoring.window.batches import Chunk, OutcomeChunk
from monitoring.window.reference import PREMIUM, Reference, number_names
from monitoring.window.statistics import WindowStatistics
from tests.monitoring.assessments import Diary
from tests.studies.drift_calibration import CHANGES, shown, trained
from tests.studies.markdown import markdown_table

YEARS = 200
DAYS = 365
YEARS_OF_EVIDENTLY = 2
PEOPLE = 1_337  # that a version learns from and is judged by
WEEK = 7
QUOTES = (100, 400, 2_000)  # a week
QUOTES_OF_CHANGE = 400
QUIET_DAYS, CHANGED_DAYS = 28, 35
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
# The bootstrap of the ratio costs as much as all other tests together. Where the ratio is within
# so many of its deviations from the usual, an alarm, which takes about 2.9, is taken to be none.
NEAR = 2.0


@dataclass(frozen=True)
class Played:
    """The days of one story, counted from its beginning, that an incident opened on, by kind."""

    quotes: int
    change: str
    opened: tuple[tuple[int, Kind], ...]
    evidently: tuple[bool, ...] = ()  # whether its preset said "drift detected", day by day


class Quotes:
    """What a version quoted, in the order of time: columns that a window is a slice of."""

    def __init__(self, table: pd.DataFrame, pair: Pair) -> None:
        people = features(table)
        answers = pair.predict(people)
        self.people = people.assign(premium=answers[PREMIUM])
        self.numbers = {
            name: self.people[name].to_numpy(dtype=float) for name in number_names(CURRENT)
        }
        self.places = {
            one.name: np.array([one.values.index(value) for value in table[one.name]])
            for one in CURRENT.categories
        }
        self.smoker = self.places[SMOKER.name]
        self.low, self.high = answers["low"].to_numpy(), answers["high"].to_numpy()
        self.charges = target(table)

    def judge(self, chosen: slice, reference: Reference) -> tuple[Verdict, ...]:
        """The verdicts of drift and performance about some of the quotes."""
        thresholds = MonitorThresholds()
        statistics = WindowStatistics(reference)
        numbers = {name: values[chosen] for name, values in self.numbers.items()}
        unknown = np.full(len(numbers[PREMIUM]), np.nan)
        places = {name: codes[chosen] for name, codes in self.places.items()}
        fresh = np.zeros(len(unknown), dtype=np.int64)
        statistics.add(Chunk(numbers | {"latency_ms": unknown}, places, fresh))
        known = (numbers[PREMIUM], self.low[chosen], self.high[chosen], self.charges[chosen])
        chunk = OutcomeChunk(*known, numbers[AGE.name], self.smoker[chosen])
        statistics.outcomes.add(chunk)
        holdout, outcomes = reference.holdout, statistics.outcomes
        limit = performance.limit_of(thresholds)
        found = [
            *drift_verdicts(reference, statistics, thresholds),
            performance.residuals(reference.ratios, outcomes, limit),
            performance.coverage(reference, outcomes, limit),
        ]
        is_judged = outcomes.rows >= performance.least_outcomes("ratio", thresholds)
        if is_judged and _deviations(outcomes.sums, holdout) > NEAR:
            found.append(performance.ratio(reference, outcomes, limit))
        return tuple(found)


def play(quotes: Quotes, reference: Reference, weekly: int, days: int) -> Iterator[Assessment]:
    """A look at the last seven days at the end of each day, once there are seven."""
    ends = [round(day * weekly / WEEK) for day in range(days + 1)]
    for day in range(WEEK, days + 1):
        end = FIRST + timedelta(days=day)
        start = end - timedelta(days=WEEK)
        chosen = slice(ends[day - WEEK], ends[day])
        yield Assessment(
            model_name="insurance_predictor",
            version="1",
            window=Window(start, end, end, schedule(end - start)),
            rows=chosen.stop - chosen.start,
            outcomes=chosen.stop - chosen.start,
            other_versions={},
            average_premium=None,
            verdicts=quotes.judge(chosen, reference),
            distributions=(),
            power=(),
        )


def opened(looks: Iterator[Assessment]) -> tuple[tuple[int, Kind], ...]:
    """The day and the kind of every incident; one that comes back is the old one."""
    diary, found = Diary(IncidentRules()), []
    for look in looks:
        day = (look.window.end - FIRST).days
        decision = diary.see(look)
        found += [
            (day, change.incident.kind)
            for change in decision.changes
            if change.incident.opened == look.window.end
        ]
    return tuple(found)


def quiet_year(seed: int, evidently: bool, days: int = DAYS) -> list[Played]:
    """A year of each number of quotes, in which nothing changes."""
    found = []
    with threadpool_limits(limits=1):
        pair, reference = trained(make_table(PEOPLE, seed))
        for weekly in QUOTES:
            table = make_table(weekly * (days + WEEK) // WEEK + 1, _other(seed, weekly))
            quotes = Quotes(table, pair)
            looks = play(quotes, reference, weekly, days + WEEK)
            alerts = tuple(_alerts(quotes, reference, weekly, days)) if evidently else ()
            found.append(Played(weekly, "", opened(looks), alerts))
    return found


def changed_months(seed: int) -> list[Played]:
    """For each change, four weeks without it and five with it; days are counted from it."""
    found = []
    cut = QUOTES_OF_CHANGE * QUIET_DAYS // WEEK
    days = QUIET_DAYS + CHANGED_DAYS
    with threadpool_limits(limits=1):
        pair, reference = trained(make_table(PEOPLE, seed))
        table = make_table(QUOTES_OF_CHANGE * days // WEEK, _other(seed, 1))
        for name, (change, _) in CHANGES.items():
            later = table.iloc[cut:].reset_index(drop=True)
            changed = change(later, np.random.default_rng(seed))
            quotes = Quotes(pd.concat([table.iloc[:cut], changed], ignore_index=True), pair)
            looks = play(quotes, reference, QUOTES_OF_CHANGE, days)
            since = ((day - QUIET_DAYS, kind) for day, kind in opened(looks))
            found.append(Played(QUOTES_OF_CHANGE, name, tuple(since)))
    return found


def calibrate(years: int = YEARS, jobs: int = 1, days: int = DAYS) -> list[Played]:
    """`years` quiet ones and as many of each change, each with a reference of its own."""
    work = [delayed(changed_months)(seed) for seed in range(years)]
    work += [
        delayed(quiet_year)(seed, seed < years + YEARS_OF_EVIDENTLY, days)
        for seed in range(years, 2 * years)
    ]
    found = Parallel(n_jobs=jobs, return_as="generator")(work)
    return [played for each in shown(found, len(work), "stories") for played in each]


def false_incidents(played: Sequence[Played], quotes: int, kind: Kind | None = None) -> float:
    """Incidents a year without a change, of one kind or of any."""
    years = [one for one in played if not one.change and one.quotes == quotes]
    return float(np.mean([_count(one, kind) for one in years]))


def delays(played: Sequence[Played], change: str) -> FloatArray:
    """Days from a change to its incident, (years,); infinite where there was none."""
    kind = CHANGES[change][1]
    stories = [one for one in played if one.change == change]
    return np.array([_delay(one, kind) for one in stories])


def years_table(played: Sequence[Played]) -> str:
    """False incidents a year, and the alerts of Evidently's preset on the same days."""
    rows = []
    for quotes in QUOTES:
        stories = [one for one in played if one.evidently and one.quotes == quotes]
        alerts = [_beginnings(one.evidently) * DAYS / len(one.evidently) for one in stories]
        rows.append(
            [
                f"{quotes:,}",
                *(f"{false_incidents(played, quotes, kind):.2f}" for kind in KINDS),
                f"**{false_incidents(played, quotes):.2f}**",
                f"{np.mean(alerts):.1f}" if alerts else "–",
            ]
        )
    header = ("quotes a week", *KINDS, "incidents a year", "Evidently's preset, alerts a year")
    return markdown_table(header, rows)


def delays_table(played: Sequence[Played]) -> str:
    """How long each change waits for its incident."""
    rows = []
    for change, (_, kind) in CHANGES.items():
        waited = delays(played, change)
        within = np.mean(waited <= 16)
        slow = float(np.quantile(waited, 0.95, method="inverted_cdf"))
        rows.append([change, kind, f"{np.median(waited):g}", f"{slow:g}", f"{within:.1%}"])
    header = ("change", "kind", "median days", "95 % within days", "within 16 days")
    return markdown_table(header, rows)


KINDS: tuple[Kind, ...] = ("drift", "performance")
Alert = Callable[[pd.DataFrame, pd.DataFrame], bool]


def evidently_alert(window: pd.DataFrame, reference: pd.DataFrame) -> bool:
    """Whether Evidently's default preset finds drift in any column."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    found: Mapping[str, object] = Report([DataDriftPreset()]).run(window, reference).dict()
    metrics: list[dict[str, dict[str, float]]] = found["metrics"]  # type: ignore[assignment]
    return metrics[0]["value"]["count"] > 0


def _alerts(
    quotes: Quotes, reference: Reference, weekly: int, days: int, alert: Alert = evidently_alert
) -> Iterator[bool]:
    people = reference.people.assign(premium=reference.premium)
    for day in range(WEEK, days + WEEK + 1):
        start, end = (round(each * weekly / WEEK) for each in (day - WEEK, day))
        yield alert(quotes.people.iloc[start:end], people)


def _deviations(sums: FloatArray, holdout: pd.DataFrame) -> float:
    """How far the two ratios of charges to premiums are apart, by the delta method."""
    usual = holdout[["charges", PREMIUM]].to_numpy(dtype=float)
    (before, first), (after, second) = _log_ratio(usual), _log_ratio(sums[:, :2])
    return abs(after - before) / float(np.sqrt(first + second))


def _log_ratio(sums: FloatArray) -> tuple[float, float]:
    """The logarithm of the ratio of the two columns, and its variance."""
    charges, premiums = sums.T
    ratio = charges.sum() / premiums.sum()
    left = (charges - ratio * premiums) / charges.mean()
    return float(np.log(ratio)), float(left.var() / len(left))


def _other(seed: int, number: int) -> int:
    """A seed of people that no version has learned from."""
    return 1_000_000 + 10_000 * seed + number


def _count(played: Played, kind: Kind | None) -> int:
    return sum(kind in (None, found) for _, found in played.opened)


def _delay(played: Played, kind: Kind) -> float:
    return next((float(day) for day, found in played.opened if day > 0 and found == kind), np.inf)


def _beginnings(alerts: Sequence[bool]) -> int:
    """Days with an alert after a day without."""
    return sum(now and not before for before, now in zip((False, *alerts), alerts, strict=False))


def main() -> None:
    jobs = int(os.environ.get("N_JOBS") or -1)
    years = int(os.environ.get("YEARS") or YEARS)
    print(f"{years} years of daily looks at seven days, each of a version of its own\n", flush=True)
    played = calibrate(years, jobs)
    print(f"{years_table(played)}\n\n{delays_table(played)}")


if __name__ == "__main__":
    main()
