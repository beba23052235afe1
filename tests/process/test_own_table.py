"""A team edits `schema.py` and nothing else, and its own table goes the whole way."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.outcome import Outcome
from tests.repository import copy_repository

SCHEMA = Path("insurance_predictor") / "table" / "schema.py"
FEATURES = "features=(AGE, SEX, BMI, CHILDREN, SMOKER, REGION)"
PERSON = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 1,
    "smoker": "no",
    "region": "southeast",
}
DEDUCTIBLE = """
DEDUCTIBLE = NumberColumn(
    name="deductible",
    low=0,
    high=5000,
    whole=True,
    decimals=0,
    unit={"pt": "US$ por ano", "en": "US$ a year"},
    label={"pt": "Franquia", "en": "Deductible"},
    help={"pt": "Parte que a pessoa paga.", "en": "What the person pays first."},
    start=1000,
    must_matter=True,
)
"""
OCCUPATIONS = ("clerk", "driver", "farmer", "miner", "nurse", "pilot", "teacher", "none")
OCCUPATION = f"""
OCCUPATION = CategoryColumn(
    name="occupation",
    values={OCCUPATIONS},
    label={{"pt": "Ocupação", "en": "Occupation"}},
    help={{"pt": "O que a pessoa faz.", "en": "What the person does."}},
    value_labels={{name: {{"pt": name, "en": name}} for name in {OCCUPATIONS}}},
)
"""
BLOOD_PRESSURE = """
BLOOD_PRESSURE = NumberColumn(
    name="blood_pressure",
    low=60,
    high=220,
    whole=True,
    decimals=0,
    unit={"pt": "mmHg", "en": "mmHg"},
    label={"pt": "Pressão", "en": "Blood pressure"},
    help={"pt": "Pressão sistólica.", "en": "Systolic blood pressure."},
    optional=True,
)
"""


@dataclass(frozen=True)
class OwnTable:
    """What a team says of its columns, what its charges are, and somebody to be quoted."""

    declared: str
    features: str
    charges: Callable[[pd.DataFrame], pd.Series]
    person: Mapping[str, Any]
    changes: tuple[tuple[str, str], ...] = ()  # of words that stand once in the file
    target: str = "charges"
    # What people are like when they are others than before, and how that is told.
    drifted: tuple[Mapping[str, Any], str] = ({"bmi": 39.5}, "IMC")

    def edit(self, schema: str) -> str:
        for before, after in self.changes:
            assert schema.count(before) == 1
            schema = schema.replace(before, after)
        assert FEATURES in schema
        schema = schema.replace(FEATURES, f"features=({self.features})")
        return schema.replace("CURRENT = Columns(", f"{self.declared}\nCURRENT = Columns(")


def dearer_by_occupation(table: pd.DataFrame) -> pd.Series:
    return table["charges"] + 1_500 * table["occupation"].isin(["miner", "pilot"])


def dearer_by_blood_pressure(table: pd.DataFrame) -> pd.Series:
    known = pd.to_numeric(table["blood_pressure"], errors="coerce")
    return table["charges"] + (30 * (known - 120)).fillna(0).clip(lower=0)


def cheaper_by_deductible(table: pd.DataFrame) -> pd.Series:
    return table["charges"] + 4_000 - 0.8 * table["deductible"]


OWN_TABLES = {
    "deductible": OwnTable(
        DEDUCTIBLE,
        "AGE, SEX, BMI, CHILDREN, SMOKER, REGION, DEDUCTIBLE",
        cheaper_by_deductible,
        PERSON | {"deductible": 500},
        drifted=({"deductible": 4_900}, "Franquia"),
    ),
    "without region": OwnTable(
        "",
        "AGE, SEX, BMI, CHILDREN, SMOKER",
        lambda table: table["charges"],
        {name: value for name, value in PERSON.items() if name != "region"},
    ),
    "occupation": OwnTable(
        OCCUPATION,
        "OCCUPATION, AGE, SEX, BMI, CHILDREN, SMOKER, REGION",
        dearer_by_occupation,
        PERSON | {"occupation": "pilot"},
        drifted=({"occupation": "farmer"}, "Ocupação"),
    ),
    "deductible and occupation": OwnTable(
        DEDUCTIBLE + OCCUPATION,
        "AGE, DEDUCTIBLE, SEX, BMI, CHILDREN, SMOKER, REGION, OCCUPATION",
        lambda table: cheaper_by_deductible(table.assign(charges=dearer_by_occupation(table))),
        PERSON | {"deductible": 500, "occupation": "none"},
        drifted=({"deductible": 4_900, "occupation": "farmer"}, "Ocupação"),
    ),
    "optional blood pressure": OwnTable(
        BLOOD_PRESSURE,
        "AGE, SEX, BMI, CHILDREN, SMOKER, REGION, BLOOD_PRESSURE",
        dearer_by_blood_pressure,
        PERSON,
        drifted=({"blood_pressure": 210}, "Pressão"),
    ),
    "premio_anual in BRL": OwnTable(
        "",
        "AGE, SEX, BMI, CHILDREN, SMOKER, REGION",
        lambda table: 5.5 * table["premio_anual"],
        PERSON,
        (
            ('name="charges"', 'name="premio_anual"'),
            ('currency="USD"', 'currency="BRL"'),
            (
                'unit={"pt": "US$ por ano", "en": "US$ a year"}',
                'unit={"pt": "R$ por ano", "en": "R$ a year"}',
            ),
        ),
        "premio_anual",
    ),
}

QUOTES = """
import json, sys
from insurance_predictor.base.settings import read_settings
from insurance_predictor.serving.predictor import load

