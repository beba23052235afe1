"""Without production to compare with, nothing is approved; what to do is said, and works."""

import json
from pathlib import Path

import joblib
import pytest

from insurance_predictor.base.errors import BadInput, IntegrityFault, RefusedByGate
from insurance_predictor.model.manifest import PREPROCESSOR_TAG
from insurance_predictor.model.run_layout import (
    AGAINST_TAG,
    APPROVED,
    MODEL_URI_TAG,
    REFUSED,
    ROLE,
    ROLE_TAG,
    ROWS_TAG,
    STATUS_TAG,
    TRIED_TAG,
)
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.release.registration import against_production, register
from insurance_predictor.store.ledger import open_line, read_lines
from insurance_predictor.store.status import read_state
from insurance_predictor.store.versions import aliases, get_version
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.insurance_predictor.store.test_versions import execute
from tests.planting import (
    EXPERIMENT,
    Planted,
    Workshop,
    make_former,
    plant,
    stored_files,
    write_version,
)


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


@pytest.fixture
def candidate(client, store, sample, workshop) -> str:
    """A good run that is not what serves."""
    return plant(client, store, sample, workshop.slightly_other)


@pytest.fixture
def broken(client, settings, store, sample, workshop, trained):
    """Version 1 serves no more, version 2 does, and its preprocessor is not as it was trained."""
    write_version(client, settings, trained.run_id)
    run_id = plant(client, store, sample, workshop.slightly_other)
    write_version(client, settings, run_id)
    promote(client, settings, "1")
    promote(client, settings, "2")
    file = stored_files(client, run_id, client.get_run(run_id).data.tags[MODEL_URI_TAG])
    kept = file.preprocessor.read_bytes()
    file.preprocessor.write_bytes(b"something else")
    return lambda: file.preprocessor.write_bytes(kept)


def refused(client, settings, run_id) -> str:
    with pytest.raises(RefusedByGate) as caught:
        register(client, settings, run_id)
    assert caught.value.exit_code == 3
    assert settings.challenger_alias not in aliases(client, settings)
    return str(caught.value)


def test_a_candidate_is_refused_while_production_cannot_be_loaded(
    client, settings, broken, candidate
):
    said = refused(client, settings, candidate)
    assert "production cannot be compared with: Version 2 is refused: its preprocess" in said
    version = get_version(client, settings, "3")
    assert version.status == REFUSED
    assert "production cannot be compared with" in version.tags["gate_reasons"]
    for remedy in (
        "`make rollback`",
        "restore what is missing",
        f"`make register RUN_ID={candidate}`",
        '`make promote VERSION=3 FORCE=1 REASON="..."`',
    ):
        assert remedy in said


def test_after_a_rollback_the_candidate_is_compared_and_approved(
    client, settings, broken, candidate
):
    refused(client, settings, candidate)
    assert rollback(client, settings).after == "1"
    done = register(client, settings, candidate)
    assert against_production(done.version).version == "1"
    assert aliases(client, settings) == {"producao": "1", "desafio": "3"}


def test_once_the_files_are_back_the_candidate_is_compared_again(
    client, settings, broken, store, sample, trained, workshop
):
    other = plant(client, store, sample, workshop.refit(range(0, workshop.rows - 60)))
    refused(client, settings, other)
    broken()
    assert against_production(register(client, settings, other).version).version == "2"


def test_by_force_the_candidate_goes_into_production_and_the_ledger_says_so(
    client, settings, broken, candidate
):
    refused(client, settings, candidate)
    promote(client, settings, "3", force=True, reason="version 2 is lost")
    last = read_lines(client, settings)[-1]
    assert (last.after, last.forced, last.why) == ("3", True, "version 2 is lost")
    assert read_state(client, settings).problems == ()


@pytest.mark.parametrize("gone", ["version", "alias", "run"])
def test_production_that_is_gone_is_the_same_refusal(
    client, settings, trained, candidate, gone, store, sample, workshop
):
    served = plant(client, store, sample, workshop.slightly_other)
    write_version(client, settings, trained.run_id)
    write_version(client, settings, served)
    promote(client, settings, "1")
    promote(client, settings, "2")
    if gone == "version":
        client.delete_model_version(settings.model_name, "2")
    elif gone == "alias":
        client.delete_registered_model_alias(settings.model_name, "producao")
    else:
        execute(
            settings,
            f"UPDATE model_versions SET run_id = '{'0' * 32}' "
            f"WHERE name = '{settings.model_name}' AND version = 2",
        )
    said = refused(client, settings, candidate)
    assert "production cannot be compared with" in said
    assert rollback(client, settings).after == "1"
    register(client, settings, candidate)


def test_an_alias_on_a_version_that_never_existed_is_the_same_refusal(
    client, settings, trained, candidate
):
    write_version(client, settings, trained.run_id)
    promote(client, settings, "1")
    execute(
        settings,
        f"UPDATE registered_model_aliases SET version = 42 WHERE name = '{settings.model_name}'",
    )
    assert "has no version 42" in refused(client, settings, candidate)


