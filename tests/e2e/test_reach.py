"""The app for whoever has no mouse or a small screen, and for a browser without the internet."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app import text
from insurance_predictor.table.schema import FEATURES, CategoryColumn
from tests.e2e.test_batch import scored, table
from tests.e2e.visitor import ANA, Visitor
from tests.repository import ROOT

DESKTOP, PHONE = 1280, 390  # pixels
MOST_BYTES = 300_000
STEPS = 60  # more than there are places for the tabulator

KEYS = {"age": "61", "bmi": "31.5", "children": "3"}
OVERFLOW = """() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')]
    .map(place => place.scrollWidth - place.clientWidth)"""
FOCUSED = """() => document.activeElement === document.body ? ''
    : document.activeElement.ariaLabel || document.activeElement.innerText"""
HEIGHT = "() => document.querySelector('[data-testid=stMain]').scrollHeight"


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: the folder named by SCREENSHOTS, as seen from the root."""
    named = os.environ.get("SCREENSHOTS")
    folder = ROOT / named if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_quote_needs_no_mouse(visit, registry):
    person = visit("en")
    person.open()
    for column in FEATURES:
        tabulate_to(person, column.label["en"])
        if isinstance(column, CategoryColumn):
            for key in ("ArrowDown", "ArrowDown", "Enter"):
                person.page.keyboard.press(key)
        else:
            person.page.keyboard.press("ControlOrMeta+a")
            person.page.keyboard.type(KEYS[column.name])
    tabulate_to(person, text.CALCULATE("en"))
    chosen = person.person()
    person.page.keyboard.press("Enter")
    person.next_quote(None)
    assert {name: str(chosen[name]) for name in KEYS} == KEYS
    person.shows(registry.predictor(registry.serving).quote(chosen))


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("language", ["pt", "en"])
def test_every_page_fits_asks_only_this_machine_and_has_its_picture(
    visit, screenshots: Path, language, width
):
    person = visit(language, width=width)
    for name, prepare in PAGES.items():
        prepare(person)
        person.is_settled()
        assert person.page.evaluate(OVERFLOW) == [0, 0], name
        picture = screenshots / f"app-{name}-{language}-{width}.png"
        take(person.page, picture, width)
        assert 10_000 < picture.stat().st_size < MOST_BYTES, picture.name
    hosts = {urlsplit(address).hostname for address in person.requests}
    assert hosts <= {"127.0.0.1", None}  # data: and blob: have no host


def tabulate_to(person: Visitor, label: str) -> None:
    """Press the tabulator until the place whose name begins with `label` has the focus."""
    for _ in range(STEPS):
        person.page.keyboard.press("Tab")
        if str(person.page.evaluate(FOCUSED)).startswith(label):
            return
    pytest.fail(f"the tabulator does not reach {label}")


def quoted(person: Visitor) -> None:
    person.open()
    person.fill(ANA)
    person.calculate()
    expect(person.page.locator("canvas, svg.marks")).to_have_count(3)


def scored_batch(person: Visitor) -> None:
    person.open("/batch")
    person.uploads("people.csv", table(ANA | {"id": "A-1"}, ANA | {"id": "A-2", "age": 17}))
    scored(person, text.SCORE_VALID, 1)


def model(person: Visitor) -> None:
    person.open("/model")
    expect(person.page.get_by_text(person.words(text.CARD), exact=True)).to_be_visible()
    expect(
        person.page.get_by_role("img", name=person.words(text.PLOTS_BY_NAME["learning_curve"]))
    ).to_be_visible()


PAGES = {"quote": quoted, "batch": scored_batch, "model": model}


def take(page: Page, picture: Path, width: int) -> None:
    """The whole page, which scrolls inside the window."""
    height = page.viewport_size["height"]
    page.set_viewport_size({"width": width, "height": page.evaluate(HEIGHT)})
    page.mouse.move(0, 0)
    page.screenshot(path=picture, animations="disabled", caret="hide")
    page.set_viewport_size({"width": width, "height": height})
    with Image.open(picture) as full:  # flat colours: 256 of them are a quarter of the bytes
        few = full.convert("RGB").quantize(256)
    few.save(picture, optimize=True)
