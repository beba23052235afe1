"""Evidently's page, whatever the columns look like: a page, or a plain reason why there is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from insurance_predictor.table.synthetic import make_table
from monitoring.report import evidently_page
from monitoring.report.evidently_page import comparable, write_page
from tests.monitoring import example_assessments as examples

REFERENCE = make_table(400, seed=0).rename(columns={"charges": "premium"})
WINDOW = make_table(150, seed=1).rename(columns={"charges": "premium"})
EVIL = f"</script>{examples.SCRIPT}<img src=x onerror=\"document.title='broken'\">&lt;"

ODD = {
    "as usual": WINDOW,
    "null numbers": WINDOW.assign(bmi=np.nan),
    "null categories": WINDOW.assign(region=None),
    "some null": WINDOW.assign(bmi=WINDOW["bmi"].where(WINDOW.index % 2 == 0)),
    "constant": WINDOW.assign(bmi=30.0, smoker="no"),
    "words for numbers": WINDOW.assign(bmi="thirty"),
    "some words for numbers": WINDOW.assign(
        bmi=WINDOW["bmi"].astype(object).where(WINDOW.index > 5, "thirty")
    ),
    "numbers for words": WINDOW.assign(region=7),
    "infinite": WINDOW.assign(premium=np.inf),
    "one row": WINDOW.head(1),
    "one row with a null": WINDOW.head(1).assign(bmi=None),
    "a new category": WINDOW.assign(region=EVIL),
    "only new categories": WINDOW.assign(region=[f"r{n}" for n in range(len(WINDOW))]),
}


def write(window: pd.DataFrame, path: Path, rows: int | None = None) -> str | None:
    return write_page(REFERENCE, window, len(window) if rows is None else rows, path, "en")


@pytest.mark.process
@pytest.mark.parametrize("window", ODD.values(), ids=ODD)
def test_odd_columns_cost_no_page(window: pd.DataFrame, tmp_path: Path):
    path = tmp_path / "evidently.html"
    assert write(window, path) is None
    page = path.read_text()
    assert page.count("Content-Security-Policy") == 1
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        (WINDOW.head(0), "there are no quotes for Evidently to compare"),
        (pd.DataFrame(), "there are no quotes for Evidently to compare"),
        (
            WINDOW.head(3).assign(**dict.fromkeys(WINDOW, None)),
            "no column has values on both sides",
        ),
    ],
)
def test_where_nothing_can_be_compared_the_reason_is_said(window, reason, tmp_path: Path):
    path = tmp_path / "evidently.html"
    assert write(window, path) == reason
    assert not path.exists()


def test_a_library_that_fails_costs_the_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "evidently", None)
    reason = write(WINDOW, tmp_path / "evidently.html")
    assert reason == "Evidently could not make it (ModuleNotFoundError)"


def test_the_page_states_its_sample_and_what_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evidently_page, "MOST_ROWS", 100)
    path = tmp_path / "evidently.html"
    assert write(WINDOW.assign(bmi=np.nan), path, rows=1_234_567) is None
    page = path.read_text()
    assert "over a sample: 100 of 1,234,567 quotes and 100 of 400 rows of the reference" in page
    assert "Without values to compare: bmi." in page


def test_no_word_from_the_data_is_markup(tmp_path: Path):
    path = tmp_path / "evidently.html"
    write(WINDOW.assign(region=EVIL), path)
    page = path.read_text()
    assert examples.SCRIPT not in page
    assert 'onerror=\\"document' not in page
    assert r"\u2039/script\u203a" in page


def test_columns_are_typed_and_those_empty_on_a_side_left_out():
    window = WINDOW.assign(bmi="x", age=WINDOW["age"].astype(str), sex=1).drop(columns="region")
    sides = comparable(REFERENCE, window)
    assert set(sides.left_out) == {"bmi", "region"}
    assert sides.window["age"].dtype == float
    assert set(sides.window["sex"]) == {"1"}
    assert list(sides.window.columns) == list(sides.reference.columns)


@pytest.mark.process
def test_importing_the_module_does_not_import_evidently():
    code = "import sys, monitoring.report.evidently_page; print('evidently' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"
