"""Whatever happens to registry or disk, people get quotes from a version that was checked."""

import logging
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import joblib
import pytest

from insurance_predictor.base.errors import (
    IntegrityFault,
    NoProductionModel,
    Unreachable,
)
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import MANIFEST_TAG, PREPROCESSOR_TAG
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MODEL_CARD,
    MODEL_URI_TAG,
    PLOTS,
    REFERENCE,
    TRIED_TAG,
)
from insurance_predictor.serving import served_model
from insurance_predictor.serving.predictor import load
from insurance_predictor.serving.served_model import Served, ServedModel, read, refresh
from insurance_predictor.serving.version_cache import PREFIX, RECORD, find, own_folder
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import close_line, open_line
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.insurance_predictor.serving.test_predictor import PERSON
from tests.insurance_predictor.store.test_versions import execute
from tests.mutations import MUTATIONS
from tests.planting import (
    Planted,
    StoredFiles,
    Workshop,
    former_tags,
    plant,
    stored_files,
    write_version,
)
from tests.servers import (
    Server,
    free_port,
    mlflow_server,
)

HANG = 60.0  # seconds: a refresh may wait 10, and a busy machine does not count
PATIENCE = 120  # seconds for a process to start; no test measures time by it
REFUSED = (
    "tampered preprocessor",
    "tampered model",
    "tampered intervals",
    "preprocessor lost",
    "columns in another order",
    "another run's preprocessor",
    "golden predictions of another model",
    "untrusted type in the model",
    "a file that is no model",
)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer to read a small SQLite file than people should wait."""
    monkeypatch.setattr(served_model, "ANSWER_PATIENCE", float(PATIENCE))


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A registered model and a folder that no other test knows."""
    return settings.model_copy(update={"model_cache": tmp_path / "cache"})


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


@pytest.fixture(scope="module")
def second_run(client, store, sample, workshop) -> str:
    """The run of another good model, without plots and a card."""
    return plant(client, store, sample, workshop.slightly_other)


@pytest.fixture
def served(client, settings, trained):
    """Version 1, in production and kept on disk."""
    put_in_production(client, settings, trained.run_id)
    return refresh(settings, None)


def put_in_production(client, settings, run_id: str) -> str:
    """A new version of `run_id` behind the production alias; returns its number."""
    number = write_version(client, settings, run_id).number
    versions.set_alias(client, settings, settings.production_alias, number)
    return number


def premium(served) -> float:
    return served.predictor.quote(PERSON).premium


def kept_files(settings) -> Path:
    return settings.model_cache / find(settings).folder


def copies(settings) -> int:
    return len(list(own_folder(settings).glob(f"{PREFIX}*")))


def remove_stored(client, run_id: str) -> None:
    """Nobody can fetch this run's preprocessor any more."""
    source = client.get_run(run_id).data.tags[MODEL_URI_TAG]
    stored_files(client, run_id, source).preprocessor.unlink()


# The registry is there.


def test_the_first_time_the_version_is_fetched_and_kept(served, settings, trained):
    assert (served.facts.version, served.problem, served.refusal) == ("1", None, None)
    assert served.facts.run_id == trained.run_id
    expected = load(settings).quote(PERSON)
    assert served.predictor.quote(PERSON) == expected
    again = read(settings)
    assert again.predictor.quote(PERSON) == expected
    assert again.facts == served.facts
    assert again.checked == served.checked
    assert (again.problem, again.refusal) == (None, None)


def test_what_there_is_to_show_comes_along_and_is_kept(served, settings, trained):
    for one in (served, read(settings)):
        assert one.documents.model_card.startswith("# ")
        assert trained.run_id in one.documents.model_card
        assert sorted(one.documents.plots) == [
            "importance",
            "learning_curve",
            "predicted_against_actual",
            "residuals",
        ]
        assert all(plot.startswith(b"\x89PNG") for plot in one.documents.plots.values())
        assert one.documents.reference.shape == (one.facts.rows_train, 7)
        assert one.documents.reference["charges"].min() > 0


