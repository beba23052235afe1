"""A fault in `schema.py` is one sentence, whoever meets it first: a command, the app, a page."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

SCHEMA = Path("insurance_predictor") / "table" / "schema.py"
SIX = "features=(AGE, SEX, BMI, CHILDREN, SMOKER, REGION)"
AGE_LIMITS = "    low=18,\n    high=100,\n"
# What is edited, and what is then said of it.
FAULTS = {
    "a column twice": ((SIX, SIX.replace("SEX", "AGE")), "age is there more than once"),
    "no limits": ((AGE_LIMITS, ""), "missing 2 required positional arguments: 'low' and 'high'"),
    "an unknown attribute": (
        (AGE_LIMITS, f"{AGE_LIMITS}    maximum=100,\n"),
        "got an unexpected keyword argument 'maximum'",
    ),
    "a column that is nowhere": ((SIX, SIX.replace("AGE", "AEG")), "name 'AEG' is not defined"),
    "no Python": ((AGE_LIMITS, "    low=18\n    high=100,\n"), "invalid syntax"),
    "a label in one language": (
        ('label={"pt": "Idade", "en": "Age"}', 'label={"en": "Age"}'),
        "age has no label in Portuguese (pt)",
    ),
    "columns under another name": (("CURRENT", "MINE"), "cannot import name 'CURRENT'"),
}
COMMANDS = {
    "check-data": ("-m", "insurance_predictor", "check-data"),
    "help": ("-m", "insurance_predictor", "--help"),
    "monitor": ("-m", "monitoring", "run"),
}
VISIT = """
import json, sys
from streamlit.testing.v1 import AppTest
visit = AppTest.from_file(sys.argv[1], default_timeout=200).run()
said = [one.value for kind in (visit.subheader, visit.markdown, visit.code) for one in kind]
print(json.dumps({"said": said, "crashed": len(visit.exception)}))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("insurance_predictor", "monitoring", "app", "data"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def edit(clone: Path, before: str, after: str) -> None:
    schema = (clone / SCHEMA).read_text()
    assert before in schema
    (clone / SCHEMA).write_text(schema.replace(before, after))


def python(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=clone,
        env=os.environ | {"PREDICTION_LOG_URL": f"sqlite:///{clone}/log.db"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_schema_is_one_sentence_of_the_first_command(clone: Path, fault: str):
    (before, after), said = FAULTS[fault]
    edit(clone, before, after)
    done = python(clone, *COMMANDS["check-data"])
    assert (done.returncode, done.stdout) == (2, "")
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith(f"error: {SCHEMA}")
    assert said in sentence
    assert sentence.endswith("Correct it and run again; docs/your-own-table.md says what it takes.")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_file_and_the_line(clone: Path, command: str):
    edit(clone, *FAULTS["a column that is nowhere"][0])
    line = next(
        number
        for number, text in enumerate((clone / SCHEMA).read_text().splitlines(), start=1)
        if "AEG" in text
    )
    done = python(clone, *COMMANDS[command])
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {SCHEMA}, line {line}: name 'AEG' is not defined.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", ["app/app.py", "monitoring/dashboard/alone.py"])
def test_a_page_says_the_same(clone: Path, page: str):
    edit(clone, *FAULTS["a label in one language"][0])
    done = python(clone, "-c", VISIT, str(clone / page))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["crashed"] == 0
    assert "The columns cannot be used" in seen["said"]
    [sentence] = [one for one in seen["said"] if "age has no label" in one]
    assert sentence.startswith(str(SCHEMA))
