"""Which heavy libraries a command may load: nobody waits for what they do not use."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.release.registration import register
from insurance_predictor.table.download import DOWNLOADED
from insurance_predictor.table.synthetic import make_table, write_table
from tests.repository import ROOT

TABLES = {"pandas", "numpy", "pyarrow", "pydantic"}
# MLflow loads these by itself as soon as a store is asked.
STORE = TABLES | {"mlflow", "requests", "sqlalchemy", "scipy"}
MODEL = STORE | {"sklearn", "skops"}
TRAINING = MODEL | {"matplotlib"}
HEAVY = TRAINING | {"boto3", "evidently", "streamlit", "dask"}

COMMANDS = ("data", "check-data", "synthetic", "train", "register", "promote", "rollback")
COMMANDS += ("status", "tag", "predict", "ui", "alias", "outcomes", "api")

# In one process, so each command may load what the ones before it may.
ON_THE_STORE = {
    "status": STORE,
    "tag 1 checked yes": STORE,
    "promote": STORE,
    "rollback": STORE,
    "predict --age 40 --sex male --bmi 30 --children 1 --smoker no --region southeast": MODEL,
    "register": MODEL,
    "train": TRAINING,
}
# There is no version before 1 to go back to, and the run that serves is not registered again.
ENDED = dict.fromkeys(ON_THE_STORE, 0) | {"rollback": 2, "register": 2}
BY_THEMSELVES = {
    "--help": set(),
    "data": {"pydantic", "requests"},
    "check-data": TABLES,
    "synthetic --output made.csv --rows 20": TABLES,
}
RUN_EACH = """
import json, sys
from contextlib import redirect_stdout
from insurance_predictor import cli
for command in json.loads(sys.argv[1]):
    sys.argv = ["insurance_predictor", *command.split()]
    code = 0
    try:
        with redirect_stdout(sys.stderr):
            cli.main()
    except SystemExit as end:
        code = end.code
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps([command, code or 0, loaded]))
"""


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def imported(importtime: str) -> set[str]:
    """The heavy ones among the top-level names in the output of `python -X importtime`."""
    names = re.findall(r"^import time:.*\|\s*(\w+)[\w.]*$", importtime, re.MULTILINE)
    assert "typer" in names
    return HEAVY & set(names)


@pytest.mark.parametrize("command", BY_THEMSELVES)
def test_a_command_without_a_store_loads_no_more_than_the_table_says(command, tmp_path):
    # Nothing listens on port 9, and `data` must not write into the repository.
    nowhere = {"DATA_URL": "http://127.0.0.1:9", "DOWNLOAD_RETRIES": "0", "DATA_SHA256": "0" * 64}
    named = {"DATA": str(DOWNLOADED)} if command == "data" else {}
    done = python(
        tmp_path,
        *("-X", "importtime", "-m", "insurance_predictor", *command.split()),
        **nowhere,
        **named,
    )
    is_downloaded = command == "data" and not DOWNLOADED.is_file()
    assert done.returncode == (4 if is_downloaded else 0)
    assert imported(done.stderr) <= BY_THEMSELVES[command]


def test_the_help_of_each_command_loads_nothing_but_what_typer_reads_options_with(tmp_path):
    helps = json.dumps([f"{command} --help" for command in COMMANDS])
    done = python(tmp_path, "-c", RUN_EACH, helps)
    for line in done.stdout.splitlines():
        command, code, loaded = json.loads(line)
        assert code == 0, command
        assert set(loaded) & HEAVY <= {"pydantic"}, command
    assert done.stdout.count("\n") == len(COMMANDS)


def test_a_command_on_the_store_loads_no_more_than_the_table_says(
    client, settings: Settings, trained, tmp_path
):
    register(client, settings, trained.run_id)
    write_table(make_table(200), tmp_path / "small.csv")
    done = python(
        tmp_path,
        "-c",
        RUN_EACH,
        json.dumps(list(ON_THE_STORE)),
        MLFLOW_TRACKING_URI=settings.mlflow_tracking_uri,
        MODEL_NAME=settings.model_name,
        RUN_ID=trained.run_id,
        DATA="small.csv",
    )
    ended = {}
    for line in done.stdout.splitlines():
        command, ended[command], loaded = json.loads(line)
        assert set(loaded) & HEAVY <= ON_THE_STORE[command], command
    assert list(ended) == list(ON_THE_STORE), done.stderr
    assert ended == ENDED


def test_make_help_starts_no_interpreter_and_names_every_target(tmp_path):
    done = subprocess.run(
        ["make", "--directory", str(ROOT), "help", "PYTHON=/no/python", f"VENV={tmp_path}/none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "none").exists()
    for target in ("setup", "test", "train", "register", "promote", "rollback", "status", "ui"):
        assert re.search(rf"\b{target}\b", done.stdout)


def test_what_skops_looks_for_is_there_before_the_modules_it_would_look_through(tmp_path):
    done = python(
        tmp_path, "-c", f"{RUN_EACH}\nprint(json.dumps(list(sys.modules)))", '["register"]'
    )
    names = json.loads(done.stdout.splitlines()[-1])
    assert names.index("scipy.special._ufuncs") < names.index("pandas") < names.index("mlflow")