def test_a_run_without_anything_to_show_serves_all_the_same(client, settings, second_run):
    put_in_production(client, settings, second_run)
    for one in (refresh(settings, None), read(settings)):
        assert (one.documents.model_card, one.documents.plots) == ("", {})
        assert premium(one) > 0


@pytest.mark.parametrize("file", [REFERENCE, HOLDOUT, MODEL_CARD, f"{PLOTS}/residuals.png"])
def test_what_there_is_to_show_is_refused_when_somebody_has_changed_it(
    client, served, settings, sample, trained, file
):
    run_id = plant(client, settings, sample, Planted(trained.trained, 1, forge=write_card))
    files = stored_files(client, run_id, client.get_run(run_id).data.tags[MODEL_URI_TAG])
    put_in_production(client, settings, run_id)
    (files.run / file).write_bytes(b"![](https://outside.example/x.png)")
    now = refresh(settings, served)
    assert f"Version 2 is refused: its {file} is not the one that was trained" in now.refusal
    assert now.facts.version == "1"


def write_card(files: StoredFiles) -> None:
    """A card and a plot, as a training writes them."""
    (files.run / MODEL_CARD).write_text("# Card")
    (files.run / PLOTS).mkdir()
    (files.run / PLOTS / "residuals.png").write_bytes(b"\x89PNG")


def test_another_version_behind_the_alias_takes_over(client, served, settings, second_run):
    assert put_in_production(client, settings, second_run) == "2"
    now = refresh(settings, served)
    assert now.predictor.version == now.facts.version == "2"
    assert premium(now) == premium(read(settings)) != premium(served)
    assert premium(served) > 0  # whoever still holds the old one may finish
    assert copies(settings) == 1


def test_back_to_the_version_before_works_the_same_way(client, served, settings, second_run):
    put_in_production(client, settings, second_run)
    second = refresh(settings, served)
    versions.set_alias(client, settings, settings.production_alias, "1")
    back = refresh(settings, second)
    assert premium(back) == premium(served) == premium(read(settings))


def test_the_same_version_is_not_fetched_again(client, settings, sample, trained):
    run_id = plant(client, settings, sample, Planted(trained.trained, 1))
    put_in_production(client, settings, run_id)
    first = refresh(settings, None)
    remove_stored(client, run_id)
    second = refresh(settings, first)
    assert second.predictor is first.predictor
    assert (second.problem, second.refusal) == (None, None)
    assert second.checked > first.checked
    assert read(settings).checked == second.checked


def test_a_line_that_was_open_when_the_alias_moved_is_looked_at_again(client, served, settings):
    opened = open_line(client, settings, action="promote", before=None, after="1", why="a test")
    client.update_model_version(settings.model_name, "1", description="Look again")
    meanwhile = refresh(settings, served)
    assert [line.finished for line in meanwhile.facts.ledger] == [False]
    close_line(client, opened)
    for one in (refresh(settings, meanwhile), read(settings)):
        assert [line.finished for line in one.facts.ledger] == [True]
        assert one.facts.description == "Look again"


def test_what_another_process_has_fetched_is_not_fetched_again(
    client, served, settings, sample, workshop
):
    run_id = plant(client, settings, sample, workshop.slightly_other)
    put_in_production(client, settings, run_id)
    theirs = refresh(settings, served)
    remove_stored(client, run_id)
    ours = refresh(settings, served)
    assert (ours.facts.version, ours.refusal) == ("2", None)
    assert premium(ours) == premium(theirs)


def refresh_together(settings, barrier, answers):
    """Another process: once on an empty folder, then after the alias has moved."""
    before = None
    for _ in range(2):
        barrier.wait(PATIENCE)
        before = refresh(settings, before)
        barrier.wait(PATIENCE)
        answers.put((before.facts.version, premium(before), before.problem, before.refusal))


