"""The monitoring dashboard as a page of the app."""

from collections.abc import Callable

from app import text
from monitoring.words import dashboard_words
from tests.app.conftest import in_both_languages, page, press, words


@in_both_languages
def test_before_the_first_look_the_page_says_what_to_run(place: Callable[..., None], language: str):
    visit = page(language, "monitoring")
    assert not visit.exception
    assert visit.title[0].value == text.MONITORING_PAGE(language)
    assert dashboard_words.NOTHING_YET(language) in words(visit)


def test_a_registry_that_is_gone_is_said_as_on_every_page(
    place: Callable[..., None], language: str, elsewhere: None
):
    place("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    visit = page(language, "monitoring")
    assert not visit.exception
    assert text.UNREACHABLE(language) in words(visit)
    press(visit, text.TRY_AGAIN(language))
