"""Register, promote and roll back: what moves, what is written down, and what is refused."""

import json

import joblib
import pytest

from insurance_predictor.base.errors import (
    BadInput,
    IntegrityFault,
    NoProductionModel,
    NotFound,
    RefusedByGate,
)
from insurance_predictor.base.settings import GateThresholds, Settings
from insurance_predictor.model.manifest import MANIFEST_TAG, file_sha256
from insurance_predictor.model.run_layout import (
    APPROVED,
    MANIFEST,
    MODEL_URI_TAG,
    REFUSED,
    ROLE,
    ROLE_TAG,
    SERVING,
    TRIED_TAG,
)
from insurance_predictor.release.promotion import Move, promote, rollback, set_alias
from insurance_predictor.release.registration import against_production, find_run, register
from insurance_predictor.serving.predictor import load_version
from insurance_predictor.store import ledger, versions
from insurance_predictor.store.ledger import open_line, read_lines
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import experiment_id
from insurance_predictor.store.versions import aliases, get_version
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.insurance_predictor.store.test_versions import execute
from tests.planting import Workshop, linear, plant, stored_files, write_version


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


@pytest.fixture(scope="module")
def good_run(client, store, sample, workshop) -> str:
    return plant(client, store, sample, workshop.slightly_other)


@pytest.fixture(scope="module")
def bad_run(client, store, sample, workshop) -> str:
    columns = tuple(workshop.pair.preprocessor.get_feature_names_out())
    return plant(client, store, sample, workshop.with_model(linear(columns, 0.0, -5_000.0)))


@pytest.fixture
def spoilt(client, store, sample, workshop):
    """A function that plants a good run, and one that tampers with its preprocessor."""
    run_id = plant(client, store, sample, workshop.slightly_other)

    def tamper(content=b"something else"):
        source = client.get_run(run_id).data.tags[MODEL_URI_TAG]
        stored_files(client, run_id, source).preprocessor.write_bytes(content)

    return run_id, tamper


@pytest.fixture
def three(client, settings, trained) -> Settings:
    """Three approved versions, none of which serves."""
    for _ in range(3):
        write_version(client, settings, trained.run_id)
    return settings


def serving(client, settings):
    return aliases(client, settings).get(settings.production_alias)


def moves(client, settings):
    return [(line.action, line.before, line.after) for line in read_lines(client, settings)]


# Registration.


def test_the_first_approved_run_becomes_the_challenger_and_says_what_it_is(
    client, settings, trained, sample
):
    done = register(client, settings, trained.run_id)
    assert done.version.number == "1"
    assert done.decision.approved
    assert done.notices == ("Nothing is in production yet: only the absolute rules were applied.",)
    assert aliases(client, settings) == {settings.challenger_alias: "1"}
    version = get_version(client, settings, "1")
    run_tags = client.get_run(trained.run_id).data.tags
    assert version.status == APPROVED
    assert version.run_id == trained.run_id
    assert sample.fingerprint.startswith(version.tags["versao_dataset"])
    for name in ("git_commit", "candidate", "preprocessor_sha256", "manifest_sha256", "rows_train"):
        assert version.tags[name] == run_tags[name]
    rmse = trained.trained.evaluation.overall["rmse"].value
    assert version.metrics["rmse"] == pytest.approx(rmse)
    assert set(version.metrics) == {"rmse", "mae", "r2", "median_absolute_error", "total_bias"}
    assert f"Hold-out RMSE US$ {rmse:,.0f}" in version.description


def test_by_default_the_last_finished_training_is_registered(client, settings, sample, workshop):
    ours = settings.model_copy(update={"mlflow_experiment_name": settings.model_name})
    first, last = (
        plant(client, ours, sample, workshop.slightly_other, ours.model_name) for _ in range(2)
    )
    where = experiment_id(client, ours.model_name, ours)
    for role, status in (("trial", "FINISHED"), (ROLE, "FAILED")):
        run = client.create_run(where, tags={ROLE_TAG: role})
        client.set_terminated(run.info.run_id, status=status)
    assert find_run(client, ours, None, production=False).info.run_id == last != first
    assert register(client, ours, None).version.run_id == last
    assert register(client, ours, first).version.number == "2"


