"""Every move of production is in the ledger, and goes only where the gate let a version pass."""

from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from insurance_predictor.base.errors import BadInput, NotFound, RefusedByGate, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import REFUSED
from insurance_predictor.release import promotion
from insurance_predictor.release.promotion import delete_alias, promote, rollback, set_alias
from insurance_predictor.release.registration import register
from insurance_predictor.store import ledger
from insurance_predictor.store.ledger import ledger_name, open_line, read_ledger, read_lines
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import experiment_id, store_errors
from insurance_predictor.store.versions import aliases, get_version, incarnation, tag_by_hand
from tests.planting import write_version


@pytest.fixture
def three(client, settings, trained) -> Settings:
    """Three approved versions, none of which serves."""
    for _ in range(3):
        write_version(client, settings, trained.run_id)
    return settings


@pytest.fixture
def staging(three) -> Settings:
    """The same model, moved by somebody whose PRODUCTION_ALIAS is another."""
    return three.model_copy(update={"production_alias": "staging"})


def serving(client, settings):
    return aliases(client, settings).get(settings.production_alias)


def moves(client, settings):
    return [(line.action, line.before, line.after) for line in read_lines(client, settings)]


def made_anew(client, settings, run_id, *statuses):
    """The registered model deleted and made again, with versions of these statuses."""
    client.delete_registered_model(settings.model_name)
    for status in statuses:
        write_version(client, settings, run_id, status)


# Which alias, and which model of this name.


def test_a_line_says_its_alias_the_model_and_its_number(client, three, staging):
    promote(client, three, "1")
    promote(client, staging, "2")
    first, second = read_lines(client, three)
    assert (first.alias, second.alias) == ("producao", "staging")
    assert first.model_created == second.model_created == incarnation(client, three)
    assert (first.number, second.number) == (1, 2)


def test_a_rollback_never_moves_on_to_what_served_under_another_alias(client, three, staging):
    promote(client, three, "1")
    promote(client, staging, "2")
    with pytest.raises(NotFound, match="The ledger knows no version before 1"):
        rollback(client, three)
    assert aliases(client, three) == {"producao": "1", "staging": "2"}
    assert read_state(client, three).problems == ()
    assert read_state(client, staging).problems == ()


def test_a_rollback_never_goes_to_a_number_of_a_model_that_was_deleted(client, three, trained):
    for number in ("1", "2"):
        promote(client, three, number)
    made_anew(client, three, trained.run_id, REFUSED, "aprovado")
    assert read_state(client, three).problems == ()
    promote(client, three, "2")
    with pytest.raises(NotFound, match="The ledger knows no version before 2"):
        rollback(client, three)
    assert serving(client, three) == "2"


def test_a_model_made_anew_has_nothing_to_roll_back(client, three, trained):
    promote(client, three, "1")
    promote(client, three, "2")
    made_anew(client, three, trained.run_id, REFUSED, REFUSED)
    with pytest.raises(NotFound, match="has the alias 'producao'"):
        rollback(client, three)
    assert aliases(client, three) == {}


def test_a_rollback_passes_over_what_is_not_approved_any_more_and_says_so(client, three):
    for number in ("1", "2", "3"):
        promote(client, three, number)
    client.set_model_version_tag(three.model_name, "2", "validacao_status", REFUSED)
    done = rollback(client, three)
    assert (done.before, done.after) == ("3", "1")
    assert done.notes == ("Version 2 served too and was passed over: it is not approved any more.",)
    client.set_model_version_tag(three.model_name, "2", "validacao_status", "aprovado")
    with pytest.raises(NotFound, match="The ledger knows no version before 1"):
        rollback(client, three)


def test_a_rollback_passes_over_what_was_deleted(client, three):
    for number in ("1", "2", "3"):
        promote(client, three, number)
    client.delete_model_version(three.model_name, "2")
    done = rollback(client, three)
    assert (done.after, done.notes) == (
        "1",
        ("Version 2 served too and was passed over: it has been deleted.",),
    )


