"""What a page may say of a version: read once from the registry, and complete."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.release.promotion import promote
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import close_line, open_line
from insurance_predictor.store.version_facts import LEDGER_LINES, read_facts
from insurance_predictor.store.versions import get_version
from tests.insurance_predictor.store.test_versions import execute
from tests.planting import Planted, plant, write_version


@pytest.fixture
def facts(client, settings, production):
    return read_facts(client, settings, get_version(client, settings, production.number))


def test_where_a_version_comes_from(facts, settings, trained, production):
    assert (facts.version, facts.run_id) == ("1", trained.run_id)
    assert (facts.model_name, facts.alias) == (settings.model_name, "producao")
    assert facts.trained_at < facts.created == production.created
    assert datetime.now(UTC) - facts.trained_at < timedelta(hours=1)
    assert facts.description == production.description
    assert facts.parameters["data_fingerprint"].startswith(facts.dataset)
    assert facts.parameters["candidate"] == trained.trained.scores.candidate.name
    assert int(facts.parameters["rows_train"]) == facts.rows_train


def test_how_good_it_is_with_intervals_overall_and_per_slice(facts, trained):
    found = trained.trained.evaluation
    rmse = found.overall["rmse"]
    assert facts.metrics["holdout.rmse"] == rmse.value
    assert facts.metrics["holdout.rmse_low"] == rmse.low
    assert facts.metrics["holdout.rmse_high"] == rmse.high
    assert facts.metrics["holdout.smoker_yes.mae"] == found.slices["smoker=yes"]["mae"].value
    assert facts.metrics["holdout.coverage"] == found.interval.coverage
    assert all(name.startswith("holdout.") for name in facts.metrics)


def test_the_first_version_has_a_ledger_line_and_nothing_before_it(facts):
    assert [(line.action, line.before, line.after) for line in facts.ledger] == [
        ("promote", None, "1")
    ]
    assert facts.previous is None


def test_what_served_before_comes_with_its_metrics(client, settings, production, trained, facts):
    second = write_version(client, settings, trained.run_id)
    promote(client, settings, second.number)
    found = read_facts(client, settings, get_version(client, settings, second.number))
    assert found.previous.version == "1"
    assert found.previous.metrics == facts.metrics
    client.delete_model_version(settings.model_name, "1")
    assert read_facts(client, settings, second).previous is None


def test_of_a_run_that_is_gone_for_good_the_version_s_own_metrics_remain(client, settings, trained):
    write_version(client, settings, trained.run_id)
    execute(
        settings,
        f"UPDATE model_versions SET run_id = '{'0' * 32}' WHERE name = '{settings.model_name}'",
    )
    found = read_facts(client, settings, get_version(client, settings, "1"))
    assert found.metrics == {"holdout.rmse": 4500.5}
    assert (found.trained_at, found.parameters) == (None, {})


def test_a_run_that_was_deleted_but_can_be_restored_still_tells(client, settings, sample, trained):
    run_id = plant(client, settings, sample, Planted(trained.trained, 7))
    version = write_version(client, settings, run_id)
    client.delete_run(run_id)
    assert read_facts(client, settings, version).trained_at is not None


def test_only_the_last_lines_of_a_long_ledger_are_taken(client, settings, production):
    for number in range(LEDGER_LINES + 1):
        close_line(client, line(client, settings, after=str(number)))
    found = read_facts(client, settings, production)
    assert [one.after for one in found.ledger] == [str(n) for n in range(1, LEDGER_LINES + 1)]


def test_a_version_is_told_from_another_by_number_run_and_files(facts, client, settings):
    version = get_version(client, settings, "1")
    assert facts.is_of(version)
    tags = {**version.tags, "preprocessor_sha256": "0" * 64}
    for other in (
        replace(version, number="2"),
        replace(version, run_id="another"),
        replace(version, tags=tags),
    ):
        assert not facts.is_of(other)


def test_a_version_without_a_digest_is_refused(facts, client, settings):
    versions.delete_tag(client, settings, "1", "manifest_sha256")
    with pytest.raises(IntegrityFault, match="Version 1 carries no manifest_sha256"):
        facts.is_of(get_version(client, settings, "1"))


def test_facts_are_current_until_the_words_change_or_while_a_line_is_open(
    client, settings, production
):
    def current() -> bool:
        version = get_version(client, settings, "1")
        return read.is_current(version)

    read = read_facts(client, settings, get_version(client, settings, "1"))
    assert current()
    client.update_model_version(settings.model_name, "1", description="Corrected")
    assert not current()
    opened = line(client, settings, after="1")
    read = read_facts(client, settings, get_version(client, settings, "1"))
    assert not current()
    close_line(client, opened)
    read = read_facts(client, settings, get_version(client, settings, "1"))
    assert current()


def line(client, settings, after):
    return open_line(client, settings, action="promote", before="1", after=after, why="for a test")
