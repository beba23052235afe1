"""The monitoring report and Evidently's page in a real browser: silent, safe and narrow."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from insurance_predictor.base.words import Language
from insurance_predictor.table.synthetic import make_table
from monitoring.report.evidently_page import write_page
from monitoring.report.page import ReportLinks, report_page
from tests.monitoring import example_assessments as examples
from tests.repository import ROOT

DESKTOP, PHONE = 1280, 390  # pixels
MOST_BYTES = 400_000
OVERFLOW = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
EVIL = f"</script>{examples.SCRIPT}<img src=x onerror=\"document.title='broken'\">"
EXAMPLES = {
    "alarming": examples.alarming(),
    "typical": examples.typical(),
    "quiet": examples.quiet(),
    "one row": examples.one_row(),
    "empty": examples.empty(),
}

Open = Callable[..., tuple[Page, list[str]]]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file in a window of its own: the page, and every address it asks for."""
    contexts = []

    def open_window(file: Path, width: int = DESKTOP, **options: object) -> tuple[Page, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page, requests = context.new_page(), []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        return page, requests

    yield open_window
    for context in contexts:
        context.close()


def write(folder: Path, assessment: object, language: Language) -> Path:
    file = folder / "report.html"
    links = ReportLinks("https://example.com/runbook.md", evidently="evidently.html")
    incidents = (examples.incident(),) if assessment is EXAMPLES["typical"] else ()
    file.write_text(
        report_page(assessment, incidents, examples.trend(), links, language, examples.END),
        encoding="utf-8",
    )
    return file


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("assessment", EXAMPLES.values(), ids=EXAMPLES)
def test_the_report_fits_and_asks_nobody(
    open_page: Open, tmp_path: Path, assessment, width, language
):
    file = write(tmp_path, assessment, language)
    page, requests = open_page(file, width)
    assert page.evaluate(OVERFLOW) == 0
    assert requests == [file.as_uri()]
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_category_that_is_a_script_is_read_and_not_run(
    open_page: Open, tmp_path: Path, javascript: bool
):
    page, _ = open_page(write(tmp_path, examples.alarming(), "en"), java_script_enabled=javascript)
    assert "broken" not in page.title()
    expect(page.get_by_text(examples.SCRIPT).first).to_be_visible()


def test_even_a_script_that_got_in_would_not_run(open_page: Open, tmp_path: Path):
    file = write(tmp_path, examples.quiet(), "en")
    file.write_text(file.read_text().replace("</main>", f"{examples.SCRIPT}</main>"))
    page, _ = open_page(file)
    assert page.title() != "broken"


def test_dark_is_dark_and_paper_is_light(open_page: Open, tmp_path: Path):
    page, _ = open_page(write(tmp_path, examples.alarming(), "en"), color_scheme="dark")
    colour = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(20, 24, 29)"
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"


def test_evidently_asks_nobody_and_runs_no_script_from_the_data(open_page: Open, tmp_path: Path):
    reference, window = (
        make_table(rows, seed=rows).rename(columns={"charges": "premium"}) for rows in (400, 150)
    )
    file = tmp_path / "evidently.html"
    odd = window.assign(region=window["region"].where(window.index > 50, EVIL))
    assert write_page(reference, odd, len(odd), file, "en") is None
    page, requests = open_page(file)
    expect(page.get_by_text("Dataset Drift", exact=True).first).to_be_visible()
    assert page.title() != "broken"
    assert {address for address in requests if not address.startswith(("data:", "blob:"))} == {
        file.as_uri()
    }


def test_a_picture_for_the_documentation(open_page: Open, tmp_path: Path):
    named = os.environ.get("SCREENSHOTS")
    folder = ROOT / named if named else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    page, _ = open_page(write(tmp_path, EXAMPLES["typical"], "en"), width=1080)
    picture = folder / "report.png"
    page.screenshot(path=picture, full_page=True)
    with Image.open(picture) as full:  # flat colours: 256 of them are a quarter of the bytes
        few = full.convert("RGB").quantize(256)
    few.save(picture, optimize=True)
    assert 10_000 < picture.stat().st_size < MOST_BYTES