def test_when_nothing_before_is_approved_what_to_do_is_said_and_works(client, three):
    promote(client, three, "1")
    promote(client, three, "2")
    client.set_model_version_tag(three.model_name, "1", "validacao_status", REFUSED)
    with pytest.raises(NotFound, match="no version before 2 that may serve") as caught:
        rollback(client, three)
    assert "Version 1 served too and was passed over" in str(caught.value)
    assert str(caught.value).endswith("`make promote VERSION=n` moves to a version you name.")
    promote(client, three, "3")
    assert serving(client, three) == "3"


def test_a_version_that_was_forced_is_no_way_back(client, three, trained):
    forced = write_version(client, three, trained.run_id, REFUSED).number
    promote(client, three, "1")
    promote(client, three, forced, force=True, reason="the board")
    promote(client, three, "2")
    assert rollback(client, three).after == "1"


def test_lines_of_before_count_for_the_alias_and_the_model_of_today(client, three):
    for before, after in ((None, "1"), ("1", "2")):
        former_line(client, three, before, after)
    client.set_registered_model_alias(three.model_name, "producao", "2")
    assert read_state(client, three).problems == ()
    assert rollback(client, three).after == "1"


def test_lines_of_before_the_model_was_made_anew_do_not_count(client, three, trained):
    former_line(client, three, None, "1", start_time=1_600_000_000_000)
    former_line(client, three, "1", "2", start_time=1_600_000_001_000)
    promote(client, three, "2")
    with pytest.raises(NotFound, match="The ledger knows no version before 2"):
        rollback(client, three)


def former_line(client, settings, before, after, start_time=None):
    """A line as releases before this one wrote it."""
    run = client.create_run(
        experiment_id(client, ledger_name(settings), settings),
        start_time=start_time,
        tags={
            "ledger.action": "promote",
            "ledger.before": before or "",
            "ledger.after": after,
            "ledger.who": "ana",
            "ledger.why": "",
            "ledger.forced": "false",
        },
    )
    client.set_terminated(run.info.run_id)
    return run.info.run_id


# The order of the lines.


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_client_whose_clock_is_wrong_does_not_change_the_order(client, three, hours, monkeypatch):
    promote(client, three, "1")
    with clock_off_by(monkeypatch, hours):
        promote(client, three, "2")
    promote(client, three, "3")
    assert [after for _, _, after in moves(client, three)] == ["1", "2", "3"]
    assert read_state(client, three).problems == ()
    assert rollback(client, three).after == "2"
    assert rollback(client, three).after == "1"


@contextmanager
def clock_off_by(monkeypatch, hours):
    """MLflow's client stamps a run with the time of its own machine."""
    from mlflow.tracking._tracking_service import client as tracking

    true = tracking.get_current_time_millis
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "get_current_time_millis", lambda: true() + hours * 3_600_000)
        yield


# Runs that are no lines.


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"ledger.action": "promote"},
        {"ledger.action": "dance", "ledger.before": "", "ledger.after": "1"},
        {"ledger.action": "promote", "ledger.before": "", "ledger.after": "../../1"},
        {"ledger.number": "many"},
    ],
)
def test_a_foreign_run_in_the_ledger_is_passed_over_and_named(client, three, tags):
    promote(client, three, "1")
    whole = {"ledger.who": "ana", "ledger.why": "", "ledger.forced": "false"} | tags
    if "ledger.number" in tags:
        whole |= {"ledger.action": "promote", "ledger.before": "", "ledger.after": "1"}
    where = experiment_id(client, ledger_name(three), three)
    run = client.create_run(where, tags=whole if tags else {})
    client.set_terminated(run.info.run_id)
    (problem,) = read_state(client, three).problems
    assert problem.startswith(f"The run {run.info.run_id} in the experiment ")
    assert "is no line of the ledger" in problem
    promote(client, three, "2")
    assert rollback(client, three).after == "1"
    client.delete_run(run.info.run_id)
    assert read_state(client, three).problems == ()


