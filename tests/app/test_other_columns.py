"""The page of one quote, of a team whose schema is not what the version in production learned."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import text
from insurance_predictor.store.versions import Version
from tests.app.conftest import logged_rows
from tests.other_columns import NARROWER, WIDER, program
from tests.repository import ROOT

pytestmark = pytest.mark.process
PATIENCE = 240  # seconds
VISIT = """
import json
import sys
from streamlit.testing.v1 import AppTest
visit = AppTest.from_file(sys.argv[1], default_timeout=200).run()
[button] = [one for one in visit.button if one.label == sys.argv[2]]
visit = button.click().run()
fields = {one.key: one.value for one in [*visit.text_input, *visit.selectbox]}
said = [one.value for kind in (visit.info, visit.error, visit.caption) for one in kind]
print(json.dumps({"fields": fields, "said": said, "headers": len(visit.header)}))
"""


def visited(folder: Path, features: str) -> dict[str, Any]:
    """What somebody sees who asks for a quote in the program with `features`."""
    program(folder, features)
    for name in ("app", "monitoring"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", VISIT, str(folder / "app" / "app.py"), text.CALCULATE.en],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_a_column_that_the_version_does_not_know_is_asked_for_and_said_to_change_nothing(
    quoting: Version, tmp_path: Path
):
    seen = visited(tmp_path / "wider", WIDER)
    assert seen["fields"]["person_deductible"] == "2500"
    assert seen["fields"]["person_pressure"] == ""  # it may be missing
    assert seen["fields"]["person_plan"] == "basic"
    note = text.LATER_COLUMNS("en", version="1", columns="Deductible, Pressure, Plan")
    assert note in seen["said"]
    assert seen["headers"] == 1
    [row] = logged_rows()
    assert (row["age"], row["region"]) == (40, "southeast")
    assert (row["deductible"], row["pressure"], row["plan"]) == (None, None, None)


def test_a_version_that_needs_a_lost_column_is_named_with_what_to_do(
    quoting: Version, tmp_path: Path
):
    seen = visited(tmp_path / "narrower", NARROWER)
    assert "person_region" not in seen["fields"]
    [said] = [one for one in seen["said"] if "schema has lost" in one]
    assert said.startswith("Model version 1 needs columns that the schema has lost: Region")
    assert "make train register promote" in said
    assert seen["headers"] == 0
    assert logged_rows() == []
