"""What a workflow shows of a promotion."""

from infra.github.promotion import as_markdown
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.release.registration import register
from insurance_predictor.store.status import read_state
from insurance_predictor.store.versions import delete_alias
from tests.planting import Workshop, plant


def test_the_page_names_the_version_and_who_moved_it(
    client, settings, production, store, sample, trained, monkeypatch
):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    other = plant(client, store, sample, Workshop.of(trained, sample).slightly_other)
    register(client, settings, other)
    promote(client, settings, reason="better | by far")
    rollback(client, settings, "Slack said <b>so</b>")
    text = as_markdown(settings, read_state(client, settings))
    assert text.startswith("## In production: version 1\n")
    first, second = [line for line in text.splitlines() if line.startswith("| 2")][:2]
    assert r"| ana | rollback 2 to 1 | Slack said \<b\>so\</b\> |" in first
    assert r"| ana | promote 1 to 2 | better \| by far |" in second


def test_nothing_in_production_is_said(client, settings, production):
    delete_alias(client, settings, settings.production_alias)
    text = as_markdown(settings, read_state(client, settings))
    assert text.startswith("## In production: nothing\n")
    assert "**Problem:**" in text