# When it is not known whether the alias has moved.


class CutOff:
    """A client that is cut off: from `call` on, nothing comes back until it is `mended`."""

    def __init__(self, client: MlflowClient, call: str, does_it: bool = True) -> None:
        self._client, self._call, self._does_it = client, call, does_it
        self._is_cut = False

    def __getattr__(self, name: str):
        return lambda *arguments, **named: self._answer(name, arguments, named)

    def _answer(self, name: str, arguments, named):
        if self._is_cut:
            raise ConnectionError("nobody there")
        if name == self._call:
            self._is_cut = True
            if self._does_it:
                getattr(self._client, name)(*arguments, **named)
            raise ConnectionError("the answer did not come")
        return getattr(self._client, name)(*arguments, **named)


def cut_off(client, settings, call, number, does_it=True):
    with pytest.raises(Unreachable), store_errors(settings):
        promote(CutOff(client, call, does_it), settings, number)


def test_a_move_of_which_the_answer_is_lost_is_settled_by_promoting_again(client, three):
    promote(client, three, "1")
    cut_off(client, three, "set_registered_model_alias", "2")
    assert serving(client, three) == "2"
    assert "was never closed" in read_state(client, three).problems[0]
    again = promote(client, three, "2")
    assert not again.moved
    assert again.notes[0].startswith("The ledger line of ")
    assert again.notes[0].endswith("(promote 1 to 2) is settled: the alias has moved.")
    assert moves(client, three) == [("promote", None, "1"), ("promote", "1", "2")]
    assert all(line.finished for line in read_lines(client, three))
    assert read_state(client, three).problems == ()
    assert rollback(client, three).after == "1"


def test_a_move_that_never_reached_the_registry_is_settled_as_not_moved(client, three):
    promote(client, three, "1")
    cut_off(client, three, "set_registered_model_alias", "2", does_it=False)
    assert [line.finished for line in read_lines(client, three)] == [True, False]
    done = promote(client, three, "3")
    assert done.notes[0].endswith("(promote 1 to 2) is settled: the alias has not moved.")
    assert moves(client, three) == [("promote", None, "1"), ("promote", "1", "3")]
    assert read_state(client, three).problems == ()


def test_a_rollback_settles_first_and_goes_back_from_where_production_is(client, three):
    promote(client, three, "1")
    cut_off(client, three, "set_registered_model_alias", "2")
    done = rollback(client, three)
    assert (done.before, done.after) == ("2", "1")
    assert done.notes[0].endswith("is settled: the alias has moved.")
    assert moves(client, three)[1:] == [("promote", "1", "2"), ("rollback", "2", "1")]


def test_only_the_newest_open_line_can_be_the_one_that_moved(client, three):
    promote(client, three, "1")
    cut_off(client, three, "set_registered_model_alias", "2", does_it=False)
    line = open_line(client, three, action="promote", before="1", after="2", why="again")
    client.set_registered_model_alias(three.model_name, "producao", "2")
    promote(client, three, "2")
    assert [line.why for line in read_lines(client, three)] == ["approved by the gate", "again"]
    assert read_lines(client, three)[-1].line_id == line


def test_a_line_that_its_own_command_closes_is_done_whoever_settled_it_before(client, three):
    line = open_line(client, three, action="promote", before=None, after="1", why="slow")
    promote(client, three, "2")  # sees the line, and production elsewhere
    client.set_registered_model_alias(three.model_name, "producao", "1")
    ledger.close_line(client, line)
    ledger.drop_line(client, line)  # somebody who looked earlier, and was slower
    assert {found.after for found in read_lines(client, three)} == {"1", "2"}
    assert all(found.finished for found in read_lines(client, three))


