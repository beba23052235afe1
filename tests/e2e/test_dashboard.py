"""The history of monitoring as a page of its own, with more than one visitor."""

import pytest
from playwright.sync_api import Browser, expect

from monitoring.words import dashboard_words
from tests.e2e.running_app import HEALTH, App, clone, launch
from tests.e2e.visitor import PATIENCE


@pytest.fixture
def dashboard(tmp_path):
    """The dashboard of a clone in which nobody has trained or monitored yet."""
    started: App = launch(clone(tmp_path / "clone"), {}, script="monitoring/dashboard/alone.py")
    try:
        started.server.wait_until_healthy(HEALTH)
        yield started
    finally:
        started.server.stop()


def test_visitors_who_come_while_the_history_is_read_all_see_it(dashboard: App, browser: Browser):
    context = browser.new_context(locale="en-US")
    pages = [context.new_page() for _ in range(3)]
    for page in pages:
        page.goto(dashboard.uri)
        expect(page.get_by_text(dashboard_words.INTRO("en", model="").strip()[:20])).to_be_visible(
            timeout=PATIENCE
        )
    for page in pages:
        expect(page.get_by_text(dashboard_words.NOTHING_YET("en"))).to_be_visible(timeout=PATIENCE)
    context.close()
    assert "Traceback" not in dashboard.log
