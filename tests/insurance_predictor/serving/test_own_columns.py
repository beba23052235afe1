"""A version is asked for, checked and quoted by the columns that it was trained on."""

import pandas as pd
import pytest

from insurance_predictor.base.errors import BadInput, IntegrityFault, InvalidTable
from insurance_predictor.model.pair import version_columns
from insurance_predictor.model.run_layout import COLUMNS, MODEL_URI_TAG
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.table.columns import former_columns
from insurance_predictor.table.schema import CURRENT
from tests.own_columns import WITH_DEDUCTIBLE, WITHOUT_REGION, trained_on
from tests.planting import Planted, plant, stored_files

PERSON = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 1,
    "smoker": "no",
}


@pytest.fixture(scope="module")
def older() -> Predictor:
    """Of before the schema got its region."""
    return Predictor("7", trained_on(WITHOUT_REGION).pair)


@pytest.fixture(scope="module")
def lost() -> Predictor:
    """Of a schema that had a deductible."""
    return Predictor("8", trained_on(WITH_DEDUCTIBLE).pair)


def test_a_version_carries_its_columns(client, store, trained, predictor):
    assert predictor.columns == CURRENT
    tags = client.get_run(trained.run_id).data.tags
    files = stored_files(client, trained.run_id, tags[MODEL_URI_TAG])
    assert version_columns(files.run) == CURRENT


def test_columns_that_are_not_those_of_the_training_are_refused(client, store, sample, trained):
    from insurance_predictor.release.candidate import reload

    run_id = plant(client, store, sample, Planted(trained.trained, 1))
    tags = client.get_run(run_id).data.tags
    path = stored_files(client, run_id, tags[MODEL_URI_TAG]).run / COLUMNS
    path.write_text(path.read_text().replace('"southwest"', '"south"'))
    with pytest.raises(IntegrityFault, match=rf"its {COLUMNS} is not the one that was trained"):
        reload(client, store, run_id, tags[MODEL_URI_TAG], tags)


def test_a_version_that_does_not_say_has_the_columns_of_release_0_1(tmp_path):
    assert version_columns(tmp_path) == former_columns()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "features": [3]}'])
def test_columns_that_cannot_be_read_are_an_integrity_fault(tmp_path, text):
    (tmp_path / COLUMNS).write_text(text)
    with pytest.raises(IntegrityFault, match=r"columns\.json cannot be read"):
        version_columns(tmp_path)


def test_a_column_that_came_after_the_version_is_ignored(older):
    assert older.quote(PERSON | {"region": "southeast"}) == older.quote(PERSON)
    people = pd.DataFrame([PERSON | {"region": "southeast"}, PERSON | {"region": "nowhere"}])
    assert older.predict(people)["premium"].tolist() == [older.quote(PERSON).premium] * 2
    with pytest.raises(BadInput, match="shoe is not a known column"):
        older.quote(PERSON | {"shoe": 42})
    with pytest.raises(InvalidTable, match="shoe"):
        older.predict(people.assign(shoe=42))


def test_a_version_that_needs_what_the_schema_has_lost_is_named_with_what_to_do(lost):
    with pytest.raises(BadInput) as error:
        lost.quote(PERSON | {"region": "southeast"})
    assert str(error.value).startswith(
        "Version 8 needs deductible, which the schema has lost. Put it back in "
    )


def test_whoever_still_gives_it_is_quoted(lost):
    person = PERSON | {"region": "southeast", "deductible": 500}
    assert lost.quote(person).premium > 0
    assert len(lost.predict(pd.DataFrame([person]))) == 1