def test_what_was_moved_past_the_ledger_enters_it_by_a_promotion(client, three):
    promote(client, three, "1")
    client.set_registered_model_alias(three.model_name, "producao", "2")
    assert "it was moved elsewhere" in read_state(client, three).problems[0]
    done = promote(client, three, "2")
    assert (done.moved, done.notes) == (
        False,
        ("'producao' stood on version 2 without a line in the ledger; it has one now.",),
    )
    assert moves(client, three)[-1] == ("promote", "1", "2")
    assert read_state(client, three).problems == ()


def test_production_without_any_line_is_named_and_enters_the_ledger(client, three):
    client.set_registered_model_alias(three.model_name, "producao", "2")
    (problem,) = read_state(client, three).problems
    assert problem.startswith("'producao' stands on 2, but the ledger has no line of it")
    promote(client, three, "2", reason="found there")
    assert [line.why for line in read_lines(client, three)] == ["found there"]
    assert read_state(client, three).problems == ()


def test_a_refused_version_that_was_put_there_by_hand_does_not_enter_unforced(
    client, three, trained
):
    refused = write_version(client, three, trained.run_id, REFUSED).number
    client.set_registered_model_alias(three.model_name, "producao", refused)
    with pytest.raises(RefusedByGate):
        promote(client, three, refused)
    promote(client, three, refused, force=True, reason="the board")
    assert read_lines(client, three)[-1].forced


# Aliases by hand.


@pytest.mark.parametrize("spelling", ["PRODUCAO", "Producao", " producao", "producao\n"])
def test_another_spelling_of_the_production_alias_is_not_taken(client, three, spelling):
    for act in (
        lambda: set_alias(client, three, spelling, "1"),
        lambda: delete_alias(client, three, spelling),
    ):
        with pytest.raises(BadInput, match="Write 'producao'"):
            act()
    assert aliases(client, three) == {}


def test_the_production_alias_is_not_taken_away(client, three):
    promote(client, three, "1")
    with pytest.raises(BadInput, match="`make rollback` or `make promote VERSION=n` moves it"):
        delete_alias(client, three, "producao")
    assert serving(client, three) == "1"
    set_alias(client, three, "canary", "1")
    delete_alias(client, three, "canary")
    assert aliases(client, three) == {"producao": "1"}


def test_under_another_setting_the_alias_that_serves_is_still_recorded(
    client, three, staging, trained
):
    promote(client, three, "1")
    refused = write_version(client, three, trained.run_id, REFUSED).number
    with pytest.raises(RefusedByGate):
        set_alias(client, staging, "producao", refused)
    with pytest.raises(BadInput, match="moves it"):
        delete_alias(client, staging, "producao")
    set_alias(client, staging, "producao", "2")
    last = read_lines(client, three)[-1]
    assert (last.alias, last.before, last.after) == ("producao", "1", "2")
    assert read_state(client, three).problems == ()


def test_the_alias_that_serves_cannot_be_used_as_the_challenger_s(client, three):
    promote(client, three, "1")
    swapped = three.model_copy(
        update={"production_alias": "staging", "challenger_alias": "producao"}
    )
    with pytest.raises(BadInput, match="CHALLENGER_ALIAS='producao'"):
        promote(client, swapped, "1")
    assert aliases(client, three) == {"producao": "1"}


def test_a_refused_version_as_challenger_is_not_promoted(client, three, trained):
    refused = write_version(client, three, trained.run_id, REFUSED).number
    set_alias(client, three, "desafio", refused)
    with pytest.raises(RefusedByGate, match=f"make promote VERSION={refused} FORCE=1 REASON="):
        promote(client, three)
    assert serving(client, three) is None


# Tags that decisions rest on.


