"""Versions, aliases and tags by hand, and a status that names what is wrong with them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from mlflow.exceptions import MlflowException

from insurance_predictor.base.errors import BadInput, NoProductionModel, NotFound
from insurance_predictor.model.manifest import MANIFEST_TAG
from insurance_predictor.model.run_layout import APPROVED, REFUSED, STATUS_TAG, TRIED_TAG
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import close_line, open_line
from insurance_predictor.store.status import read_state
from tests.planting import Planted, plant, write_version


@pytest.fixture
def version(client, settings, trained):
    return write_version(client, settings, trained.run_id)


def execute(settings, *statements):
    """What a person with a database shell could do to the store."""
    path = settings.mlflow_tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=20)) as database, database:
        for statement in statements:
            database.execute(statement)


def ledger_line(client, settings, before, after, close=True):
    line = open_line(
        client, settings, action="promote", before=before, after=after, why="for a test"
    )
    if close:
        close_line(client, line)


def test_a_model_that_does_not_exist_has_nothing(client, settings):
    state = read_state(client, settings)
    assert state.model_name == settings.model_name
    assert (state.aliases, state.versions, state.ledger, state.problems) == ({}, (), (), ())
    assert versions.aliases(client, settings) == {}
    assert versions.version_of_run(client, settings, "0" * 32) is None


def test_making_the_model_twice_is_no_error(client, settings):
    versions.ensure_model(client, settings)
    versions.ensure_model(client, settings)
    assert client.get_registered_model(settings.model_name).description


def test_a_model_that_is_made_anew_is_another_incarnation(client, settings, trained):
    assert versions.incarnation(client, settings) is None
    write_version(client, settings, trained.run_id)
    first = versions.incarnation(client, settings)
    assert first == versions.incarnation(client, settings)
    client.delete_registered_model(settings.model_name)
    write_version(client, settings, trained.run_id)
    assert versions.incarnation(client, settings) not in (None, first)


def test_a_version_found_by_its_alias_knows_its_model_s_incarnation(client, settings, version):
    versions.set_alias(client, settings, "canary", "1")
    found = versions.version_behind(client, settings, "canary")
    assert (found.number, found.run_id) == ("1", version.run_id)
    assert found.incarnation == versions.incarnation(client, settings)


def test_a_version_says_its_run_source_time_status_and_metrics(version, trained):
    assert version.number == "1"
    assert version.run_id == trained.run_id
    assert version.source.startswith("models:/m-")
    assert abs(datetime.now(UTC) - version.created) < timedelta(minutes=10)
    assert version.status == APPROVED
    assert version.is_approved
    assert version.metrics == {"rmse": 4500.5}


def test_an_approval_is_the_gate_s_only_for_the_files_that_it_tried(client, settings, trained):
    """Whoever may write tags can write this one; what another client does not know is the other."""
    write_version(client, settings, trained.run_id, REFUSED)
    versions.set_tag(client, settings, "1", STATUS_TAG, APPROVED)
    foreign = versions.get_version(client, settings, "1")
    assert (foreign.status, foreign.is_approved) == (APPROVED, False)
    assert "but the gate did not write that" in foreign.objection
    versions.set_tag(client, settings, "1", TRIED_TAG, "0" * 64)
    assert not versions.get_version(client, settings, "1").is_approved
    write_version(client, settings, trained.run_id)
    approved = versions.get_version(client, settings, "2")
    assert (approved.is_approved, approved.objection) == (True, None)
    versions.set_tag(client, settings, "2", MANIFEST_TAG, "0" * 64)
    assert not versions.get_version(client, settings, "2").is_approved


def test_without_a_digest_or_a_status_nothing_is_approved(client, settings, trained):
    write_version(client, settings, trained.run_id)
    versions.delete_tag(client, settings, "1", MANIFEST_TAG)
    assert "carries no manifest_sha256" in versions.get_version(client, settings, "1").objection
    versions.delete_tag(client, settings, "1", STATUS_TAG)
    found = versions.get_version(client, settings, "1").objection
    assert "validacao_status=nothing, not aprovado" in found


def test_versions_come_newest_first_by_number_not_by_text(client, settings, trained):
    for _ in range(11):
        write_version(client, settings, trained.run_id)
    numbers = [found.number for found in versions.versions(client, settings)]
    assert numbers == [str(number) for number in range(11, 0, -1)]
    assert versions.version_of_run(client, settings, trained.run_id).number == "11"


@pytest.mark.parametrize("number", ["latest", "1.0", "-1", "", "1; drop"])
def test_what_is_no_version_number_is_bad_input(client, settings, version, number):
    with pytest.raises(BadInput, match="is not a version number"):
        versions.get_version(client, settings, number)


def test_a_version_that_is_not_there_is_not_found(client, settings, version):
    with pytest.raises(NotFound, match=f"{settings.model_name!r} has no version 2"):
        versions.get_version(client, settings, "2")
    client.delete_model_version(settings.model_name, "1")
    with pytest.raises(NotFound, match="has no version 1"):
        versions.get_version(client, settings, "1")


def test_an_alias_is_set_moved_and_deleted(client, settings, version, trained):
    write_version(client, settings, trained.run_id)
    versions.set_alias(client, settings, "canary", "1")
    versions.set_alias(client, settings, "canary", "2")
    assert versions.aliased_version(client, settings, "canary") == "2"
    assert versions.aliases(client, settings) == {"canary": "2"}
    versions.delete_alias(client, settings, "canary")
    assert versions.aliases(client, settings) == {}


def test_an_alias_is_not_set_on_a_version_that_is_not_there(client, settings, version):
    with pytest.raises(NotFound, match="has no version 9"):
        versions.set_alias(client, settings, "canary", "9")
    assert versions.aliases(client, settings) == {}


def test_an_absent_alias_is_named_with_what_to_run(client, settings, version):
    with pytest.raises(NoProductionModel, match="make train register promote"):
        versions.aliased_version(client, settings, settings.production_alias)
    with pytest.raises(NotFound, match="Run `make train register` first"):
        versions.aliased_version(client, settings, settings.challenger_alias)
    with pytest.raises(NotFound, match=r"'canary'\. `make status` lists the aliases"):
        versions.delete_alias(client, settings, "canary")


@pytest.mark.parametrize("before", [None, "1"])
def test_an_alias_is_put_back_when_its_version_vanishes_meanwhile(
    client, settings, version, trained, before
):
    write_version(client, settings, trained.run_id)
    if before:
        versions.set_alias(client, settings, "canary", before)
    vanish = (
        "BEGIN UPDATE model_versions SET current_stage = 'Deleted_Internal' "
        f"WHERE name = '{settings.model_name}' AND version = 2; END"
    )
    events = {"vanish_1": "INSERT", "vanish_2": "UPDATE"}
    condition = f"WHEN NEW.name = '{settings.model_name}' AND NEW.version = 2"
    execute(
        settings,
        *(
            f"CREATE TRIGGER {name} AFTER {event} ON registered_model_aliases {condition} {vanish}"
            for name, event in events.items()
        ),
    )
    try:
        with pytest.raises(NotFound, match="has no version 2"):
            versions.set_alias(client, settings, "canary", "2")
    finally:
        execute(settings, *(f"DROP TRIGGER {name}" for name in events))
    assert versions.aliases(client, settings) == ({"canary": "1"} if before else {})


def test_a_tag_is_set_overwritten_and_deleted(client, settings, version):
    versions.set_tag(client, settings, "1", "reviewer", "ana")
    versions.set_tag(client, settings, "1", "reviewer", "bia")
    assert versions.get_version(client, settings, "1").tags["reviewer"] == "bia"
    versions.delete_tag(client, settings, "1", "reviewer")
    assert "reviewer" not in versions.get_version(client, settings, "1").tags


def test_a_tag_or_version_that_is_not_there_is_not_found(client, settings, version):
    with pytest.raises(NotFound, match="Version 1 has no tag 'reviewer'"):
        versions.delete_tag(client, settings, "1", "reviewer")
    with pytest.raises(NotFound, match="has no version 5"):
        versions.set_tag(client, settings, "5", "reviewer", "ana")
    with pytest.raises(NotFound, match="has no version 5"):
        versions.delete_tag(client, settings, "5", "reviewer")


def test_a_version_before_the_gate_has_no_status_and_a_refused_one_says_so(
    client, settings, trained
):
    assert write_version(client, settings, trained.run_id, status=None).status is None
    assert write_version(client, settings, trained.run_id, status=REFUSED).status == "reprovado"


def test_the_state_of_a_sound_model_has_no_problem(client, settings, version):
    versions.set_alias(client, settings, settings.production_alias, "1")
    ledger_line(client, settings, None, "1")
    state = read_state(client, settings)
    assert state.aliases == {"producao": "1"}
    assert [found.number for found in state.versions] == ["1"]
    assert [line.after for line in state.ledger] == ["1"]
    assert state.problems == ()


def test_an_alias_on_a_version_that_never_existed_is_named(client, settings, version):
    name = settings.model_name
    rows = [(alias, 42) for alias in ("producao", "canary")]
    execute(
        settings,
        *(
            "INSERT INTO registered_model_aliases (workspace, name, alias, version) SELECT "
            f"workspace, name, '{alias}', {number} FROM registered_models WHERE name = '{name}'"
            for alias, number in rows
        ),
    )
    problems = read_state(client, settings).problems
    assert problems == (
        "The alias 'canary' dangles: it stands on version 42, which does not exist. "
        "Run `python -m insurance_predictor alias delete canary`.",
        "The alias 'producao' dangles: it stands on version 42, which does not exist. "
        "Run `make rollback`, or `make promote VERSION=n`.",
        "'producao' stands on 42, but the ledger has no line of it. "
        "Look at who did that, then `make promote VERSION=n`.",
    )
    versions.delete_alias(client, settings, "canary")
    assert len(read_state(client, settings).problems) == 2


def test_an_alias_on_a_version_whose_run_was_deleted_is_named(client, settings, sample, trained):
    run_id = plant(client, settings, sample, Planted(trained.trained, 1))
    versions.set_alias(client, settings, "canary", write_version(client, settings, run_id).number)
    client.delete_run(run_id)
    (problem,) = read_state(client, settings).problems
    assert f"the run {run_id} of version 1 has been deleted" in problem
    assert "alias delete canary" in problem


def test_an_alias_on_a_version_whose_run_is_gone_for_good_is_named(
    client, settings, version, trained
):
    versions.set_alias(client, settings, "canary", "1")
    execute(
        settings,
        f"UPDATE model_versions SET run_id = '{'0' * 32}' WHERE name = '{settings.model_name}'",
    )
    (problem,) = read_state(client, settings).problems
    assert f"the run {'0' * 32} of version 1 has been deleted" in problem


def test_a_line_that_was_never_closed_is_named(client, settings, version):
    ledger_line(client, settings, None, "1", close=False)
    (problem,) = read_state(client, settings).problems
    assert "(promote nothing to 1) by " in problem
    assert "was never closed: the move may not have happened" in problem


@pytest.mark.parametrize("serving", ["2", None])
def test_production_moved_behind_the_ledger_s_back_is_named(
    client, settings, version, trained, serving
):
    write_version(client, settings, trained.run_id)
    ledger_line(client, settings, None, "1")
    if serving:
        client.set_registered_model_alias(settings.model_name, "producao", serving)
    (problem,) = read_state(client, settings).problems
    assert problem.startswith(
        f"'producao' stands on {serving or 'nothing'}, but the ledger's last line says 1"
    )


class Overtaken:
    """A client whose first setting of an alias fails with `words`, as when two do it at once."""

    def __init__(self, client, words: str) -> None:
        self._client = client
        self._words = [words]

    def __getattr__(self, name: str):
        return getattr(self._client, name)

    def set_registered_model_alias(self, *arguments: str) -> None:
        if self._words:
            raise MlflowException(self._words.pop())
        self._client.set_registered_model_alias(*arguments)


@pytest.mark.parametrize(
    "words",
    [
        'duplicate key value violates unique constraint "registered_model_alias_pk"',
        "UNIQUE constraint failed: registered_model_aliases.name",
    ],
)
def test_an_alias_that_somebody_makes_at_the_same_moment_is_set_all_the_same(
    client, settings, production, words
):
    versions.set_alias(Overtaken(client, words), settings, "desafio", production.number)
    assert versions.aliases(client, settings)["desafio"] == production.number


def test_another_trouble_with_an_alias_is_not_tried_again(client, settings, production):
    with pytest.raises(MlflowException, match="the disk is full"):
        versions.set_alias(
            Overtaken(client, "the disk is full"), settings, "desafio", production.number
        )
