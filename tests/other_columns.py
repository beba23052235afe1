"""The program as teams with other columns run it, on one prediction log."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from insurance_predictor.base.settings import Settings
from tests.predictions import ANA, PATIENCE, process
from tests.repository import ROOT

SIX = "features=(AGE, SEX, BMI, CHILDREN, SMOKER, REGION)"
NEW_COLUMNS = """
DEDUCTIBLE = NumberColumn(
    name="deductible", low=0, high=5000, whole=True, decimals=0, unit={"pt": "R$", "en": "R$"},
    label={"pt": "Franquia", "en": "Deductible"}, help={"pt": "Franquia.", "en": "Deductible."},
)
PRESSURE = NumberColumn(
    name="pressure", low=50, high=250, whole=False, decimals=1, unit={"pt": "mm", "en": "mm"},
    label={"pt": "Pressão", "en": "Pressure"}, help={"pt": "Pressão.", "en": "Pressure."},
    optional=True,
)
PLAN = CategoryColumn(
    name="plan", values=("basic", "full"),
    label={"pt": "Plano", "en": "Plan"}, help={"pt": "Plano.", "en": "Plan."},
    value_labels={"basic": {"pt": "básico", "en": "basic"}, "full": {"pt": "total", "en": "full"}},
)
"""
# A number of a policy that the log keeps, and a note that it does not.
CARRIED_COLUMNS = """
POLICY = CarriedColumn(
    name="policy_number", label={"pt": "Apólice", "en": "Policy"}, also_called=("policy no",),
    logged=True,
)
NOTE = CarriedColumn(name="note", label={"pt": "Nota", "en": "Note"})
"""
NEW_COLUMNS += CARRIED_COLUMNS
CARRYING = "AGE, SEX, BMI, CHILDREN, SMOKER, REGION), carried=(POLICY, NOTE"
WIDER = "AGE, SEX, BMI, CHILDREN, SMOKER, REGION, DEDUCTIBLE, PRESSURE, PLAN"
NARROWER = "AGE, SEX, BMI, CHILDREN, SMOKER"
NEWS = {"deductible": 500, "pressure": 82.5, "plan": "full"}
BEA = ANA | NEWS
WITHOUT_REGION = {name: value for name, value in ANA.items() if name != "region"}

WRITE = """
import json
from insurance_predictor.log.prediction_log import Entry, PredictionLog
amounts = {"premium": 8123.45, "low": 6000.0, "high": 11000.5, "latency_ms": 4.25}
log = PredictionLog(log_settings)
log.write([Entry(source="app", **amounts, **json.loads(sys.argv[3]))])
is_there = log.flush(float(sys.argv[4]))
log.close()
print(is_there)
"""


def program(folder: Path, features: str) -> Path:
    """A program whose `schema.py` says `features`, of the six and NEW_COLUMNS."""
    copy = folder / "insurance_predictor"
    shutil.copytree(ROOT / copy.name, copy, ignore=shutil.ignore_patterns("__pycache__"))
    schema = copy / "table" / "schema.py"
    text = schema.read_text()
    assert SIX in text
    text = text.replace(SIX, f"features=({features})")
    schema.write_text(text.replace("CURRENT = Columns(", f"{NEW_COLUMNS}\nCURRENT = Columns("))
    return folder


def write(
    program: Path | None,
    settings: Settings,
    person: Mapping[str, Any],
    *,
    waits: float = PATIENCE,
    **more: Any,
) -> bool:
    """Log a quote by a process of `program`, None for this one; whether the log has it then."""
    entry = json.dumps({"version": "3", "person": person, **more})
    running = process(WRITE, settings, entry, waits, program=program)
    said = running.communicate(timeout=2 * PATIENCE)[0]
    assert running.returncode == 0
    return said.strip() == "True"