@pytest.mark.parametrize(
    "key",
    [
        "validacao_status",
        "VALIDACAO_STATUS",
        " validacao_status",
        "tried_sha256",
        "manifest_sha256",
        "preprocessor_sha256",
        "versao_dataset",
        "rows_train",
        "gate_reasons",
        "against_production",
        "metric.rmse",
        "metric.note",
        "git_commit",
        "candidate",
    ],
)
@pytest.mark.parametrize("value", ["aprovado", None])
def test_a_tag_that_decisions_rest_on_is_not_written_by_hand(client, settings, trained, key, value):
    version = write_version(client, settings, trained.run_id, REFUSED)
    with pytest.raises(BadInput) as caught:
        tag_by_hand(client, settings, "1", key, value)
    assert str(caught.value).endswith(f"`make register RUN_ID={trained.run_id}` judges it again.")
    assert get_version(client, settings, "1").tags == version.tags
    with pytest.raises(RefusedByGate):
        promote(client, settings, "1")


def test_any_other_tag_is_written_by_hand(client, settings, trained):
    write_version(client, settings, trained.run_id)
    tag_by_hand(client, settings, "1", "revisao", "ok")
    assert get_version(client, settings, "1").tags["revisao"] == "ok"
    tag_by_hand(client, settings, "1", "revisao", None)
    assert "revisao" not in get_version(client, settings, "1").tags


# Odd input.


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, str(2**31), str(2**63)])
@pytest.mark.parametrize("act", [promote, get_version])
def test_a_number_no_database_holds_is_a_version_that_is_not_there(client, three, number, act):
    with pytest.raises(NotFound, match=r"has no version [29]"):
        act(client, three, number)


def test_a_number_with_zeros_before_it_is_that_number(client, three):
    set_alias(client, three, "desafio", "02")
    promote(client, three, "02")
    assert aliases(client, three) == {"producao": "2"}


def test_a_tag_of_another_client_does_not_stop_a_promotion(client, three):
    for key, value in {"metric.note": "abc", "metric.": "1", "metric.a/b": "2"}.items():
        client.set_model_version_tag(three.model_name, "1", key, value)
    assert get_version(client, three, "1").metrics == {"rmse": 4500.5}
    assert promote(client, three, "1").moved
    assert read_lines(client, three)[0].metrics == {"rmse": 4500.5}


def test_a_reason_as_long_as_a_book_is_no_traceback(client, three):
    promotion.promote(client, three, "1", reason="word " * 5_000)
    assert read_lines(client, three)[0].why.startswith("word word")
    assert read_ledger(client, three).foreign == ()


# Under another PRODUCTION_ALIAS.


@pytest.mark.parametrize("had_served", [True, False])
def test_the_alias_of_production_is_moved_with_a_line_whatever_the_settings_call_it(
    client, three, staging, trained, had_served
):
    """Also where the ledger is of a release that wrote no alias, or has no line yet."""
    refused = write_version(client, three, trained.run_id, REFUSED).number
    if had_served:
        former_line(client, three, None, "1")
        client.set_registered_model_alias(three.model_name, "producao", "1")
    with pytest.raises(RefusedByGate):
        set_alias(client, staging, "producao", refused)
    with pytest.raises(BadInput, match="too like one that serves"):
        set_alias(client, staging, "Producao", refused)
    set_alias(client, staging, "producao", "2")
    assert aliases(client, three) == {"producao": "2"}
    last = read_lines(client, three)[-1]
    assert (last.alias, last.before, last.after) == (
        "producao",
        "1" if had_served else None,
        "2",
    )
    assert read_state(client, three).problems == ()


@pytest.mark.parametrize("alias", ["producao", "Producao"])
def test_the_alias_of_production_is_no_challenger_s(client, three, staging, trained, alias):
    settings = staging.model_copy(update={"challenger_alias": alias})
    with pytest.raises(BadInput, match=f"CHALLENGER_ALIAS='{alias}'"):
        register(client, settings, trained.run_id)
    assert aliases(client, three) == {}
