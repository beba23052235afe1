"""A table in a real browser: what is wrong with it is said, and nothing in it is run."""

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from playwright.sync_api import expect

from app import link, text
from insurance_predictor.base.words import Text
from insurance_predictor.table.reading import notices
from insurance_predictor.table.schema import AGE, FEATURE_NAMES, REGION
from tests.e2e.visitor import ANA, Visitor

HEADER = ("id", *FEATURE_NAMES)
FORMULA = "=HYPERLINK(1)"
MANY = 10**6


@dataclass(frozen=True)
class Hostile:
    """A file that cannot be used, and the sentence that says why."""

    content: bytes
    reason: Text
    values: Mapping[str, object] = field(default_factory=dict)


def table(*rows: Mapping[str, object]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", bytes(101 * 2**20))
    return file.getvalue()


# In an order in which no two neighbours have the same sentence.
HOSTILE = {
    "a workbook with a password": Hostile(b"\xd0\xcf\x11\xe0" + bytes(512), notices.OLD_WORKBOOK),
    "zip bomb": Hostile(zip_bomb(), notices.TOO_MUCH_PACKED, {"megabytes": 100}),
    "UTF-16": Hostile(table(ANA).decode().encode("utf-16")[:-1], notices.BROKEN_UTF_16),
    "zeros": Hostile(bytes(2**20), notices.NUL_BYTE, {"offset": 0}),
    "a million columns": Hostile(
        ",".join(f"c{number}" for number in range(MANY)).encode(),
        text.TOO_MANY_COLUMNS,
        {"count": f"{MANY:,}", "limit": 100},
    ),
    "empty": Hostile(b"", text.EMPTY_FILE),
}


def test_row_errors_are_told_by_line_and_the_valid_rows_are_scored_on_request(visit, registry):
    clerk = opened(visit)
    good, bad = ANA | {"id": "A-1"}, ANA | {"id": "A-2", "age": 17, "region": "north"}
    clerk.uploads("people.csv", table(good, bad, good | {"id": "A-3"}))
    expect(clerk.sees(text.ROW_ERRORS, cells=2, rows=1)).to_be_visible()
    faults = ["3", "age", "17", link.rule(AGE, "en")]
    faults += ["3", "region", "north", link.rule(REGION, "en")]
    expect(clerk.page.locator("[role=gridcell]")).to_have_text(faults)
    rows = scored(clerk, text.SCORE_VALID, 2)
    assert [row["id"] for row in rows] == ["A-1", "A-3"]
    quote = registry.predictor(registry.serving).quote(ANA)
    assert {(row["premium"], row["version"]) for row in rows} == {
        (str(round(quote.premium, 2)), quote.version)
    }


def test_formulas_come_back_as_text(visit):
    clerk = opened(visit)
    clerk.uploads("people.csv", table(ANA | {"id": FORMULA}, ANA | {"id": "@SUM(1)"}))
    rows = scored(clerk, text.SCORE, 2)
    assert [row["id"] for row in rows] == [f"'{FORMULA}", "'@SUM(1)"]
    expect(clerk.sees(text.NEUTRALISED, cells=2)).to_be_visible()


def test_a_hostile_file_is_one_sentence_and_the_next_one_is_read(visit, app):
    clerk = opened(visit)
    for name, file in HOSTILE.items():
        clerk.uploads(f"{name}.csv", file.content)
        reason = file.reason("en", **file.values)
        expect(clerk.page.get_by_role("alert")).to_have_text(
            clerk.words(text.UNUSABLE_FILE, reason=reason)
        )
    clerk.uploads("good.csv", table(ANA))
    assert len(scored(clerk, text.SCORE, 1)) == 1
    assert app.events("page_crashed") == []


def opened(visit) -> Visitor:
    clerk: Visitor = visit("en")
    clerk.open("/batch")
    return clerk


def scored(clerk: Visitor, button: Text, rows: int) -> list[dict[str, str]]:
    """The rows of the file that is downloaded after the button that starts the work."""
    clerk.page.get_by_role("button", name=clerk.words(button, rows=rows)).click()
    expect(clerk.page.get_by_role("button", name=clerk.words(text.DOWNLOAD))).to_be_visible()
    clerk.is_settled()
    with clerk.page.expect_download() as download:
        clerk.page.get_by_role("button", name=clerk.words(text.DOWNLOAD)).click()
    content = download.value.path().read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))