@pytest.mark.parametrize("value", [None, "many", "-5", "0", "9" * 5000])
def test_production_with_a_damaged_number_of_rows_is_the_same_refusal(
    client, settings, production, candidate, value
):
    if value is None:
        client.delete_model_version_tag(settings.model_name, "1", ROWS_TAG)
    else:
        client.set_model_version_tag(settings.model_name, "1", ROWS_TAG, value)
    assert "carries no rows_train that is a number of rows" in refused(client, settings, candidate)


def test_a_model_made_anew_starts_without_production(client, settings, production, candidate):
    client.delete_registered_model(settings.model_name)
    done = register(client, settings, candidate)
    assert done.notices[0].startswith("Nothing is in production yet")


def test_a_registration_settles_an_open_line_and_says_so(client, settings, production, candidate):
    open_line(client, settings, action="promote", before="1", after="2", why="power cut")
    done = register(client, settings, candidate)
    assert done.notices[0].endswith("(promote 1 to 2) is settled: the alias has not moved.")
    assert read_state(client, settings).problems == ()


def test_the_challenger_s_alias_cannot_be_the_one_that_serves(
    client, settings, production, candidate
):
    swapped = settings.model_copy(
        update={"production_alias": "staging", "challenger_alias": "producao"}
    )
    with pytest.raises(BadInput, match="CHALLENGER_ALIAS='producao'"):
        register(client, swapped, candidate)
    assert aliases(client, settings) == {"producao": "1"}


def test_a_run_that_only_says_it_is_a_training_is_bad_input(client, settings):
    where = client.get_experiment_by_name(EXPERIMENT)
    where = where.experiment_id if where else client.create_experiment(EXPERIMENT)
    run = client.create_run(where, tags={ROLE_TAG: ROLE})
    client.set_terminated(run.info.run_id)
    with pytest.raises(BadInput, match="is not a finished training"):
        register(client, settings, run.info.run_id)


@pytest.mark.parametrize(
    "written",
    ["", "no json", "[]", "{}", json.dumps({"version": "1", "rmse_difference": "much"})],
)
def test_what_another_client_wrote_of_a_comparison_is_none(client, settings, production, written):
    client.set_model_version_tag(settings.model_name, "1", AGAINST_TAG, written)
    assert against_production(get_version(client, settings, "1")) is None


def test_a_comparison_with_a_field_of_a_later_release_is_read(
    client, settings, production, candidate
):
    version = register(client, settings, candidate).version
    written = json.loads(version.tags[AGAINST_TAG]) | {"of_a_later_release": 267}
    client.set_model_version_tag(settings.model_name, "2", AGAINST_TAG, json.dumps(written))
    assert against_production(get_version(client, settings, "2")) == against_production(version)


# A run that somebody else wrote.


@pytest.fixture
def foreign(client, store, sample, trained, tmp_path) -> tuple[str, Path]:
    """A run as of a release without manifests, with a pickle of its own, and what that makes."""
    made = tmp_path / "made by unpickling"
    evil = Planted(
        trained.trained,
        1,
        forge=lambda files: joblib.dump(WritesWhenUnpickled(made), files.pickled_preprocessor),
    )
    run_id = plant(client, store, sample, evil, store.mlflow_experiment_name)
    make_former(client, run_id)
    return run_id, made


def test_a_pickle_that_nobody_listed_is_not_loaded_whatever_the_tags_say(client, settings, foreign):
    run_id, made = foreign
    said = refused(client, settings, None)
    assert f"(run {run_id}) is refused by the gate" in said
    assert "is a pickle, which runs code when it is loaded" in said
    assert not made.exists()
    assert get_version(client, settings, "1").status == REFUSED
    listed = settings.model_copy(
        update={"trusted_pickles": client.get_run(run_id).data.tags[PREPROCESSOR_TAG]}
    )
    refused(client, listed, None)
    assert made.exists()  # so the check above could have failed


def test_a_promotion_by_force_loads_no_pickle_either(client, settings, foreign):
    run_id, made = foreign
    refused(client, settings, run_id)
    version = get_version(client, settings, "1")
    for tag, value in ((STATUS_TAG, APPROVED), (TRIED_TAG, version.digests.combined)):
        client.set_model_version_tag(settings.model_name, "1", tag, value)
    for force in (False, True):
        with pytest.raises(IntegrityFault, match="is a pickle, which runs"):
            promote(client, settings, "1", force=force, reason="in a hurry")
    assert not made.exists()
    assert aliases(client, settings) == {}


def test_a_foreign_newest_run_stops_nobody_for_ever(
    client, settings, store, sample, workshop, foreign
):
    run_id, _ = foreign
    refused(client, settings, None)
    execute(settings, f"UPDATE runs SET start_time = 4102444800000 WHERE run_uuid = '{run_id}'")
    ours = plant(client, store, sample, workshop.slightly_other, store.mlflow_experiment_name)
    assert register(client, settings, None).version.run_id == ours