@pytest.mark.process
def test_two_processes_on_one_folder_at_once_both_serve(client, settings, trained, second_run):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.SimpleQueue()
    processes = [
        context.Process(target=refresh_together, args=(settings, barrier, answers))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    try:
        for number, run_id in (("1", trained.run_id), ("2", second_run)):
            put_in_production(client, settings, run_id)
            expected = (number, premium(refresh_elsewhere(settings)), None, None)
            barrier.wait(PATIENCE)
            barrier.wait(PATIENCE)
            assert [answers.get(), answers.get()] == [expected, expected]
            kept = read(settings)
            assert (kept.facts.version, premium(kept)) == expected[:2]
            assert copies(settings) == 1
    finally:
        for process in processes:
            process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0, 0]


def refresh_elsewhere(settings):
    """The version in production, fetched into another folder."""
    other = settings.model_cache.with_name("elsewhere")
    return refresh(settings.model_copy(update={"model_cache": other}), None)


@pytest.mark.process
def test_a_reader_never_finds_half_a_version_while_another_switches(
    client, served, settings, second_run
):
    put_in_production(client, settings, second_run)
    known = {premium(served), premium(refresh_elsewhere(settings))}
    over = threading.Event()

    def switch() -> None:
        now = served
        while not over.is_set():
            for number in "12":
                versions.set_alias(client, settings, settings.production_alias, number)
                now = refresh(settings, now)

    switching = threading.Thread(target=switch)
    switching.start()
    try:
        seen = Counter(premium(read(settings)) for _ in range(50))
    finally:
        over.set()
        switching.join(PATIENCE)
    assert set(seen) == known


# The registry is there, but what it names may not serve.


@pytest.mark.parametrize(
    "mutation",
    [mutation for mutation in MUTATIONS if mutation.name in REFUSED],
    ids=lambda mutation: mutation.name,
)
def test_a_version_that_is_refused_leaves_the_last_good_one(
    mutation, client, served, settings, sample, workshop, caplog
):
    run_id = plant(client, settings, sample, mutation.make(workshop))
    put_in_production(client, settings, run_id)
    with caplog.at_level(logging.WARNING, "insurance_predictor"):
        now = refresh(settings, served)
        again = refresh(settings, now)
    assert mutation.says in now.refusal
    assert now.refusal == again.refusal
    assert (now.facts.version, now.problem) == ("1", None)
    assert premium(now) == premium(served) == premium(read(settings))
    assert now.checked > served.checked
    assert copies(settings) == 1
    # Once: a refusal lasts until somebody acts, and is met every minute.
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"Version 1 goes on serving: {now.refusal}" in caplog.text
    with pytest.raises(IntegrityFault, match=mutation.says):
        refresh(settings.model_copy(update={"model_cache": Path("empty")}), None)
    assert not Path("empty").exists()


def test_a_refused_version_serves_as_soon_as_its_file_is_restored(
    client, served, settings, sample, workshop
):
    run_id = plant(client, settings, sample, workshop.slightly_other)
    put_in_production(client, settings, run_id)
    source = client.get_run(run_id).data.tags[MODEL_URI_TAG]
    preprocessor = stored_files(client, run_id, source).preprocessor
    original = preprocessor.read_bytes()
    preprocessor.write_bytes(b"x")
    refused = refresh(settings, served)
    assert "preprocessor.skops is not the one" in refused.refusal
    preprocessor.write_bytes(original)
    restored = refresh(settings, refused)
    assert (restored.facts.version, restored.refusal) == ("2", None)


def test_a_preprocessor_swapped_in_the_registry_is_never_unpickled(
    client, served, settings, sample, trained, tmp_path
):
    made = tmp_path / "made by unpickling"
    planted = Planted(
        trained.trained,
        1,
        tamper=lambda files: joblib.dump(WritesWhenUnpickled(made), files.preprocessor),
    )
    put_in_production(client, settings, plant(client, settings, sample, planted))
    assert "preprocessor.skops is not the one" in refresh(settings, served).refusal
    assert not made.exists()


@pytest.mark.parametrize("tag", ["manifest_sha256", "preprocessor_sha256"])
def test_digests_that_change_on_the_version_that_serves_refuse_it(client, served, settings, tag):
    versions.set_tag(client, settings, "1", tag, "0" * 64)
    now = refresh(settings, served)
    assert "is not the one that was trained" in now.refusal
    assert premium(now) == premium(served)
    versions.delete_tag(client, settings, "1", tag)
    assert f"carries no {tag}" in refresh(settings, now).refusal


