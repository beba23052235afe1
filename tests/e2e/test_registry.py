"""What visitors see of the registry: a promotion, an outage, a version that was tampered with."""

from typing import Any

import pytest
from playwright.sync_api import expect

from app import text
from insurance_predictor.model.run_layout import PREPROCESSOR_SKOPS
from tests.e2e.conftest import OFTEN
from tests.e2e.running_app import clone, running
from tests.e2e.visitor import ANA, REFRESHED, Visitor
from tests.predictions import kept, wait_until


@pytest.fixture(scope="module")
def app(registry, tmp_path_factory):
    """An app that this module's tests disturb."""
    folder = clone(tmp_path_factory.mktemp("disturbed"))
    with running(folder, registry.variables | OFTEN) as started:
        yield started


@pytest.fixture
def person(visit) -> Visitor:
    """Somebody who has just been quoted."""
    made: Visitor = visit("en")
    made.open()
    made.fill(ANA)
    made.calculate()
    return made


def test_a_promotion_shows_up_on_an_open_page_and_answers_the_next_quote(person, registry):
    before, after = registry.serving, registry.other
    person.shows(registry.predictor(before).quote(ANA))
    registry.promote(after)
    expect(person.sees(text.NEWER, version=after)).to_be_visible(timeout=REFRESHED)
    person.calculate()
    person.shows(registry.predictor(after).quote(ANA))
    expect(person.sees(text.NEWER, version=after)).to_have_count(0)


def test_quotes_go_on_without_the_registry_and_the_notice_leaves_with_the_outage(
    person, registry, app
):
    serving = registry.serving
    quote = registry.predictor(serving).quote(ANA)
    notice = person.page.get_by_role("alert").filter(has_text="The model registry does not answer")
    registry.kill()
    try:
        expect(notice).to_be_visible(timeout=REFRESHED)
        expect(notice).to_contain_text(f"Version {serving} goes on answering")
        expect(notice).to_contain_text(" ago.")
        during = person.calculate()
        person.shows(quote)
    finally:
        registry.start()
    expect(notice).to_have_count(0, timeout=REFRESHED)
    after = person.calculate()

    def rows() -> dict[str, Any]:
        return {row["id"]: row for row in kept(app.prediction_log_url)}

    wait_until(lambda: after in rows())  # quotes are delivered a moment later, together
    found = rows()
    assert (found[during]["stale"], found[after]["stale"]) == (True, False)


def test_a_tampered_version_is_refused_on_the_model_page_and_the_last_good_one_quotes(
    person, registry
):
    good, bad = registry.serving, registry.other
    quote = registry.predictor(good).quote(ANA)
    with registry.tampered_in_production(bad):
        person.open("/model")
        expect(person.sees(text.REFUSED, version=good)).to_be_visible(timeout=REFRESHED)
        person.page.get_by_text(person.words(text.DETAIL), exact=True).click()
        reason = (
            f"Version {bad} is refused: its {PREPROCESSOR_SKOPS} is not the one that was trained"
        )
        expect(person.page.get_by_text(reason)).to_be_visible()
        person.open()
        person.fill(ANA)
        person.calculate()
        person.shows(quote)
