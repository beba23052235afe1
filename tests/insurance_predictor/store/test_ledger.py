"""Every move of production leaves a line that nothing takes away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.base.settings import Settings
from insurance_predictor.store.ledger import (
    Line,
    actor,
    close_line,
    drop_line,
    ledger_name,
    open_line,
    read_lines,
    versions_before,
)


def write(client, settings, before, after, action="promote", **facts):
    line = open_line(
        client, settings, action=action, before=before, after=after, why="because", **facts
    )
    close_line(client, line)
    return line


def line(action, after, finished=True):
    return Line("id", action, None, after, "who", None, "why", False, finished, {})


def moves(*steps):
    """'2' is a promotion of version 2, '<1' a rollback to version 1."""
    return [
        line("rollback" if step.startswith("<") else "promote", step.removeprefix("<"))
        for step in steps
    ]


def previous_version(lines, current):
    return next(iter(versions_before(lines, current)), None)


def test_a_model_without_a_ledger_has_no_lines(client, settings):
    assert read_lines(client, settings) == []
    assert client.get_experiment_by_name(ledger_name(settings)) is None


def test_a_line_says_who_when_from_to_why_and_the_metrics(client, settings, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    opened = open_line(
        client,
        settings,
        action="promote",
        before="3",
        after="4",
        why="spring tariff",
        forced=True,
        metrics={"rmse": 4400.5, "r2": 0.87},
    )
    close_line(client, opened)
    (found,) = read_lines(client, settings)
    assert (found.action, found.before, found.after) == ("promote", "3", "4")
    assert (found.who, found.why, found.forced, found.finished) == (
        "ana",
        "spring tariff",
        True,
        True,
    )
    assert found.metrics == {"rmse": 4400.5, "r2": 0.87}
    assert found.when.utcoffset().total_seconds() == 0


def test_the_first_line_comes_from_nothing(client, settings):
    write(client, settings, None, "1")
    assert read_lines(client, settings)[0].before is None


def test_lines_are_only_added_and_stay_in_order(client, settings):
    for number in range(1, 6):
        written = read_lines(client, settings)
        write(client, settings, str(number - 1), str(number))
        assert read_lines(client, settings)[:-1] == written
    assert [found.after for found in read_lines(client, settings)] == ["1", "2", "3", "4", "5"]


def test_an_open_line_is_shown_and_a_failed_one_is_kept_but_not_shown(client, settings):
    opened = open_line(client, settings, action="promote", before=None, after="1", why="")
    failed = open_line(client, settings, action="promote", before="1", after="2", why="")
    drop_line(client, failed)
    assert [(found.line_id, found.finished) for found in read_lines(client, settings)] == [
        (opened, False)
    ]
    assert client.get_run(failed).info.status == "FAILED"


def test_two_models_have_two_ledgers(client, settings, store):
    write(client, settings, None, "1")
    other = store.model_copy(update={"model_name": f"{settings.model_name}_other"})
    assert read_lines(client, other) == []


def test_the_workflow_s_actor_goes_before_the_tracking_user_and_the_machine_s(monkeypatch):
    named = Settings(mlflow_tracking_username="bia")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    assert actor(named) == "ana"
    monkeypatch.delenv("GITHUB_ACTOR")
    assert actor(named) == "bia"
    monkeypatch.setenv("LOGNAME", "caio")
    assert actor(Settings()) == "caio"


def test_a_user_without_a_name_acts_by_number(monkeypatch):
    for name in ("GITHUB_ACTOR", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 1234567)  # as `docker run --user` gives one
    assert actor(Settings()) == "uid 1234567"


@pytest.mark.parametrize(
    ("steps", "back_to"),
    [
        ((), None),
        (("1",), None),
        (("1", "2"), "1"),
        (("1", "2", "3"), "2"),
        (("1", "2", "3", "<2"), "1"),
        (("1", "2", "3", "<2", "<1"), None),
        (("1", "2", "<1", "3"), "1"),
        (("1", "2", "1"), "2"),
        (("1", "1", "2", "2"), "1"),
    ],
)
def test_a_rollback_goes_one_step_down_the_stack_of_promotions(steps, back_to):
    serving = steps[-1].removeprefix("<") if steps else "1"
    assert previous_version(moves(*steps), serving) == back_to


def test_a_line_that_was_never_closed_is_no_step():
    lines = [*moves("1", "2"), line("promote", "3", finished=False)]
    assert previous_version(lines, "2") == "1"


def test_from_a_version_that_the_ledger_does_not_know_the_last_known_one_is_before():
    assert previous_version(moves("1", "2"), "9") == "2"


@given(st.lists(st.integers(1, 6).map(str), min_size=1, max_size=12))
def test_rolling_back_to_the_end_never_returns_to_a_version_that_was_left(promoted):
    lines = moves(*promoted)
    serving, visited = promoted[-1], []
    for _ in promoted:
        target = previous_version(lines, serving)
        if target is None:
            break
        lines = [*lines, *moves(f"<{target}")]
        serving = target
        visited.append(target)
    distinct_steps = [
        number
        for place, number in enumerate(promoted)
        if place == 0 or promoted[place - 1] != number
    ]
    assert visited == distinct_steps[-2::-1]


def test_outside_a_workflow_nobody_is_the_workflow_s_actor(settings, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    user = settings.model_copy(update={"mlflow_tracking_username": "bia"})
    assert actor(user) == "bia"
    assert actor(settings) != "ana"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert actor(user) == "ana"


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 4300])
def test_no_number_that_somebody_wrote_stops_the_next_line(client, settings, number):
    forged = write(client, settings, None, "1")
    client.set_tag(forged, "ledger.number", number)
    for after in ("2", "3"):
        write(client, settings, "1", after)
    assert [line.after for line in read_lines(client, settings)][-2:] == ["2", "3"]
