"""The pages of quotes, of a team whose schema is not what the version in production learned."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import text
from app.link import query
from insurance_predictor.store.versions import Version
from insurance_predictor.table.schema import CURRENT
from tests.app.conftest import logged_rows
from tests.other_columns import NARROWER, WIDER, program
from tests.predictions import ANA
from tests.repository import ROOT

pytestmark = pytest.mark.process
PATIENCE = 240  # seconds
VISIT = """
import json
import sys
from streamlit.testing.v1 import AppTest
from app import serving
from insurance_predictor.serving import served_model
served_model.ANSWER_PATIENCE = served_model.FIRST_PATIENCE = 200.0  # of a busy machine
serving.served()
visit = AppTest.from_file(sys.argv[1], default_timeout=200).run()
[button] = [one for one in visit.button if one.label == sys.argv[2]]
visit = button.click().run()
fields = {one.key: one.value for one in [*visit.text_input, *visit.selectbox]}
said = [one.value for kind in (visit.info, visit.error, visit.caption) for one in kind]
serving.prediction_log().close()
print(json.dumps({"fields": fields, "said": said, "headers": len(visit.header)}))
"""

UPLOAD = """
import json
import sys
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from app import serving
from insurance_predictor.serving import served_model
served_model.ANSWER_PATIENCE = served_model.FIRST_PATIENCE = 200.0  # of a busy machine
serving.served()
visit = AppTest.from_file(sys.argv[1], default_timeout=200)
visit._page_hash = calc_hash("batch")
visit = visit.run()
rules = visit.table[0].value.iloc[:, 0].tolist()
visit = visit.file_uploader[0].upload("people.csv", sys.argv[2].encode(), "text/csv").run()
said = [one.value for kind in (visit.info, visit.error, visit.warning) for one in kind]
result = ""
if visit.button:
    visit = visit.button[0].click().run()
    result = visit.session_state["batch_work"].scored.path.read_text("utf-8-sig")
serving.prediction_log().close()
print(json.dumps({"rules": rules, "said": said, "result": result}))
"""


def visited(folder: Path, features: str, script: str = VISIT, given: str = "") -> dict[str, Any]:
    """What somebody sees who asks for quotes in the program with `features`."""
    program(folder, features)
    for name in ("app", "monitoring"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "app" / "app.py"), given or text.CALCULATE.en],
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


def test_what_is_wrong_in_a_column_that_the_version_does_not_know_refuses_no_quote(
    quoting: Version, tmp_path: Path
):
    typing = 'visit.text_input(key="person_deductible").set_value("9.999,5")\n'
    of_before = "visit = AppTest.from_file(sys.argv[1], default_timeout=200)\n"
    of_before += "for name, value in %r.items():\n    visit.query_params[name] = value\n"
    by_link = VISIT.replace(
        "visit = AppTest.from_file(sys.argv[1], default_timeout=200).run()\n",
        of_before % query({**ANA, "age": 41}) + "visit = visit.run()\n",
    )
    by_form = by_link.replace("[button] =", f"{typing}[button] =")
    seen = visited(tmp_path / "wider", WIDER, by_form)
    assert (seen["headers"], seen["fields"]["person_deductible"]) == (1, "9999.5")
    assert not any("Deductible is" in said for said in seen["said"])
    assert {row["age"] for row in logged_rows()} == {41}
    assert len(logged_rows()) == 2  # of the link, which knows no deductible, and of the form


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


def test_a_file_needs_no_column_that_the_version_does_not_know(quoting: Version, tmp_path: Path):
    content = "age,sex,bmi,children,smoker,region\n40,female,28.5,1,no,southeast\n"
    seen = visited(tmp_path / "wider", WIDER, UPLOAD, content)
    assert seen["rules"] == list(CURRENT.feature_names)
    assert seen["said"] == [
        text.LATER_COLUMNS("en", version="1", columns="Deductible, Pressure, Plan")
    ]
    [row] = csv.DictReader(io.StringIO(seen["result"]))
    assert float(row["premium"]) > 0
    [logged] = logged_rows()
    assert (logged["age"], logged["deductible"]) == (40, None)


def test_a_column_of_a_file_that_the_version_does_not_know_comes_back_as_it_was(
    quoting: Version, tmp_path: Path
):
    header = "age,gender,bmi,children,smoker,region,deductible,plan\n"
    content = header + "40,f,28.5,1,no,southeast,much,=1+1\n"
    seen = visited(tmp_path / "wider", WIDER, UPLOAD, content)
    [row] = csv.DictReader(io.StringIO(seen["result"]))
    assert (row["sex"], row["deductible"], row["plan"]) == ("female", "much", "'=1+1")
    assert [logged["plan"] for logged in logged_rows()] == [None]


def test_a_file_with_what_the_schema_has_lost_is_quoted_and_the_version_named(
    quoting: Version, tmp_path: Path
):
    content = "age,sex,bmi,children,smoker,region\n40,female,28.5,1,no,southeast\n"
    seen = visited(tmp_path / "narrower", NARROWER, UPLOAD, content)
    assert seen["rules"] == list(CURRENT.feature_names)
    [said] = seen["said"]
    assert said.startswith("Model version 1 needs columns that the schema has lost: Region")
    [row] = csv.DictReader(io.StringIO(seen["result"]))
    assert float(row["premium"]) > 0


def test_a_file_without_what_the_schema_has_lost_is_refused_by_name(
    quoting: Version, tmp_path: Path
):
    content = "age,sex,bmi,children,smoker\n40,female,28.5,1,no\n"
    seen = visited(tmp_path / "narrower", NARROWER, UPLOAD, content)
    assert seen["result"] == ""
    assert any("region" in said and "missing" in said for said in seen["said"])
