"""The app's speed: against a plain app in turn, then its quotes, its crowd and its memory.

`make bench-app` prints the table and writes bench_app.json. BENCH_REPEATS=n changes the number of
starts. Both apps read the same version from one MLflow server of this machine.
"""

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Barrier

from playwright.sync_api import Browser, Page

from app import text
from insurance_predictor.table.schema import TARGET
from tests.benchmarks.bench import forget_configuration
from tests.benchmarks.session import Session, session
from tests.e2e.chromium import chromium
from tests.e2e.registry import Registry, registry
from tests.e2e.running_app import HEALTH, App, clone, launch, running
from tests.e2e.visitor import PREDICTION_ID
from tests.studies.markdown import markdown_table

PREMIUM = text.PREMIUM("en", label=TARGET.label["en"], unit=TARGET.unit["en"])
PREMIUM = text.PREMIUM("en", label=TARGET.label["en"], unit=TARGET.unit["en"])
REPEATS = 5
PATIENCE = 120_000  # milliseconds for a first quote
QUOTES = 300
CROWD = 30
ROUNDS = 10  # quotes of each in the crowd
THINKING = 5.0  # seconds between two quotes of one person in the crowd, on average
WARM_UP = 200
MANY = 1_000
VISIT = 50  # quotes of one visitor, who then leaves
AGE = "Age (years)"
AGES = range(18, 65)
PEER = "tests/benchmarks/peer_app.py"
MEBIBYTE = 1024  # of the kibibytes in which Linux counts


@dataclass(frozen=True)
class Row:
    """A figure and its goal, the largest value that is good enough."""

    what: str
    value: float
    goal: float
    unit: str
    how: str

    @property
    def met(self) -> bool:
        return self.value <= self.goal


@dataclass(frozen=True)
class Place:
    """Where the apps run: two clones, the variables that name their registry, and a browser."""

    ours: Path
    theirs: Path
    variables: Mapping[str, str]
    browser: Browser

    def ours_kept(self) -> float:
        """Seconds to the first quote of the app with a last good version on its disk."""
        return self._first_quote(launch(self.ours, self.variables), quoted)

    def ours_empty(self) -> float:
        """The same with nothing on its disk."""
        shutil.rmtree(self.ours / ".cache", ignore_errors=True)
        return self.ours_kept()

    def peer(self) -> float:
        """The same of the plain app."""
        own = {"PYTHONPATH": str(self.theirs)}  # the preprocessor's classes are there
        return self._first_quote(launch(self.theirs, self.variables | own, script=PEER), answered)

    def _first_quote(self, app: App, see: Callable[[Page], None]) -> float:
        """Seconds from the start of the app's process until a browser shows a quote."""
        begin = time.perf_counter()
        context = self.browser.new_context(locale="en-US")
        context.set_default_timeout(PATIENCE)
        try:
            page = context.new_page()
            app.server.wait_until_healthy(HEALTH)
            page.goto(app.uri)
            page.get_by_role("button", name=text.CALCULATE("en")).click()
            see(page)
            return time.perf_counter() - begin
        finally:
            context.close()
            app.server.stop()


def quoted(page: Page) -> None:
    page.get_by_text(PREMIUM).wait_for()


def answered(page: Page) -> None:
    page.get_by_test_id("stMetricValue").wait_for()


def start_rows(place: Place, repeats: int) -> list[Row]:
    """From process start to the first quote in a browser, in turn."""
    calls = {"empty": place.ours_empty, "kept": place.ours_kept, "plain": place.peer}
    medians_in_turn(calls, 1)
    seconds = medians_in_turn(calls, repeats)
    plain = seconds["plain"]
    return [
        Row(
            f"start to first quote, {words}",
            seconds[name] / plain,
            goal,
            "×",
            f"{seconds[name]:.2f} s / {plain:.2f} s of the plain app, medians of {repeats}",
        )
        for name, words, goal in (
            ("kept", "a version on disk", 0.6),
            ("empty", "nothing on disk", 1.0),
        )
    ]


def medians_in_turn(calls: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """The median of what each call measures, all called once a round; no round is left out."""
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            measured[name].append(call())
    return {name: median(values) for name, values in measured.items()}


def quote_row(app: App) -> Row:
    """One quote after another: from the button to the end of the page's script."""
    with session(app.uri) as visitor:
        for _ in range(WARM_UP):
            timed_quote(visitor)
        waits = [timed_quote(visitor) for _ in range(QUOTES)]
    predictions = [float(line["latency_ms"]) for line in app.events("quote")[-QUOTES:]]
    how = f"whole page, {QUOTES} in a row, median {median(waits):.0f} ms; "
    how += f"p95 of the prediction alone {p95(predictions):.0f} ms"
    return Row("server time of a quote, p95", p95(waits), 60, "ms", how)


def crowd_rows(app: App) -> list[Row]:
    """Many sessions that are open at once."""
    together, spread = crowd(app, thinking=0.0), crowd(app, thinking=THINKING)
    return [
        Row(
            f"{CROWD} sessions that quote every {THINKING:g} s, p95",
            p95(spread),
            500,
            "ms",
            f"{len(spread)} quotes without an error, median {median(spread):.0f} ms",
        ),
        Row(
            f"{CROWD} sessions that press at the same moment, p95",
            p95(together),
            500,
            "ms",
            f"{len(together)} quotes without an error, median {median(together):.0f} ms",
        ),
    ]


def crowd(app: App, thinking: float) -> list[float]:
    """Milliseconds of every quote of the crowd, whose people press together or after a thought."""
    ready = Barrier(CROWD)

    def person(number: int) -> list[float]:
        dice = random.Random(number)
        try:
            with session(app.uri) as visitor:
                waits = []
                for _ in range(ROUNDS):
                    ready.wait(PATIENCE / 1000)
                    time.sleep(dice.uniform(0, 2 * thinking))
                    waits.append(timed_quote(visitor))
                return waits
        except BaseException:
            ready.abort()  # so that the others do not wait for somebody who left
            raise

    with ThreadPoolExecutor(CROWD) as people:
        everybody = [people.submit(person, number) for number in range(CROWD)]
        return [wait for done in as_completed(everybody) for wait in done.result()]


def memory_row(app: App) -> Row:
    """What the server's resident memory grows by, people coming and going."""
    visit(app, WARM_UP)
    before = resident(app)
    visit(app, MANY)
    after = resident(app)
    how = f"{before:.0f} MiB before, {after:.0f} MiB after, {VISIT} quotes a visitor"
    return Row(f"memory growth over {MANY:,} quotes", after - before, 20, "MiB", how)


def visit(app: App, quotes: int) -> None:
    for _ in range(quotes // VISIT):
        with session(app.uri) as visitor:
            for _ in range(VISIT):
                timed_quote(visitor)


def timed_quote(visitor: Session) -> float:
    """Milliseconds of a quote for somebody of some age; it has to be a quote."""
    begin = time.perf_counter()
    shown = visitor.quote({AGE: random.choice(AGES)})
    wait = 1000 * (time.perf_counter() - begin)
    if not any(map(PREDICTION_ID.search, shown)):
        sys.exit(f"error: no quote in {shown}")
    return wait


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def resident(app: App) -> float:
    """MiB of the server's memory that are in RAM."""
    status = Path(f"/proc/{app.server.process.pid}/status").read_text()
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kibibytes) / MEBIBYTE


def rows_table(rows: list[Row]) -> str:
    header = ("what", "measured", "goal", "met", "how")
    cells = [
        [
            row.what,
            f"{_figure(row.value)} {row.unit}",
            f"≤ {row.goal:g} {row.unit}",
            "yes" if row.met else "**no**",
            row.how,
        ]
        for row in rows
    ]
    return markdown_table(header, cells)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def as_json(rows: list[Row]) -> str:
    return json.dumps([asdict(row) | {"met": row.met} for row in rows], indent=2) + "\n"


def measured(place: Place, repeats: int) -> Iterator[Row]:
    """Every row, as soon as it is known."""
    yield from start_rows(place, repeats)
    with running(place.ours, place.variables) as app:
        yield quote_row(app)
        yield from crowd_rows(app)
        yield memory_row(app)


@contextmanager
def filled_registry(folder: Path) -> Iterator[Registry]:
    """A server with a version in production, which this process may talk to as well."""
    folder.mkdir()
    with registry(folder) as made:
        os.environ |= made.variables
        made.fill()
        yield made


def main() -> None:
    forget_configuration()
    repeats = int(os.environ.get("BENCH_REPEATS") or REPEATS)
    rows = []
    with TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        with filled_registry(folder / "registry") as made:
            place = Place(clone(folder / "ours"), clone(folder / "theirs"), made.variables, browser)
            for row in measured(place, repeats):
                print(f"measured: {row}", file=sys.stderr, flush=True)
                rows.append(row)
    Path("bench_app.json").write_text(as_json(rows))
    print(rows_table(rows))


if __name__ == "__main__":
    main()
