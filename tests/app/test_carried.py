"""What is carried beside a person: given back, logged if the schema says so, never asked."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from insurance_predictor.store.versions import Version
from insurance_predictor.table.synthetic import make_table
from tests.other_columns import CARRYING, program
from tests.repository import ROOT

pytestmark = pytest.mark.process
PEOPLE = make_table(30, 2)
NUMBERS = [f"{number:04}/A" for number in range(30)]
NUMBERS[3] = ""
SCORE = """
import json, sys
from pathlib import Path
from app.batch_scoring import score
from app.table_upload import read_upload
from app import serving
upload = read_upload("people.csv", Path(sys.argv[1]), serving.settings().batch)
log = serving.prediction_log()
scored = score(upload, serving.served(), log, "people.csv")
faults = upload.faults.to_dict("records")
print(json.dumps({"rows": scored.rows, "file": str(scored.path), "faults": faults,
                  "is_there": log.flush(60), "notices": [n("en") for n in upload.notices]}))
"""


@pytest.fixture(scope="module")
def carrying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = program(tmp_path_factory.mktemp("carrying"), CARRYING)
    (clone / "app").symlink_to(ROOT / "app")
    return clone


def python(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(clone)} | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def logged(folder: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM predictions")]


@pytest.mark.parametrize("strict", ["0", "1"])
def test_a_table_to_learn_from_may_have_it_and_nothing_else_changes(
    carrying: Path, tmp_path: Path, strict: str
):
    said = []
    for beside in ({}, {"Policy No": [f"{number:04}/A" for number in range(300)], "Note": "x"}):
        path = tmp_path / "people.csv"
        make_table(300, 2).assign(**beside).to_csv(path, index=False)
        done = python(
            carrying, "-m", "insurance_predictor", "check-data", DATA=str(path), STRICT=strict
        )
        assert done.returncode == 0, done.stderr
        said.append([line for line in done.stdout.splitlines() if "was read as" not in line])
    assert said[0] == said[1]


def test_a_batch_gives_it_back_and_logs_what_is_to_be_logged(
    carrying: Path,
    quoting: Version,
    tmp_path: Path,
):
    numbers = [*NUMBERS[:-1], "\x07"]
    people = PEOPLE.drop(columns="charges").assign(**{"policy no": numbers, "note": "=1+1"})
    people.to_csv(tmp_path / "people.csv", index=False)
    done = python(carrying, "-c", SCORE, str(tmp_path / "people.csv"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == 29
    assert told["is_there"]
    [fault] = told["faults"]
    assert (fault["row"], fault["column"]) == (31, "policy_number")
    assert "'policy no' was read as policy_number" in told["notices"]
    header, first, *_ = Path(told["file"]).read_text("utf-8-sig").splitlines()
    assert "policy_number,note,premium" in header
    assert "0000/A,'=1+1," in first
    rows = logged(tmp_path)
    kept = sorted(row["policy_number"] or "" for row in rows)
    assert kept == sorted(NUMBERS[:-1])
    assert "note" not in rows[0]


def test_predict_hands_it_in_and_refuses_what_the_log_cannot_keep(
    carrying: Path,
    quoting: Version,
    tmp_path: Path,
):
    person = ["--age=40", "--sex=female", "--bmi=27.5", "--children=1", "--smoker=no"]
    predict = ["-m", "insurance_predictor", "predict", *person, "--region=southeast"]
    done = python(carrying, *predict, "--policy-number=0042/A")
    assert done.returncode == 0, done.stderr
    assert [row["policy_number"] for row in logged(tmp_path)] == ["0042/A"]
    done = python(carrying, *predict, f"--policy-number={'9' * 101}")
    assert done.returncode == 2
    assert "policy_number is '999" in done.stderr
    assert "it must be a text of at most 100 printable signs, or missing." in done.stderr
    assert len(logged(tmp_path)) == 1


def test_the_template_has_a_place_for_it(carrying: Path):
    script = (
        "from app.fields import template\n"
        "from insurance_predictor.table.schema import FEATURES\n"
        "print(template(FEATURES, 'pt'))"
    )
    done = python(carrying, "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "id;policy_number;note;age;sex;bmi;children;smoker;region",
        "A-1;A-1;A-1;40;feminino;28,0;1;não;sudeste",
    ]
