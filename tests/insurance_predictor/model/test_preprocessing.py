"""Raw columns become the model's columns the same way for one person, a table, and any order."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from insurance_predictor.model.preprocessing import (
    EFFECTS,
    MANY,
    CategoryEncoder,
    Effects,
    make_preprocessor,
)
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table

PERSON = {
    "age": 40,
    "sex": "male",
    "bmi": 31.0,
    "children": 2,
    "smoker": "yes",
    "region": "southwest",
}


def effects_of(**changes: object) -> dict[str, float]:
    people = pd.DataFrame([PERSON | changes])
    return dict(zip(EFFECTS, Effects().fit_transform(people)[0], strict=True))


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return make_table(300, seed=1)[list(FEATURE_NAMES)]


@pytest.fixture(scope="module")
def preprocessor(people):
    return make_preprocessor().fit(people)


def test_the_effects_of_a_smoker_are_as_documented():
    assert effects_of() == {
        "age_squared": 16.0,
        "children": 2.0,
        "smoker": 1.0,
        "smoker_bmi": 16.0,
        "smoker_obese": 1.0,
    }


def test_bmi_matters_only_to_those_who_smoke():
    slim, heavy = effects_of(smoker="no", bmi=20.0), effects_of(smoker="no", bmi=50.0)
    assert slim == heavy


@pytest.mark.parametrize(("bmi", "obese"), [(29.99, 0.0), (30.0, 0.0), (30.01, 1.0)])
def test_obesity_begins_above_thirty(bmi, obese):
    assert effects_of(bmi=bmi)["smoker_obese"] == obese


@pytest.mark.parametrize(
    ("beyond", "edge"),
    [
        ({"bmi": 60.0}, {"bmi": 55.0}),
        ({"bmi": 10.0}, {"bmi": 15.0}),
        ({"children": 20}, {"children": 5}),
    ],
)
def test_beyond_what_tables_show_an_effect_stays_at_its_edge(beyond, edge):
    assert effects_of(**beyond) == effects_of(**edge)


def test_columns_are_named_and_scaled(preprocessor, people):
    made = preprocessor.transform(people)
    assert tuple(made.columns) == tuple(preprocessor.get_feature_names_out())
    assert list(made.columns[:5]) == list(EFFECTS)
    np.testing.assert_allclose(made.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(made.std(ddof=0), 1, atol=1e-9)


def test_order_of_rows_and_columns_and_extra_columns_do_not_matter(preprocessor, people):
    expected = preprocessor.transform(people)
    shuffled = people.iloc[::-1, ::-1].assign(note="not ours")
    pd.testing.assert_frame_equal(preprocessor.transform(shuffled).iloc[::-1], expected)


def test_one_person_gets_the_same_columns_as_in_a_table(preprocessor, people):
    whole = preprocessor.transform(people)
    pd.testing.assert_frame_equal(preprocessor.transform(people.iloc[[7]]), whole.iloc[[7]])


def test_an_unknown_category_is_an_error_not_a_zero(preprocessor):
    with pytest.raises(ValueError, match="unknown categories"):
        preprocessor.transform(pd.DataFrame([PERSON | {"region": "north"}]))


def test_a_stored_preprocessor_gives_the_same_columns(preprocessor, people):
    file = io.BytesIO()
    joblib.dump(preprocessor, file)
    file.seek(0)
    pd.testing.assert_frame_equal(
        joblib.load(file).transform(people), preprocessor.transform(people)
    )


@pytest.mark.parametrize("kind", ["str", "object", "category"])
@pytest.mark.parametrize("output", ["pandas", "default"])
def test_many_people_are_encoded_as_scikit_learn_does_it(kind: str, output: str) -> None:
    people = make_table(5 * MANY, seed=4)[["sex", "region"]].astype(kind)
    people.index = people.index[::-1] * 2
    values = [["female", "male"], ["northeast", "northwest", "southeast", "southwest"]]
    own, plain = (
        made(categories=values, drop="first", sparse_output=False).set_output(transform=output)
        for made in (CategoryEncoder, OneHotEncoder)
    )
    found = own.fit(people.head()).transform(people)
    expected = plain.fit(people.head()).transform(people)
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)
    if output == "pandas":
        pd.testing.assert_frame_equal(found, expected)


def test_one_word_that_nobody_knows_among_many_people_is_refused() -> None:
    people = make_table(5 * MANY, seed=4)[["region"]]
    encoder = CategoryEncoder(categories=[sorted(set(people["region"]))]).fit(people)
    people.loc[4321, "region"] = "atlantis"
    with pytest.raises(ValueError, match="atlantis"):
        encoder.transform(people)