def test_a_serving_version_that_becomes_one_of_a_former_release_runs_no_code(
    client, served, settings, sample, trained, tmp_path
):
    """Whoever writes the tags of a version chooses what its files are checked by, not how loaded.

    The version before stays.
    """
    run_id = plant(client, settings, sample, Planted(trained.trained, 1))
    put_in_production(client, settings, run_id)
    good = refresh(settings, served)
    version = versions.get_version(client, settings, "2")
    made = tmp_path / "made by unpickling"
    files = stored_files(client, run_id, version.source)
    joblib.dump(WritesWhenUnpickled(made), files.pickled_preprocessor)
    digests = former_tags(client, run_id, version.source)
    for name, value in digests.items():
        versions.set_tag(client, settings, "2", name, value)
    versions.delete_tag(client, settings, "2", MANIFEST_TAG)
    combined = versions.get_version(client, settings, "2").digests.combined
    versions.set_tag(client, settings, "2", TRIED_TAG, combined)
    now = refresh(settings, good)
    digest = digests[PREPROCESSOR_TAG]
    assert now.refusal == (
        f"Version 2 is refused: its preprocessor (sha256 {digest}) is a pickle, which runs code "
        "when it is loaded. Train, register and promote again; or, if you know who made it, set "
        f"TRUSTED_PICKLES={digest}."
    )
    assert premium(now) == premium(good) == premium(read(settings))
    assert not made.exists()
    assert any("is a pickle" in problem for problem in read_state(client, settings).problems)
    listed = settings.model_copy(update={"trusted_pickles": digest})
    refresh(listed, good)
    assert made.exists()  # so the check above could have failed


def test_without_the_alias_the_last_good_one_stays_and_nothing_is_started(client, served, settings):
    versions.delete_alias(client, settings, settings.production_alias)
    now = refresh(settings, served)
    assert "Run `make train register promote` first." in now.refusal
    assert (now.facts.version, now.problem) == ("1", None)
    assert premium(read(settings)) == premium(now)
    with pytest.raises(NoProductionModel, match="make train register promote"):
        refresh(settings, None)
    versions.set_alias(client, settings, settings.production_alias, "1")
    assert refresh(settings, now).refusal is None


def test_a_version_that_was_deleted_leaves_the_last_good_one(client, served, settings):
    client.delete_model_version(settings.model_name, "1")
    now = refresh(settings, served)
    assert "has the alias 'producao'" in now.refusal
    assert premium(now) == premium(served)


def test_a_run_that_was_deleted_but_can_be_restored_still_serves(
    client, served, settings, sample, workshop
):
    run_id = plant(client, settings, sample, workshop.slightly_other)
    put_in_production(client, settings, run_id)
    client.delete_run(run_id)
    now = refresh(settings, served)
    assert (now.facts.version, now.problem, now.refusal) == ("2", None, None)


def test_a_run_that_is_gone_for_good_is_refused(client, served, settings, trained):
    put_in_production(client, settings, trained.run_id)
    execute(
        settings,
        f"UPDATE model_versions SET run_id = '{'0' * 32}' "
        f"WHERE name = '{settings.model_name}' AND version = 2",
    )
    now = refresh(settings, served)
    assert f"The run {'0' * 32} has lost a file" in now.refusal
    assert (now.facts.version, now.problem) == ("1", None)


@pytest.fixture
def odd_run(client, settings, second_run) -> Iterator[Callable[[], None]]:
    """`second_run` begins in a year that no date can have, until the function is called."""
    began = client.get_run(second_run).info.start_time

    def begin(when: int) -> None:
        execute(settings, f"UPDATE runs SET start_time = {when} WHERE run_uuid = '{second_run}'")

    begin(10**18)
    yield lambda: begin(began)
    begin(began)


def test_a_fault_of_ours_is_logged_with_its_place_and_costs_no_quote(
    client, served, settings, second_run, odd_run, caplog
):
    put_in_production(client, settings, second_run)
    now = refresh(settings, served)
    assert now.problem.startswith("ValueError: ")
    assert now.checked == served.checked
    assert premium(now) == premium(served)
    assert "Traceback" in caplog.text
    with pytest.raises(ValueError, match="out of range"):
        refresh(settings, None)


