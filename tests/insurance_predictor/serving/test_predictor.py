"""One path to a premium: a verified version, a checked person, a named caution."""

import joblib
import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import (
    BadInput,
    IntegrityFault,
    InvalidTable,
    NoProductionModel,
    NotFound,
    Unreachable,
)
from insurance_predictor.model.fitting import features
from insurance_predictor.model.run_layout import MODEL_URI_TAG
from insurance_predictor.serving.predictor import check_person, load, load_version
from insurance_predictor.store import versions
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.planting import Planted, plant, stored_files, write_version

PERSON = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 1,
    "smoker": "no",
    "region": "northeast",
}


def test_a_quote_has_a_premium_within_its_interval_and_names_its_version(predictor):
    quote = predictor.quote(PERSON)
    assert 0 < quote.low < quote.premium < quote.high
    assert quote.version == predictor.version == "1"
    assert quote.cautions == ()


def test_the_quote_is_the_one_that_was_trained(predictor, trained):
    expected = trained.trained.pair.predict(pd.DataFrame([PERSON])).to_numpy()[0]
    quote = predictor.quote(PERSON)
    assert np.allclose([quote.premium, quote.low, quote.high], expected, rtol=0, atol=1e-6)


def test_the_order_of_the_person_s_fields_does_not_matter(predictor):
    assert predictor.quote(dict(reversed(PERSON.items()))) == predictor.quote(PERSON)


def test_every_broken_rule_is_named_at_once(predictor):
    wrong = {**PERSON, "age": 17, "bmi": float("nan"), "smoker": "sometimes", "shoe": 42}
    del wrong["region"]
    with pytest.raises(BadInput) as error:
        predictor.quote(wrong)
    for words in (
        "age is 17; it must be a whole number from 18 to 100",
        "bmi is nan",
        "smoker is 'sometimes'; it must be one of no, yes",
        "shoe is not a known column",
        "region is missing",
    ):
        assert words in str(error.value)
    assert error.value.exit_code == 2


def test_a_person_who_keeps_the_rules_is_let_through():
    assert check_person(PERSON) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"age": 90}, ["age"]),
        ({"bmi": 59.0, "children": 12}, ["bmi", "children"]),
        ({"age": 64}, []),
    ],
)
def test_what_the_model_never_saw_is_a_caution_and_not_an_error(predictor, changes, named):
    quote = predictor.quote({**PERSON, **changes})
    assert [caution.column for caution in quote.cautions] == named
    for caution in quote.cautions:
        assert (caution.low, caution.high) == predictor.pair.serving.ranges[caution.column]
        assert f"{caution.column} {changes[caution.column]:g} is outside what" in str(caution)


def test_in_a_table_what_the_model_never_saw_is_named_by_row(predictor):
    people = pd.DataFrame([PERSON, PERSON | {"age": 90, "children": 12}], index=[7, 9])
    named = predictor.outside_range(people)
    assert named.to_dict() == {7: "", 9: "age children"}


def test_the_ends_of_what_the_model_saw_are_no_caution(predictor):
    ends = predictor.pair.serving.ranges
    for end in (0, 1):
        person = PERSON | {
            name: pair[end] if name == "bmi" else int(pair[end]) for name, pair in ends.items()
        }
        assert predictor.quote(person).cautions == ()


def test_a_table_is_quoted_as_each_of_its_people_alone(predictor, trained):
    people = features(trained.trained.holdout).sample(60, random_state=0)
    table = predictor.predict(people[people.columns[::-1]])
    assert table.index.equals(people.index)
    quotes = [predictor.quote(person) for person in people.to_dict("records")]
    alone = [(quote.premium, quote.low, quote.high) for quote in quotes]
    assert np.allclose(table, alone, rtol=0, atol=1e-6)


def test_a_table_that_breaks_the_rules_is_refused_with_row_and_rule(predictor):
    people = pd.DataFrame([PERSON, {**PERSON, "age": 5}])
    with pytest.raises(InvalidTable, match="age"):
        predictor.predict(people)
    with pytest.raises(InvalidTable, match=r"missing: 'bmi'|missing: bmi"):
        predictor.predict(people.drop(columns="bmi"))


def test_without_a_production_version_the_commands_that_make_one_are_named(settings):
    with pytest.raises(NoProductionModel, match="make train register promote"):
        load(settings)


def test_another_alias_can_be_asked_for(client, settings, trained):
    version = write_version(client, settings, trained.run_id)
    versions.set_alias(client, settings, "canary", version.number)
    assert load(settings, "canary").version == "1"
    with pytest.raises(NotFound, match="'nightly'"):
        load(settings, "nightly")


def test_a_store_that_is_not_there_is_unreachable(store, tmp_path):
    gone = store.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9") as error:
        load(gone)
    assert error.value.exit_code == 4


def test_a_swapped_preprocessor_is_refused_and_never_unpickled(
    client, settings, sample, trained, tmp_path
):
    run_id = plant(client, settings, sample, Planted(trained.trained, 1))
    version = write_version(client, settings, run_id)
    versions.set_alias(client, settings, settings.production_alias, version.number)
    assert load(settings).version == "1"
    files = stored_files(client, run_id, client.get_run(run_id).data.tags[MODEL_URI_TAG])
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), files.preprocessor)
    with pytest.raises(IntegrityFault, match=r"Version 1 is refused: .*\.skops is not"):
        load(settings)
    assert not made.exists()
    joblib.load(files.preprocessor)
    assert made.exists()  # so the check above could have failed


def test_a_version_without_digests_cannot_be_loaded(client, settings, trained):
    version = write_version(client, settings, trained.run_id)
    versions.delete_tag(client, settings, version.number, "manifest_sha256")
    with pytest.raises(IntegrityFault, match="Version 1 carries no manifest_sha256"):
        load_version(client, settings, versions.get_version(client, settings, "1"))


def test_a_digest_of_another_run_is_refused(client, settings, trained):
    write_version(client, settings, trained.run_id)
    versions.set_tag(client, settings, "1", "preprocessor_sha256", "0" * 64)
    with pytest.raises(IntegrityFault, match="its preprocessor is not the one"):
        load_version(client, settings, versions.get_version(client, settings, "1"))
