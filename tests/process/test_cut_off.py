"""A connection that breaks in the middle of a promotion: no move is lost to the ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.store.ledger import read_lines
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.store.versions import aliases
from tests.planting import write_version
from tests.servers import Relay, mlflow_server, relay

SET_ALIAS = "/registered-models/alias"


@pytest.fixture(scope="module")
def between(client, store: Settings) -> Iterator[Relay]:
    """What stands between this module and a server over the session's store."""
    folder = Path(store.mlflow_tracking_uri.removeprefix("sqlite:///")).parent
    with mlflow_server(folder) as server, relay(server.uri) as ours:
        yield ours


@pytest.fixture
def two(client, settings, trained) -> Settings:
    """Two approved versions, the first of which serves."""
    for _ in range(2):
        write_version(client, settings, trained.run_id)
    promote(client, settings, "1")
    return settings


@pytest.fixture
def remote(two, client, trained, between: Relay, elsewhere) -> tuple[MlflowClient, Settings]:
    """The same model as its client sees it through the relay; its files are in a folder."""
    between.mend()
    experiment = client.get_experiment(client.get_run(trained.run_id).info.experiment_id)
    ours = two.model_copy(
        update={
            "mlflow_tracking_uri": between.uri,
            "artifact_location": experiment.artifact_location,
        }
    )
    return connect(ours), ours


@pytest.mark.parametrize("where", ["cut_at", "cut_after"])
def test_a_connection_that_breaks_once_the_alias_has_moved_is_settled_by_the_next_command(
    where, remote, between
):
    client, settings = remote
    setattr(between, where, SET_ALIAS)
    with pytest.raises(Unreachable) as caught, store_errors(settings):
        promote(client, settings, "2", reason="spring tariff")
    assert caught.value.exit_code == 4
    between.mend()
    assert aliases(client, settings)["producao"] == "2"
    assert any("was never closed" in one for one in read_state(client, settings).problems)
    again = promote(client, settings, "2")
    assert not again.moved
    (note,) = again.notes
    assert note.endswith("(promote 1 to 2) is settled: the alias has moved.")
    last = read_lines(client, settings)[-1]
    assert (last.before, last.after, last.why, last.finished) == ("1", "2", "spring tariff", True)
    assert read_state(client, settings).problems == ()
    assert rollback(client, settings).after == "1"


def test_a_connection_that_breaks_before_the_alias_moves_leaves_a_line_that_is_dropped(
    remote, between
):
    client, settings = remote
    between.cut_at = "/runs/log-batch"
    with pytest.raises(Unreachable), store_errors(settings):
        promote(client, settings, "2")
    between.mend()
    assert [line.finished for line in read_lines(client, settings)] == [True, False]
    done = promote(client, settings, "2")
    assert done.moved
    assert done.notes[0].endswith("(promote 1 to 2) is settled: the alias has not moved.")
    assert [line.after for line in read_lines(client, settings)] == ["1", "2"]
    assert read_state(client, settings).problems == ()