def test_a_folder_that_cannot_be_written_costs_no_quote(
    client, settings, trained, second_run, caplog
):
    settings.model_cache.write_text("in the way")
    put_in_production(client, settings, trained.run_id)
    first = refresh(settings, None)
    put_in_production(client, settings, second_run)
    second = refresh(settings, refresh(settings, first))
    assert (second.facts.version, second.problem, second.refusal) == ("2", None, None)
    assert premium(second) != premium(first)
    assert read(settings) is None
    assert f"{settings.model_cache} cannot be written" in caplog.text


@pytest.fixture
def hosted(served, settings, elsewhere):
    """`served`, as if its registry were at another port of this machine."""

    def at(port: int) -> Settings:
        return settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{port}"})

    return at


def test_an_outage_does_not_make_a_refusal_forgotten(client, served, settings, hosted):
    versions.delete_alias(client, settings, settings.production_alias)
    refused = refresh(settings, served)
    now = refresh(hosted(free_port()), refused)
    assert now.refusal == refused.refusal
    assert now.problem is not None


# A process that goes on.


class Looks(list):
    """How each look at the registry ended, as `ServedModel` tells it."""

    def __call__(self, outcome: Served | Exception, latency_ms: float) -> None:
        assert latency_ms >= 0
        self.append(outcome)

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self) < count:
            assert time.monotonic() < end, "the registry was not looked at"
            time.sleep(0.01)


@pytest.fixture
def looks() -> Looks:
    return Looks()


def asking_every(seconds: float, settings: Settings) -> Settings:
    return settings.model_copy(update={"registry_check_seconds": seconds})


def test_what_is_kept_answers_at_once_and_is_refreshed_behind(client, served, settings, looks):
    put_in_production(client, settings, served.facts.run_id)
    model = ServedModel(asking_every(86_400, settings), 1.0, looks)
    assert model.current().checked == served.checked  # nobody has asked the registry for it
    looks.wait_for(1)
    assert model.current().facts.version == "2"
    assert [look.facts.version for look in looks] == ["2"]  # fresh enough since


def test_the_registry_is_asked_again_when_somebody_comes_after_a_while(settings, served, looks):
    model = ServedModel(asking_every(0.1, settings), 0.0, looks)
    for count in (1, 2, 3):
        time.sleep(0.1)
        assert model.current().facts.version == "1"
        looks.wait_for(count)
    assert all(earlier.checked < later.checked for earlier, later in pairwise(looks))


def test_who_comes_first_waits_for_the_registry_and_the_others_with_them(
    client, settings, trained, looks
):
    put_in_production(client, settings, trained.run_id)
    model = ServedModel(asking_every(86_400, settings), 0.0, looks)
    with ThreadPoolExecutor(4) as visitors:
        answers = [visitors.submit(model.current) for _ in range(4)]
    assert [answer.result().facts.version for answer in answers] == ["1"] * 4
    assert len(looks) == 1


def test_with_nothing_to_serve_everybody_hears_why_until_there_is(client, settings, trained, looks):
    model = ServedModel(asking_every(86_400, settings), 0.0, looks)
    for _ in range(3):
        with pytest.raises(NoProductionModel, match="make train register promote"):
            model.current()
    assert [type(look) for look in looks] == [NoProductionModel]
    put_in_production(client, settings, trained.run_id)
    model.refresh()
    assert model.current().facts.version == "1"


def test_where_nothing_serves_the_registry_is_asked_again_soon(client, settings, trained, looks):
    model = ServedModel(asking_every(86_400, settings), 0.0, looks)
    with pytest.raises(NoProductionModel):
        model.current()
    put_in_production(client, settings, trained.run_id)
    end = time.monotonic() + PATIENCE
    while len(looks) < 2 and time.monotonic() < end:
        time.sleep(0.1)
        with suppress(NoProductionModel):
            model.current()
    assert model.current().facts.version == "1"