@pytest.mark.parametrize("production", [False, True])
def test_without_a_training_there_is_nothing_to_register(client, settings, production):
    name = f"{settings.model_name}_empty"
    key = "production_experiment_name" if production else "mlflow_experiment_name"
    empty = settings.model_copy(update={key: name})
    with pytest.raises(NotFound, match=f"'{name}' has no finished training: run `make train`"):
        register(client, empty, None, production)
    experiment_id(client, name, empty)
    with pytest.raises(NotFound, match="has no finished training"):
        register(client, empty, None, production)


@pytest.mark.parametrize("run_id", ["0" * 32, "no such id", "../../etc"])
def test_a_run_that_does_not_exist_is_not_found(client, settings, run_id):
    with pytest.raises(NotFound, match="There is no run"):
        register(client, settings, run_id)


def test_a_run_that_is_no_finished_training_is_bad_input(client, three, trained):
    line = open_line(client, three, action="promote", before=None, after="1", why="")
    running = client.create_run(
        client.get_run(trained.run_id).info.experiment_id, tags={ROLE_TAG: ROLE}
    )
    try:
        for run_id in (line, running.info.run_id):
            with pytest.raises(BadInput, match="is not a finished training"):
                register(client, three, run_id)
    finally:
        client.delete_run(running.info.run_id)


def test_the_same_run_registered_again_keeps_its_number(client, settings, good_run):
    assert register(client, settings, good_run).version.number == "1"
    client.set_model_version_tag(settings.model_name, "1", "metric.rmse", "1.0")
    assert register(client, settings, good_run).version.number == "1"
    assert len(versions.versions(client, settings)) == 1
    assert get_version(client, settings, "1").metrics["rmse"] > 1_000


def test_the_run_that_serves_is_not_a_candidate(client, settings, production, trained):
    with pytest.raises(BadInput, match="is version 1, which already serves as 'producao'"):
        register(client, settings, trained.run_id)


def test_a_candidate_is_compared_with_production(client, settings, production, good_run):
    done = register(client, settings, good_run)
    assert done.version.number == "2"
    assert done.notices == ()
    assert "not worse than production" in [check.name for check in done.decision.checks]
    assert against_production(production) is None
    against = against_production(get_version(client, settings, "2"))
    assert against.version == "1"
    assert against.rmse_worse_by <= against.rmse_difference <= against.rmse_at_most
    assert aliases(client, settings) == {"producao": "1", "desafio": "2"}


def test_a_refused_run_becomes_a_marked_version_without_an_alias(client, settings, bad_run):
    with pytest.raises(RefusedByGate, match=r"Version 1 .* is refused by the gate") as refused:
        register(client, settings, bad_run)
    version = get_version(client, settings, "1")
    assert version.status == REFUSED
    assert version.tags["gate_reasons"] == "; ".join(refused.value.reasons)
    assert "not above zero" in str(refused.value)
    assert aliases(client, settings) == {}


def test_a_run_of_which_nothing_can_be_loaded_is_a_version_that_says_so(client, settings, spoilt):
    run_id, tamper = spoilt
    tamper()
    with pytest.raises(RefusedByGate):
        register(client, settings, run_id)
    version = get_version(client, settings, "1")
    assert version.status == REFUSED
    assert version.metrics == {}
    assert version.description.endswith("It could not be evaluated.")


def test_a_version_that_is_refused_later_no_longer_counts_as_tried(client, settings, trained):
    number = register(client, settings, trained.run_id).version.number
    assert TRIED_TAG in get_version(client, settings, number).tags
    strict = settings.model_copy(update={"gate": GateThresholds(most_of_baseline=0.1)})
    with pytest.raises(RefusedByGate, match="textbook baseline"):
        register(client, strict, trained.run_id)
    assert TRIED_TAG not in get_version(client, settings, number).tags


def test_a_challenger_that_is_judged_again_and_refused_loses_its_alias(client, settings, spoilt):
    run_id, tamper = spoilt
    register(client, settings, run_id)
    assert aliases(client, settings) == {"desafio": "1"}
    tamper()
    with pytest.raises(RefusedByGate):
        register(client, settings, run_id)
    assert aliases(client, settings) == {}
    assert get_version(client, settings, "1").status == REFUSED


