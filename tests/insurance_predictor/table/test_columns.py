"""Columns of any table: what they allow, what made-up people have of them, how they are kept."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.check import check_table
from insurance_predictor.table.columns import (
    CarriedColumn,
    CategoryColumn,
    Columns,
    NumberColumn,
    former_columns,
)
from insurance_predictor.table.schema import AGE, BMI, CHARGES, CURRENT, REGION, SMOKER
from insurance_predictor.table.synthetic import make_table

WORDS = {"pt": "palavras", "en": "words"}
DEDUCTIBLE = NumberColumn("deductible", 0, 5_000, True, 0, WORDS, WORDS, WORDS)
PRESSURE = NumberColumn("pressure", 60, 220, True, 0, WORDS, WORDS, WORDS, optional=True)
POLICY = CarriedColumn("policy_number", WORDS, also_called=("policy no",), logged=True)
JOBS = ("clerk", "NA", "none")
JOB = CategoryColumn("job", JOBS, WORDS, WORDS, dict.fromkeys(JOBS, WORDS), optional=True)
OWN = Columns((*CURRENT.features, DEDUCTIBLE, PRESSURE, JOB), CHARGES)
PERSON = {
    "age": 40,
    "sex": "male",
    "bmi": 22.5,
    "children": 0,
    "smoker": "no",
    "region": "southeast",
}


def test_columns_are_the_same_after_they_were_kept():
    assert Columns.from_json(OWN.to_json()) == OWN


def test_what_a_later_release_says_of_a_column_is_not_looked_at():
    later = OWN.to_json().replace('"kind": "number",', '"kind": "number", "mood": "good",')
    assert Columns.from_json(later) == OWN


def test_the_columns_of_release_0_1_are_known_whatever_the_schema_says_today():
    former = former_columns()
    assert former.names == ("age", "sex", "bmi", "children", "smoker", "region", "charges")
    assert former.group is not None
    assert former.group.values == ("no", "yes")


@pytest.mark.parametrize(
    ("features", "target", "fault"),
    [
        ((), CHARGES, "there is no feature"),
        ((AGE, AGE), CHARGES, "age is there more than once"),
        (
            (AGE, replace(BMI, name="policy_no"), replace(BMI, name="policyno")),
            CHARGES,
            "a file cannot tell policy_no and policyno apart: give one another name",
        ),
        ((AGE,), replace(CHARGES, name="age"), "age is there more than once"),
        ((replace(AGE, name="Âge"),), CHARGES, "is no name for a column"),
        ((replace(AGE, name="premium"),), CHARGES, "or is taken"),
        ((CHARGES,), replace(CHARGES, name="cost"), "charges needs finite limits"),
        ((SMOKER, replace(SMOKER, name="other")), CHARGES, "only one column can be the group"),
        ((replace(SMOKER, optional=True),), CHARGES, "smoker is a group: it cannot be optional"),
        ((AGE,), replace(CHARGES, optional=True), "the target charges cannot be optional"),
    ],
)
def test_columns_that_contradict_each_other_are_refused_with_what_is_wrong(features, target, fault):
    with pytest.raises(ValueError, match=fault):
        Columns(features, target)


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        (replace(AGE, low=None), "age needs two numbers as limits, low below high"),
        (replace(AGE, low=100, high=18), "age needs two numbers as limits, low below high"),
        (replace(AGE, high=99.5), "age is whole: its limits must be whole numbers"),
        (replace(AGE, usual=(18, 200)), "age has usual=.18, 200.: give two numbers within"),
        (replace(AGE, usual=(64, 18)), "age has usual=.64, 18.: give two numbers within"),
        (replace(AGE, bands=(30, 18)), "age has bands=.30, 18.: give numbers, each above"),
        (replace(AGE, start=17), "age has start=17: it must be a whole number from 18 to 100"),
        (replace(AGE, digits=-1), "age has digits=-1: give a whole number from 0"),
        (replace(AGE, label={"en": "Age"}), r"age has no label in Portuguese \(pt\)"),
        (replace(AGE, help={"pt": "Idade.", "en": " "}), r"age has no help in English \(en\)"),
        (
            replace(AGE, unit="years"),
            r"age has no unit in Portuguese .*; age has no unit",
        ),
        (replace(AGE, also_called="idade"), "age needs also_called=.*, other names of the column"),
        (replace(AGE, name="ctid"), "'ctid' is a name that PostgreSQL keeps for itself"),
        (replace(JOB, values=("clerk")), "job needs values=.*, words without spaces around them"),
        (replace(JOB, values=("clerk", " NA")), "job needs values=.*, words without spaces around"),
        (replace(JOB, values=("clerk", "clerk")), "job has the value 'clerk' more than once"),
        (
            replace(JOB, value_labels={"clerk": WORDS, "none": WORDS}),
            r"job has no label of its value 'NA' in Portuguese \(pt\)",
        ),
        (
            replace(JOB, value_labels={job: {"pt": "palavra"} for job in JOBS}),
            r"job has no label of its value 'clerk' in English \(en\)",
        ),
        (
            replace(JOB, also_written={"pilot": ("p",)}),
            "job has also_written for 'pilot', which",
        ),
        (replace(JOB, also_written={"clerk": "c"}), "job needs also_written=.*, other spellings"),
        (replace(JOB, start="pilot"), "job has start='pilot': it must be one of clerk, NA, none"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused_with_what_is_wrong(column, fault):
    with pytest.raises(ValueError, match=fault):
        Columns((column,), CHARGES)


def test_many_faults_are_counted():
    job = replace(JOB, values=tuple("abc"), value_labels={})
    with pytest.raises(ValueError, match=r"\(pt\); and 3 more$"):
        Columns((job, replace(AGE, label={})), CHARGES)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"features": AGE, "target": CHARGES}, "with a comma after a single one"),
        ({"features": (AGE,), "target": SMOKER}, "the target must be a NumberColumn"),
        ({"features": (AGE, POLICY), "target": CHARGES}, "a CarriedColumn stands in carried"),
        ({"features": (AGE,), "target": CHARGES, "carried": (BMI,)}, "stands in carried, every"),
        (
            {"features": (AGE,), "target": CHARGES, "carried": (replace(POLICY, name="age"),)},
            "age is there more than once",
        ),
        (
            {"features": (AGE,), "target": CHARGES, "carried": (replace(POLICY, label={}),)},
            r"policy_number has no label in Portuguese \(pt\)",
        ),
    ],
)
def test_columns_that_are_no_table_are_refused(given, fault):
    with pytest.raises(ValueError, match=fault):
        Columns(**given)


def test_what_a_version_keeps_is_taken_although_more_is_asked_today():
    kept = json.loads(OWN.to_json())
    del kept["features"][-1]["value_labels"]["NA"]["pt"]
    kept["features"][0]["name"] = "xmin"
    columns = Columns.from_json(json.dumps(kept))
    assert columns.feature_names[0] == "xmin"


def test_made_up_people_have_values_between_the_usual_ends():
    assert AGE.usual_values == tuple(range(18, 65, 2))
    assert BMI.usual_values == tuple(float(bmi) for bmi in range(16, 55, 2))
    assert len(DEDUCTIBLE.usual_values) <= 24
    assert all(DEDUCTIBLE.allows(value) for value in DEDUCTIBLE.usual_values)
    assert PRESSURE.tried_values[-1] is None


def test_a_person_may_leave_out_only_what_is_optional():
    assert OWN.violations(PERSON | {"deductible": 0}) == ()
    assert OWN.violations(PERSON | {"deductible": 0, "pressure": None, "job": None}) == ()
    assert OWN.violations(PERSON) == ("deductible is missing",)
    assert OWN.violations(PERSON | {"deductible": None, "job": "pilot"}) == (
        "deductible is None; it must be a whole number from 0 to 5000",
        "job is 'pilot'; it must be one of clerk, NA, none, or missing",
    )


def test_an_empty_cell_is_missing_and_a_word_that_looks_so_is_not(tmp_path):
    table = make_table(300, 1, OWN)
    assert 0.2 < table["pressure"].isna().mean() < 0.4
    assert {"NA", "none"} <= set(table["job"].dropna())
    text = table.astype(object).where(table.notna(), "").astype(str)
    pd.testing.assert_frame_equal(check_table(text, OWN.all), table)
    table.to_csv(tmp_path / "rows.csv", index=False)
    kept = OWN.read_csv(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(kept, table)


def test_what_cannot_be_read_is_not_missing():
    table = make_table(3, 1, OWN).astype(object).assign(pressure=["high", 90, ""], deductible="")
    with pytest.raises(InvalidTable) as caught:
        check_table(table, OWN.all)
    told = str(caught.value)
    assert "has 4 values that cannot be used" in told
    assert "row 0, pressure: 'high' is not a whole number from 60 to 220, or missing" in told


def test_a_new_column_changes_no_value_of_the_others():
    known, own = make_table(200, 5), make_table(200, 5, OWN)
    pd.testing.assert_frame_equal(own[list(CURRENT.names)], known)
    fewer = Columns(CURRENT.features[:-1], replace(CHARGES, name="cost"))
    made = make_table(200, 5, fewer)
    np.testing.assert_array_equal(made["cost"], known["charges"])
    assert "region" not in made


@pytest.mark.parametrize("column", [DEDUCTIBLE, replace(JOB, optional=False), PRESSURE, JOB])
def test_an_own_column_of_any_kind_costs_no_other_a_draw(column):
    own = make_table(200, 5, Columns((column, *CURRENT.features), CHARGES))
    pd.testing.assert_frame_equal(own[list(CURRENT.names)], make_table(200, 5))
    assert column.fits(own[column.name].dropna()).all()
    assert own[column.name].isna().any() == column.optional
    assert set(own[column.name].dropna()) >= set(getattr(column, "values", ()))
    other = make_table(200, 5, Columns((REGION, column), CHARGES))
    pd.testing.assert_series_equal(other[column.name], own[column.name])


def test_a_carried_column_is_no_part_of_a_synthetic_table_nor_of_a_version():
    carrying = replace(CURRENT, carried=(POLICY,))
    pd.testing.assert_frame_equal(make_table(200, 5, carrying), make_table(200, 5))
    assert carrying.to_json() == CURRENT.to_json()
    assert Columns.from_json(carrying.to_json()) == CURRENT


def test_the_synthetic_table_of_a_seed_never_changes():
    text = make_table(777, 5).to_csv(index=False, lineterminator="\n")
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest.startswith("687b4a79bae71f1422dbf9553592c8de")  # pragma: allowlist secret
