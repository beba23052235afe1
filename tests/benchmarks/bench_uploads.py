"""The app's memory while people upload what they like: file shapes, 1, 2 and 10 visitors at once.

`make bench-uploads` prints the table and writes bench_uploads.json. BENCH_PREMIUMS=0 leaves out the
premiums, which take most of the time, and BENCH_VISITORS=10 all but ten visitors. One server serves
all of it in turn, so what one file has left in memory counts for the next.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from playwright.sync_api import Browser, Page, expect

from tests.benchmarks.bench import forget_configuration
from tests.benchmarks.bench_app import filled_registry
from tests.e2e.chromium import chromium
from tests.e2e.running_app import App, clone, running
from tests.e2e.visitor import Visitor, visitor
from tests.studies.markdown import markdown_table
from tests.upload_shapes import SHAPES

GOAL = 600  # MiB
CROWDS = "1,2,10"
GOOD = "490,000 good rows"
PATIENCE = 900_000  # milliseconds
LOOK = 0.02  # seconds between two looks at the memory
PAGES = 4096 / 2**20  # MiB


@dataclass(frozen=True)
class Row:
    """The most memory, MiB, that the app and its processes had while `files` were worked on."""

    files: str
    visitors: int
    peak: float
    after: float
    seconds: float
    became: str


def resident(pid: int) -> float:
    """MiB in RAM of a process and of those that it started."""
    return sum(_pages(one) for one in (pid, *_children(pid))) * PAGES


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # it has ended
            continue
    return found


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


class Peak:
    """The most memory while the block runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.most = 0.0
        self._ended = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK):
            self.most = max(self.most, resident(self.pid))


def upload(
    app: App,
    browser: Browser,
    files: Mapping[str, Path],
    names: Sequence[str],
    premiums: bool,
) -> Row:
    """Everybody uploads a file, asks for premiums where that can be done, and fetches them."""
    begin = time.perf_counter()
    with ExitStack() as stack, Peak(app.server.process.pid) as peak:
        clerks = []
        for _ in names:
            context = stack.enter_context(browser.new_context(locale="en-US"))
            clerks.append(visitor(context, app.uri, "en"))
            clerks[-1].page.set_default_timeout(PATIENCE)
            clerks[-1].open("/batch")
        for clerk, name in zip(clerks, names, strict=True):
            clerk.page.locator("input[type=file]").set_input_files(files[name])
        can_score = [_is_read(clerk) for clerk in clerks]
        if not premiums:
            can_score = [False] * len(names)
        scoring = [clerk for clerk, can in zip(clerks, can_score, strict=True) if can]
        for clerk in scoring:
            clerk.page.get_by_role("button", name=SCORE).click()
        for clerk in scoring:
            button = clerk.page.get_by_role("button", name=re.compile("Download the result"))
            expect(button).to_be_visible(timeout=PATIENCE)
            with clerk.page.expect_download(timeout=PATIENCE) as download:
                button.click()
            download.value.path()
    seconds = time.perf_counter() - begin
    became = f"{len(scoring)} of {len(names)} quoted"
    files_told = names[0] if len(set(names)) == 1 else "one shape each"
    after = resident(app.server.process.pid)
    return Row(files_told, len(names), peak.most, after, seconds, became)


SCORE = re.compile("^Calculate ")


def _is_read(clerk: Visitor) -> bool:
    """Wait until the file was read or refused; whether there is something to quote."""
    page: Page = clerk.page
    refused = page.get_by_role("alert").filter(has_not_text="Another large table")
    score = page.get_by_role("button", name=SCORE)
    expect(refused.or_(score).first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE
    )
    return score.count() > 0


def measured(
    app: App,
    browser: Browser,
    files: Mapping[str, Path],
    crowds: Sequence[int],
    premiums: bool,
) -> Iterator[Row]:
    """One shape after another by one visitor; as many shapes, and the good one, as visitors."""
    idle = resident(app.server.process.pid)
    yield Row("none, before the first visitor", 0, idle, idle, 0.0, "")
    for visitors in crowds:
        if visitors == 1:
            for name in files:
                yield upload(app, browser, files, [name], premiums)
        else:
            yield upload(app, browser, files, list(islice(cycle(files), visitors)), premiums)
            yield upload(app, browser, files, [GOOD] * visitors, premiums)


def rows_table(rows: Sequence[Row]) -> str:
    header = ("file", "visitors", "peak", "after", "met", "time", "premiums")
    cells = [
        [
            row.files,
            str(row.visitors),
            f"{row.peak:.0f} MiB",
            f"{row.after:.0f} MiB",
            "yes" if row.peak <= GOAL else "**no**",
            f"{row.seconds:.0f} s",
            row.became,
        ]
        for row in rows
    ]
    return markdown_table(header, cells)


@contextmanager
def written(folder: Path) -> Iterator[dict[str, Path]]:
    """Every shape as a file."""
    folder.mkdir()
    files = {}
    for number, (name, make) in enumerate(SHAPES.items()):
        ending = "parquet" if name.startswith("Parquet") else "csv"
        files[name] = folder / f"{number}.{ending}"
        files[name].write_bytes(make())
    yield files


def main() -> None:
    forget_configuration()
    rows = []
    premiums = os.environ.get("BENCH_PREMIUMS") != "0"
    crowds = [int(number) for number in os.environ.get("BENCH_VISITORS", CROWDS).split(",")]
    expect.set_options(timeout=PATIENCE)
    with TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        with (
            written(folder / "files") as files,
            filled_registry(folder / "registry") as made,
            running(clone(folder / "app"), made.variables) as app,
        ):
            for row in measured(app, browser, files, crowds, premiums):
                print(f"measured: {row}", file=sys.stderr, flush=True)
                rows.append(row)
    Path("bench_uploads.json").write_text(json.dumps([asdict(row) for row in rows], indent=2))
    print(rows_table(rows))
    sys.exit(int(any(row.peak > GOAL for row in rows)))


if __name__ == "__main__":
    main()
