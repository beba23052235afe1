"""Versions that release 0.1 registered are served, judged against and moved by this one."""

import re
from pathlib import Path

import joblib
import pytest

from insurance_predictor.base.errors import IntegrityFault, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import Manifest
from insurance_predictor.model.run_layout import HOLDOUT, MANIFEST, PREPROCESSOR, REFERENCE
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving import served_model
from insurance_predictor.serving.documents import version_documents
from insurance_predictor.serving.predictor import load
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect
from insurance_predictor.store.versions import get_version
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.former.conftest import PICKLE
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled

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


@pytest.fixture
def unlisted(former: Settings) -> Settings:
    """The same, for an operator who has listed no pickle."""
    return former.model_copy(update={"trusted_pickles": None})


@pytest.mark.usefixtures("elsewhere")
def test_a_pickle_is_not_loaded_unless_it_is_listed(unlisted: Settings):
    client = connect(unlisted)
    said = (
        rf"Version 1 is refused: its preprocessor \(sha256 {PICKLE}\) is a pickle, .*"
        rf"Train, register and promote again; or, .* set TRUSTED_PICKLES={PICKLE}\."
    )
    for refused in (
        lambda: load(unlisted),
        lambda: promote(client, unlisted, "1"),
        lambda: served_model.refresh(unlisted, None),
    ):
        with pytest.raises(IntegrityFault, match=said):
            refused()
    assert served_model.read(unlisted) is None
    [problem] = read_state(client, unlisted).problems
    assert re.fullmatch(said, problem)


@pytest.mark.usefixtures("elsewhere")
def test_of_a_pickle_that_is_not_listed_the_rows_can_still_be_read(unlisted: Settings):
    """Monitoring looks back at what it served."""
    assert version_documents(connect(unlisted), unlisted, "1").reference is not None


@pytest.mark.process
@pytest.mark.usefixtures("elsewhere")
def test_instead_of_listing_a_pickle_one_trains_and_promotes_again(unlisted: Settings):
    """Nothing can be compared with what is not loaded, so the promotion is one by force."""
    client = connect(unlisted)
    run = train(client, unlisted, nine_tenths(unlisted), TrainingOptions())
    with pytest.raises(RefusedByGate, match="is a pickle") as refused:
        register(client, unlisted, run.run_id)
    assert '`make promote VERSION=2 FORCE=1 REASON="..."`' in str(refused.value)
    promote(client, unlisted, "2", force=True, reason="version 1 is a pickle")
    assert served_model.refresh(unlisted, None).facts.version == "2"
    assert read_state(client, unlisted).problems == ()


@pytest.mark.usefixtures("elsewhere")
def test_what_the_gate_said_of_a_version_still_holds(former: Settings):
    version = get_version(connect(former), former, "1")
    assert (version.is_approved, version.digests.has_manifest) == (True, False)
    promote(connect(former), former, "1")


@pytest.mark.usefixtures("elsewhere")
def test_of_a_version_without_a_manifest_only_the_rows_that_its_run_vouches_for_are_used(
    former: Settings,
):
    kept = served_model.read(former)
    assert kept.documents.reference is None
    served = served_model.refresh(former, kept)
    assert len(served.documents.reference) == served.facts.rows_train
    assert len(served.documents.holdout) > 0
    assert (served.documents.model_card, served.documents.plots) == ("", {})
    assert served_model.refresh(former, served).documents is served.documents
    again = served_model.read(former)
    assert len(again.documents.reference) == served.facts.rows_train
    assert (again.documents.model_card, again.documents.plots) == ("", {})
    rows = stored(former) / REFERENCE
    rows.write_text(rows.read_text().replace("yes", "no"))
    emptied = former.model_copy(update={"model_cache": former.model_cache / "another"})
    served = served_model.refresh(emptied, None)
    assert (served.documents.reference, served.documents.holdout) == (None, None)
    assert served.predictor.quote(PERSON).premium == pytest.approx(PREMIUM, abs=0.005)


@pytest.mark.usefixtures("elsewhere")
def test_a_store_cannot_choose_how_its_files_are_checked(former: Settings, tmp_path):
    """A manifest in the store of a version that has none is not looked at, nor is a skops file."""
    folder = stored(former)
    made = tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), folder / PREPROCESSOR)
    (folder / MANIFEST).write_text(Manifest.of(folder).text)
    with pytest.raises(IntegrityFault, match="its preprocessor is not the one"):
        load(former)
    assert not made.exists()


@pytest.mark.usefixtures("elsewhere")
def test_a_run_of_the_former_release_is_registered_and_judged(former: Settings):
    client = connect(former)
    ours = former.model_copy(update={"model_name": "another"})
    run_id = get_version(client, former, "1").run_id
    version = register(client, ours, run_id).version
    assert get_version(client, ours, version.number).is_approved
    rows = stored(former) / HOLDOUT
    rows.write_text(rows.read_text().replace("yes", "no"))
    with pytest.raises(RefusedByGate, match="its hold-out or reference rows are not those"):
        register(client, ours, run_id)


def stored(former: Settings) -> Path:
    """Where the store keeps the files of version 1's run."""
    client = connect(former)
    run = client.get_run(get_version(client, former, "1").run_id)
    return Path(run.info.artifact_uri.removeprefix("file://"))


def nine_tenths(settings: Settings) -> Table:
    """A table that makes another model than the whole one."""
    table = read_table(settings)
    rows = table.frame.iloc[: int(0.9 * len(table.frame))].reset_index(drop=True)
    return Table(rows, "nine tenths", "0" * 64, ())


@pytest.mark.process
@pytest.mark.usefixtures("elsewhere")
def test_the_ledger_is_read_and_goes_on(former: Settings):
    client = connect(former)
    state = read_state(client, former)
    assert [(line.who, line.after) for line in state.ledger] == [("ana", "1")]
    assert state.problems == ()
    run = train(client, former, nine_tenths(former), TrainingOptions())
    version = register(client, former, run.run_id).version
    assert version.tags["against_production"]
    promote(client, former, version.number)
    assert [line.after for line in read_state(client, former).ledger] == ["1", "2"]