def test_a_run_that_is_a_version_is_judged_by_what_the_version_says_of_its_files(
    client, settings, sample, workshop
):
    """Files swapped in the store, with a manifest that agrees, and the run's tag rewritten, too."""
    run_id = plant(client, settings, sample, workshop.slightly_other)
    register(client, settings, run_id)
    before = get_version(client, settings, "1").tags[MANIFEST_TAG]
    files = stored_files(client, run_id, client.get_run(run_id).data.tags[MODEL_URI_TAG])
    files.serving.write_text(files.serving.read_text().replace("0", "1"))
    listed = json.loads((files.run / MANIFEST).read_text())
    listed["files"][SERVING] = file_sha256(files.serving)
    (files.run / MANIFEST).write_text(json.dumps(listed))
    client.set_tag(run_id, MANIFEST_TAG, file_sha256(files.run / MANIFEST))
    for _ in range(2):
        with pytest.raises(RefusedByGate, match=r"its manifest\.json is not the one"):
            register(client, settings, run_id)
        version = get_version(client, settings, "1")
        assert (version.status, version.tags[MANIFEST_TAG]) == (REFUSED, before)
    with pytest.raises(IntegrityFault):
        load_version(client, settings, version)


def test_a_refused_run_does_not_take_the_alias_of_another(client, settings, good_run, bad_run):
    register(client, settings, good_run)
    with pytest.raises(RefusedByGate):
        register(client, settings, bad_run)
    assert aliases(client, settings) == {"desafio": "1"}


# Promotion.


def test_the_challenger_is_promoted_once_and_waits_no_more(client, settings, good_run):
    register(client, settings, good_run)
    assert promote(client, settings) == Move(None, "1", moved=True)
    assert aliases(client, settings) == {"producao": "1"}
    (line,) = read_lines(client, settings)
    version = get_version(client, settings, "1")
    assert (line.action, line.before, line.after) == ("promote", None, "1")
    assert (line.who, line.why) == (ledger.actor(settings), "approved by the gate")
    assert (line.forced, line.finished) == (False, True)
    assert line.metrics == pytest.approx(version.metrics)
    assert read_state(client, settings).problems == ()


def test_promoting_what_serves_already_changes_and_writes_nothing(client, three):
    assert promote(client, three, "2").moved
    written = read_lines(client, three)
    assert promote(client, three, "2") == Move("2", "2", moved=False)
    assert read_lines(client, three) == written


def test_without_a_challenger_what_serves_is_said(client, three):
    with pytest.raises(NotFound, match="Run `make train register` first"):
        promote(client, three)
    promote(client, three, "1")
    with pytest.raises(NotFound, match="No version waits as 'desafio'; version 1 serves"):
        promote(client, three)


@pytest.mark.parametrize("status", [REFUSED, None])
def test_only_an_approved_version_is_promoted(client, settings, trained, status):
    write_version(client, settings, trained.run_id, status)
    with pytest.raises(RefusedByGate, match=f"validacao_status={status or 'nothing'}, not"):
        promote(client, settings, "1")
    assert aliases(client, settings) == {}
    assert read_lines(client, settings) == []


@pytest.mark.parametrize("reason", ["", "   "])
def test_force_without_a_reason_is_bad_input(client, settings, trained, reason):
    write_version(client, settings, trained.run_id, REFUSED)
    with pytest.raises(BadInput, match="give a REASON"):
        promote(client, settings, "1", force=True, reason=reason)
    assert aliases(client, settings) == {}


def test_force_with_a_reason_overrides_the_gate_and_is_recorded(client, settings, trained):
    write_version(client, settings, trained.run_id, REFUSED)
    assert promote(client, settings, "1", force=True, reason="board of 3 May").moved
    (line,) = read_lines(client, settings)
    assert (line.forced, line.why) == (True, "board of 3 May")
    assert get_version(client, settings, "1").status == REFUSED


def test_force_on_an_approved_version_overrides_nothing_and_says_so(client, three):
    promote(client, three, "1", force=True, reason="to be sure")
    assert read_lines(client, three)[0].forced is False


def test_nothing_overrides_the_integrity_checks(client, three, spoilt, tmp_path):
    run_id, tamper = spoilt
    promote(client, three, "1")
    number = write_version(client, three, run_id).number
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), tmp_path / "evil")
    tamper((tmp_path / "evil").read_bytes())
    for force in (False, True):
        with pytest.raises(IntegrityFault, match=f"Version {number} is refused") as fault:
            promote(client, three, number, force=force, reason="must")
        assert fault.value.exit_code == 3
    assert not made.exists()
    assert serving(client, three) == "1"
    assert moves(client, three) == [("promote", None, "1")]