predictor = load(read_settings())
print(json.dumps([predictor.quote(person).premium for person in json.loads(sys.argv[1])]))
"""


QUOTED_TABLE = """
import sys
import pandas as pd
from insurance_predictor.base.settings import read_settings
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.predictor import load
from insurance_predictor.serving.quoting import quote_table

settings = read_settings()
predictor = load(settings)
people = pd.read_csv(sys.argv[1], keep_default_na=False)[list(predictor.columns.feature_names)]
with PredictionLog(settings) as log:
    quote_table(predictor, people, log, "batch")
    assert log.flush(60)
"""


class Team:
    """A copy of the repository, in which a team has edited the one file."""

    def __init__(self, folder: Path, own: OwnTable) -> None:
        self.folder, self.own = folder, own
        copy_repository(folder)
        schema = folder / SCHEMA
        schema.write_text(own.edit(schema.read_text()))
        self.run("synthetic", "--output", "own.csv", "--rows", "1200", "--seed", "3")
        table = pd.read_csv(folder / "own.csv", keep_default_na=False)
        self.write(table.assign(**{own.target: own.charges(table).round(2).clip(lower=100)}))

    def write(self, table: pd.DataFrame) -> None:
        table.to_csv(self.folder / "own.csv", index=False)

    def read(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "own.csv", keep_default_na=False)

    def run(self, *words: str) -> Outcome:
        """One command as it is typed there; whatever comes of it, without a traceback."""
        done = self._ran("-m", "insurance_predictor", *words)
        assert "Traceback" not in done.err, done.err
        return done

    def _ran(self, *words: str) -> Outcome:
        done = subprocess.run(
            [self.folder / ".venv" / "bin" / "python", *words],
            cwd=self.folder,
            env=os.environ | {"DATA": "own.csv", "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def monitor(self) -> Outcome:
        """What `make monitor` does."""
        done = self._ran("-m", "monitoring", "run")
        assert "Traceback" not in done.err, done.err
        return done

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.code == 0, f"{words}\n{done.out}\n{done.err}"
        return done.out

    def options(self, **changes: Any) -> list[str]:
        person = {**self.own.person, **changes}
        return [f"--{name.replace('_', '-')}={value}" for name, value in person.items()]

    def premiums(self, *changes: Mapping[str, Any]) -> list[float]:
        """Of the person as they are and with each of `changes`, by the version that serves."""
        persons = [{**self.own.person, **each} for each in ({}, *changes)]
        told = self.ok_python(QUOTES, json.dumps(persons))
        quoted: list[float] = json.loads(told)
        return quoted

    def ok_python(self, script: str, *words: str) -> str:
        done = self._ran("-c", script, *words)
        assert done.code == 0, done.err
        return done.out


@pytest.fixture(scope="module", params=sorted(OWN_TABLES))
def team(request, tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"), OWN_TABLES[request.param])


@pytest.fixture(scope="module")
def serving(team: Team) -> Team:
    """With a version in production that the gate has approved."""
    assert "own.csv can be used: 1," in team.ok("check-data")
    team.ok("train")
    assert "is approved" in team.ok("register")
    team.ok("promote")
    return team


def test_an_own_table_goes_from_its_file_to_a_quote(serving: Team):
    quoted = json.loads(serving.ok("predict", "--json", *serving.options()))
    assert quoted["low"] < quoted["premium"] < quoted["high"]
    sign = "R$" if serving.own.target == "premio_anual" else "US$"
    assert serving.ok("predict", *serving.options()).startswith(f"{sign} {quoted['premium']:,.2f} ")


def test_what_charges_depend_on_moves_the_premium(serving: Team):
    premium, smoking = serving.premiums({"smoker": "yes"})
    assert smoking > premium
    if "deductible" in serving.own.person:
        assert serving.premiums({"deductible": 4_500})[1] < premium - 2_000
    if "occupation" in serving.own.person:
        _, miner, clerk = serving.premiums({"occupation": "miner"}, {"occupation": "clerk"})
        assert miner > clerk + 500
    if "BLOOD_PRESSURE" in serving.own.features:
        _, high, normal = serving.premiums({"blood_pressure": 200}, {"blood_pressure": 110})
        assert high > normal + 500


def test_a_value_that_is_not_allowed_is_told_by_its_column(serving: Team):
    wrong = {"deductible": -1, "occupation": "astronaut", "age": 17}
    for name in wrong.keys() & serving.own.person.keys():
        refused = serving.run("predict", *serving.options(**{name: wrong[name]}))
        assert refused.code == 2
        assert f"{name} is {wrong[name]!r}; it must be" in refused.err


def test_drift_in_the_column_becomes_an_incident_and_a_report(serving: Team):
    drifted, label = serving.own.drifted
    people = serving.read().head(500).assign(**drifted)
    people.to_csv(serving.folder / "quoted.csv", index=False)
    serving.ok_python(QUOTED_TABLE, "quoted.csv")
    monitored = serving.monitor()
    assert monitored.code == 10, monitored.err
    assert label in monitored.out
    [report] = (serving.folder / ".cache" / "reports").rglob("report.html")
    assert label in report.read_text()


def test_a_candidate_that_ignores_what_must_matter_is_refused(tmp_path: Path):
    team = Team(tmp_path, OWN_TABLES["deductible"])
    team.write(team.read().assign(deductible=1_000))  # so nobody can learn what it is worth
    team.ok("train")
    refused = team.run("register")
    assert refused.code == 3
    assert "the quotes ignore deductible" in refused.err