def test_a_fault_of_ours_is_told_and_the_next_look_may_succeed(
    client, settings, second_run, odd_run, looks
):
    put_in_production(client, settings, second_run)
    model = ServedModel(asking_every(86_400, settings), 0.0, looks)
    for _ in range(2):
        with pytest.raises(ValueError, match="out of range"):
            model.current()
    odd_run()
    model.refresh()
    assert model.current().facts.run_id == second_run
    assert [type(look) for look in looks] == [ValueError, Served]


def test_during_an_outage_what_serves_stays_and_is_stale(served, settings, hosted, looks):
    gone = asking_every(86_400, hosted(free_port()))
    own_folder(settings).rename(own_folder(gone))
    record = own_folder(gone) / RECORD
    record.write_text(
        record.read_text()
        .replace(settings.mlflow_tracking_uri, gone.mlflow_tracking_uri)
        .replace(own_folder(settings).name, own_folder(gone).name)
    )
    model = ServedModel(gone, 0.0, looks)
    assert model.current().facts == served.facts
    looks.wait_for(1)
    assert model.current().is_stale
    assert premium(model.current()) == premium(served)


# A real server, followed through its life, so the order of the tests below counts.


@dataclass(frozen=True)
class Remote:
    """A server that may come back at the same port, and the settings that reach it."""

    server: Server
    folder: Path
    port: int
    settings: Settings

    def asked(self) -> Counter[str]:
        """How often each path was asked for, by the server's log."""
        lines = re.findall(r'"(?:GET|POST) ([^ ?]+)', self.server.log.read_text())
        return Counter(lines)

    def promote(self, sample, planted: Planted) -> None:
        client = connect(self.settings)
        put_in_production(client, self.settings, plant(client, self.settings, sample, planted))


@pytest.fixture(scope="module")
def remote(tmp_path_factory, sample, workshop) -> Iterator[Remote]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    with mlflow_server(folder, port=port) as server:
        settings = Settings(mlflow_tracking_uri=server.uri, model_cache=folder / "cache")
        remote = Remote(server, folder, port, settings)
        remote.promote(sample, workshop.slightly_other)
        yield remote


@pytest.mark.process
def test_asking_for_the_same_version_takes_two_calls(elsewhere, remote):
    first = refresh(remote.settings, None)
    before = remote.asked()
    assert refresh(remote.settings, first).problem is None
    assert remote.asked() - before == Counter(
        {
            "/version": 1,
            "/api/2.0/mlflow/registered-models/get": 1,
            "/api/2.0/mlflow/model-versions/get": 1,
        }
    )


@pytest.mark.process
def test_a_server_that_is_frozen_and_thaws_is_a_problem_that_passes(elsewhere, remote):
    first = refresh(remote.settings, None)
    os.killpg(remote.server.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        frozen = refresh(remote.settings, first)
        assert time.monotonic() - began < HANG
    finally:
        os.killpg(remote.server.process.pid, signal.SIGCONT)
    assert frozen.problem.startswith(f"No answer from {remote.server.uri}")
    assert frozen.checked == first.checked
    thawed = refresh(remote.settings, frozen)
    assert thawed.problem is None
    assert thawed.checked > first.checked


@pytest.mark.process
def test_a_server_that_is_killed_and_comes_back_costs_no_quote(
    elsewhere, remote, sample, workshop, caplog
):
    settings = remote.settings
    first = refresh(settings, None)
    remote.server.kill()
    out = refresh(settings, refresh(settings, first))
    assert caplog.text.count("goes on serving: No answer from") == 1
    assert out.problem.startswith(f"No answer from {remote.server.uri}")
    assert out.checked == first.checked == read(settings).checked
    assert premium(out) == premium(first) == premium(read(settings))
    with pytest.raises(Unreachable):
        refresh(settings, None)
    with mlflow_server(remote.folder, port=remote.port):
        remote.promote(sample, workshop.after_inflation(2))
        back = refresh(settings, out)
        assert (back.facts.version, back.problem, back.refusal) == ("2", None, None)
        assert back.checked > out.checked
        assert premium(back) == premium(read(settings)) > premium(first)