@pytest.mark.parametrize(("number", "error"), [("9", NotFound), ("newest", BadInput)])
def test_what_is_not_a_version_cannot_be_promoted(client, three, number, error):
    with pytest.raises(error):
        promote(client, three, number)
    assert read_lines(client, three) == []


def test_promoting_again_closes_the_line_that_a_crash_left_open(client, three):
    open_line(client, three, action="promote", before=None, after="1", why="power cut")
    client.set_registered_model_alias(three.model_name, "producao", "1")
    assert "was never closed" in read_state(client, three).problems[0]
    assert not promote(client, three, "1").moved
    assert read_state(client, three).problems == ()
    assert [(line.after, line.finished) for line in read_lines(client, three)] == [("1", True)]


def test_a_version_that_vanishes_during_its_promotion_leaves_production_where_it_was(client, three):
    promote(client, three, "1")
    execute(
        three,
        "CREATE TRIGGER vanish AFTER UPDATE ON registered_model_aliases "
        f"WHEN NEW.name = '{three.model_name}' AND NEW.version = 2 "
        "BEGIN UPDATE model_versions SET current_stage = 'Deleted_Internal' "
        f"WHERE name = '{three.model_name}' AND version = 2; END",
    )
    try:
        with pytest.raises(NotFound, match="has no version 2"):
            promote(client, three, "2")
    finally:
        execute(three, "DROP TRIGGER vanish")
    assert serving(client, three) == "1"
    assert moves(client, three) == [("promote", None, "1")]
    assert read_state(client, three).problems == ()


def test_the_production_alias_set_by_hand_is_a_recorded_promotion(client, three, trained):
    set_alias(client, three, "producao", "3")
    assert serving(client, three) == "3"
    assert [line.why for line in read_lines(client, three)] == ["alias set by hand"]
    refused = write_version(client, three, trained.run_id, REFUSED).number
    with pytest.raises(RefusedByGate):
        set_alias(client, three, "producao", refused)
    set_alias(client, three, "canary", refused)
    assert aliases(client, three) == {"producao": "3", "canary": refused}
    assert len(read_lines(client, three)) == 1


# Rollback.


def test_rollbacks_go_back_one_step_each_and_never_return(client, three):
    for number in ("1", "2", "3"):
        promote(client, three, number)
    assert rollback(client, three, "complaints") == Move("3", "2", moved=True)
    assert rollback(client, three) == Move("2", "1", moved=True)
    with pytest.raises(NotFound, match="The ledger knows no version before 1"):
        rollback(client, three)
    assert serving(client, three) == "1"
    assert moves(client, three)[3:] == [("rollback", "3", "2"), ("rollback", "2", "1")]
    assert [line.why for line in read_lines(client, three)][3:] == ["complaints", "no reason given"]
    assert read_state(client, three).problems == ()


def test_after_a_rollback_and_a_promotion_the_next_rollback_skips_what_was_left(client, three):
    promote(client, three, "1")
    promote(client, three, "2")
    rollback(client, three)
    promote(client, three, "3")
    assert rollback(client, three).after == "1"


def test_with_nothing_in_production_there_is_nothing_to_roll_back(client, three):
    with pytest.raises(NoProductionModel):
        rollback(client, three)


def test_when_the_serving_version_was_deleted_the_one_before_comes_back(client, three):
    promote(client, three, "1")
    promote(client, three, "2")
    client.delete_model_version(three.model_name, "2")
    assert rollback(client, three) == Move(None, "1", moved=True)
    assert serving(client, three) == "1"


def test_a_rollback_to_a_version_that_was_deleted_moves_nothing(client, three):
    promote(client, three, "1")
    promote(client, three, "2")
    client.delete_model_version(three.model_name, "1")
    with pytest.raises(NotFound, match="no version before 2 that may serve") as caught:
        rollback(client, three)
    assert "Version 1 served too and was passed over: it has been deleted." in str(caught.value)
    assert serving(client, three) == "2"
    assert len(read_lines(client, three)) == 2


def test_a_rollback_to_a_version_that_was_tampered_with_moves_nothing(client, three, spoilt):
    run_id, tamper = spoilt
    number = write_version(client, three, run_id).number
    promote(client, three, number)
    promote(client, three, "1")
    tamper()
    with pytest.raises(IntegrityFault, match=f"Version {number}"):
        rollback(client, three)
    assert serving(client, three) == "1"
