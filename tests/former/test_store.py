"""Versions that release 0.1 registered are served, judged against and moved by this one."""

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving import served_model
from insurance_predictor.serving.predictor import load
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.read import read_table
from insurance_predictor.training.train import TrainingOptions, train

PERSON = {
    "age": 30,
    "sex": "male",
    "bmi": 30.5,
    "children": 1,
    "smoker": "yes",
    "region": "northwest",
}
PREMIUM = 36883.043307461296  # what release 0.1 quoted, US dollars a year


@pytest.mark.usefixtures("elsewhere")
def test_a_registered_version_is_loaded_and_quotes_what_it_quoted(former: Settings):
    assert load(former).quote(PERSON).premium == pytest.approx(PREMIUM, abs=0.005)


def test_the_version_kept_on_disk_is_served_without_the_registry(former: Settings):
    served = served_model.read(former)
    assert served is not None
    assert served.predictor.quote(PERSON).premium == pytest.approx(PREMIUM, abs=0.005)


@pytest.mark.process
@pytest.mark.usefixtures("elsewhere")
def test_the_ledger_is_read_and_goes_on(former: Settings):
    client = connect(former)
    state = read_state(client, former)
    assert [(line.who, line.after) for line in state.ledger] == [("ana", "1")]
    assert state.problems == ()
    table = read_table(former)
    rows = table.frame.iloc[: int(0.9 * len(table.frame))].reset_index(drop=True)
    smaller = type(table)(rows, "nine tenths", "0" * 64, ())
    run = train(client, former, smaller, TrainingOptions())
    version = register(client, former, run.run_id).version
    assert version.tags["against_production"]
    promote(client, former, version.number)
    assert [line.after for line in read_state(client, former).ledger] == ["1", "2"]
