"""Teams that edit `schema.py` and nothing else: their columns, tables, people, and a copy each."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from insurance_predictor.base.words import Language
from insurance_predictor.table.schema import CURRENT, CategoryColumn
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


DEDUCTIBLE_LABELS = {"pt": "Franquia", "en": "Deductible"}
OCCUPATION_LABELS = {"pt": "Ocupação", "en": "Occupation"}
PRESSURE_LABELS = {"pt": "Pressão", "en": "Blood pressure"}


def as_csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False)


def as_brazilians_write(table: pd.DataFrame) -> str:
    """With the Portuguese names of columns and values, and a comma before the decimals."""
    labels = {column.name: column.label["pt"] for column in CURRENT.features}
    words = {
        column.name: {value: labels["pt"] for value, labels in column.value_labels.items()}
        for column in CURRENT.features
        if isinstance(column, CategoryColumn)
    }
    said = table.replace(words).rename(columns=labels | {"premio_anual": "Prêmio anual"})
    return said.to_csv(index=False, sep=";", decimal=",")


@dataclass(frozen=True)
class OwnTable:
    """What a team says of its columns, what its charges are, and somebody to be quoted."""

    declared: str
    features: str
    charges: Callable[[pd.DataFrame], pd.Series]
    person: Mapping[str, Any]
    changes: tuple[tuple[str, str], ...] = ()  # of words that stand once in the file
    target: str = "charges"
    # Of the columns that are new, in both languages.
    labels: Mapping[str, Mapping[Language, str]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    # What a file may not hold, and what people are like when they are others than before.
    wrong: Mapping[str, Any] = field(default_factory=lambda: {"age": 17})
    drifted: Mapping[str, Any] = field(default_factory=lambda: {"bmi": 39.5})
    written: Callable[[pd.DataFrame], str] = as_csv

    @property
    def watched(self) -> tuple[str, Mapping[Language, str]]:
        """The column that drifts, and its labels."""
        name = next(iter(self.drifted))
        return name, self.labels.get(name, {"pt": "IMC", "en": "BMI"})

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


UNCHANGED = OwnTable(
    "", "AGE, SEX, BMI, CHILDREN, SMOKER, REGION", lambda table: table["charges"], PERSON
)
OWN_TABLES = {
    "deductible": OwnTable(
        DEDUCTIBLE,
        "AGE, SEX, BMI, CHILDREN, SMOKER, REGION, DEDUCTIBLE",
        cheaper_by_deductible,
        PERSON | {"deductible": 500},
        labels={"deductible": DEDUCTIBLE_LABELS},
        wrong={"deductible": -1},
        drifted={"deductible": 4_900},
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
        labels={"occupation": OCCUPATION_LABELS},
        wrong={"occupation": "astronaut"},
        drifted={"occupation": "farmer"},
    ),
    "deductible and occupation": OwnTable(
        DEDUCTIBLE + OCCUPATION,
        "AGE, DEDUCTIBLE, SEX, BMI, CHILDREN, SMOKER, REGION, OCCUPATION",
        lambda table: cheaper_by_deductible(table.assign(charges=dearer_by_occupation(table))),
        PERSON | {"deductible": 500, "occupation": "none"},
        labels={"deductible": DEDUCTIBLE_LABELS, "occupation": OCCUPATION_LABELS},
        wrong={"deductible": -1, "occupation": "astronaut"},
        drifted={"occupation": "farmer", "deductible": 4_900},
    ),
    "optional blood pressure": OwnTable(
        BLOOD_PRESSURE,
        "AGE, SEX, BMI, CHILDREN, SMOKER, REGION, BLOOD_PRESSURE",
        dearer_by_blood_pressure,
        PERSON | {"blood_pressure": 130},
        labels={"blood_pressure": PRESSURE_LABELS},
        optional=("blood_pressure",),
        wrong={"blood_pressure": 300},
        drifted={"blood_pressure": 210},
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
        written=as_brazilians_write,
    ),
}


class Team:
    """A copy of the repository, in which a team has edited the one file."""

    def __init__(self, folder: Path, own: OwnTable, **environment: str) -> None:
        self.folder, self.own, self.environment = folder, own, environment
        copy_repository(folder)
        schema = folder / SCHEMA
        schema.write_text(own.edit(schema.read_text()))
        self.run("synthetic", "--output", "own.csv", "--rows", "1200", "--seed", "3")
        made = pd.read_csv(folder / "own.csv", keep_default_na=False)
        self.table = made.assign(**{own.target: own.charges(made).round(2).clip(lower=100)})
        self.write(self.table)

    def write(self, table: pd.DataFrame) -> None:
        (self.folder / "own.csv").write_text(self.own.written(table))

    def run(self, *words: str) -> Outcome:
        """One command as it is typed there; whatever comes of it, without a traceback."""
        return self._ran("insurance_predictor", *words)

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.code == 0, f"{words}\n{done.out}\n{done.err}"
        return done.out

    def monitor(self, **environment: str) -> Outcome:
        """What `make monitor` does."""
        return self._ran("monitoring", "run", **environment)

    def options(self, person: Mapping[str, Any]) -> list[str]:
        return [f"--{name.replace('_', '-')}={value}" for name, value in person.items()]

    @contextmanager
    def app(self) -> Iterator["App"]:
        """The app there, as long as the block runs."""
        with (
            (self.folder / "app.log").open("w") as errors,
            subprocess.Popen(
                [self._python, "-m", "tests.process.own_app"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            yield App(self, process)
            process.communicate()

    def _ran(self, module: str, *words: str, **environment: str) -> Outcome:
        done = subprocess.run(
            [self._python, "-m", module, *words],
            cwd=self.folder,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    @property
    def _python(self) -> Path:
        return self.folder / ".venv" / "bin" / "python"

    @property
    def _environment(self) -> dict[str, str]:
        ours = {"DATA": "own.csv", "PYTHONPATH": str(self.folder)}
        return os.environ | ours | self.environment


@dataclass(frozen=True)
class App:
    """A team's app, in a process of its own; see `tests.process.own_app` for what it is asked."""

    team: Team
    process: "subprocess.Popen[str]"

    def form(self, language: Language, person: Mapping[str, Any]) -> dict[str, Any]:
        return self._asked(task="form", language=language, person=person)

    def batch(self, language: Language, people: pd.DataFrame) -> dict[str, Any]:
        """With a file as the team writes it."""
        return self.upload(language, self.team.own.written(people))

    def upload(self, language: Language, content: str) -> dict[str, Any]:
        return self._asked(task="batch", language=language, name="people.csv", content=content)

    def template(self) -> str:
        return str(self._asked(task="template")["content"])

    def watch(self, language: Language, feature: str) -> dict[str, Any]:
        return self._asked(task="watch", language=language, feature=feature)

    def refresh(self) -> str:
        return str(self._asked(task="refresh")["version"])

    def premiums(self, *changes: Mapping[str, Any]) -> list[float]:
        """Of the team's person as they are and with each of `changes`, from a file of them."""
        people = [{**self.team.own.person, **each} for each in ({}, *changes)]
        told = self.batch("en", pd.DataFrame(people, dtype=object))
        assert told["faults"] == []
        return [row["premium"] for row in told["rows"]]

    def _asked(self, **task: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.team.folder / "app.log").read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer
