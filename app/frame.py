"""What every page has around it: the language, the version that serves, and what failed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from app import fields, link, serving, text
from insurance_predictor.base import formats
from insurance_predictor.base.errors import (
    InsurancePredictorError,
    IntegrityFault,
    InvalidSettings,
    NotFound,
    Unreachable,
)
from insurance_predictor.base.words import Language, Text
from insurance_predictor.serving import json_log

if TYPE_CHECKING:
    from insurance_predictor.serving.served_model import Served

LANGUAGES: tuple[Language, ...] = ("pt", "en")
LANGUAGE_KEY = "language"
FIRST_STEPS = "make train register promote"

FAILURES: tuple[tuple[type[InsurancePredictorError], Text, Text], ...] = (
    (InvalidSettings, text.BAD_SETTINGS, text.BAD_SETTINGS_STEPS),
    (NotFound, text.NO_MODEL, text.NO_MODEL_STEPS),
    (Unreachable, text.UNREACHABLE, text.UNREACHABLE_STEPS),
    (IntegrityFault, text.NOT_SERVABLE, text.NOT_SERVABLE_STEPS),
)


def chosen_language() -> Language:
    """The visitor's choice, else the link's, else the browser's."""
    if LANGUAGE_KEY not in st.session_state:
        st.session_state[LANGUAGE_KEY] = _unchosen_language()
    chosen: Language = st.session_state[LANGUAGE_KEY]
    return chosen


def keep_language(language: Language) -> None:
    """Name the language in the address, where a reload would find another one."""
    if language != _unchosen_language():
        st.query_params[link.LANGUAGE] = language


def _unchosen_language() -> Language:
    asked = st.query_params.get(link.LANGUAGE)
    spoken = asked if asked in LANGUAGES else (st.context.locale or "")
    return "pt" if spoken.lower().startswith("pt") else "en"


def heading(title: str, language: Language) -> None:
    """The page's title, and beside it the switch of the language."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.title(title, anchor=False)
        st.segmented_control(
            text.LANGUAGE(language),
            LANGUAGES,
            key=LANGUAGE_KEY,
            required=True,
            format_func=text.LANGUAGE_NAME,
            label_visibility="collapsed",
            width="content",
        )


def status(language: Language, answered_by: str | None = None) -> None:
    """Which version serves and how fresh it is, kept fresh itself while the page is open.

    `answered_by` is the version of what the page shows.
    """
    kept_fresh(_status, language, answered_by)


def kept_fresh(show: Callable[..., None], *arguments: object) -> None:
    """Show something again as often as the registry is asked, while the page is open."""
    st.fragment(show, run_every=serving.settings().registry_check_seconds)(*arguments)


def _status(language: Language, answered_by: str | None) -> None:
    served = serving.served()
    version = served.predictor.version
    ago = formats.ago(served.checked, datetime.now(UTC), language)
    if served.is_stale:
        st.warning(text.OUTAGE(language, version=version, ago=ago))
    else:
        st.caption(text.SERVING(language, version=version, ago=ago))
    if answered_by not in (None, version):
        st.info(text.NEWER(language, version=version))


def columns_note(served: "Served", language: Language) -> None:
    """What the version that serves knows more or less of than the schema, which the pages show."""
    version, columns = served.predictor.version, served.predictor.columns
    if lost := fields.labels_of_lost(columns, language):
        st.error(text.LOST_COLUMNS(language, version=version, columns=formats.plain(lost)))
    if later := fields.labels_of_later(columns, language):
        st.info(text.LATER_COLUMNS(language, version=version, columns=formats.plain(later)))


@contextmanager
def edge(page: str, language: Language) -> Iterator[None]:
    """Where errors end: whatever the block raises is logged, and shown as what to do about it."""
    try:
        yield
    except InsurancePredictorError as error:
        json_log.tell_error("page_failed", error, page=page)
        _failure(error, language)
    except Exception as error:
        json_log.tell_error("page_crashed", error, page=page)
        st.error(text.UNEXPECTED(language))


def detail(words: str, language: Language) -> None:
    """The library's own words, which are English, for whoever has to look into it."""
    with st.expander(text.DETAIL(language)):
        st.code(words, language=None, wrap_lines=True)


def _failure(error: InsurancePredictorError, language: Language) -> None:
    known = [words for kind, *words in FAILURES if isinstance(error, kind)]
    if not known:
        st.error(text.UNEXPECTED(language))
        return
    title, steps = known[0]
    st.subheader(title(language))
    st.write(steps(language))
    if isinstance(error, NotFound):
        st.code(FIRST_STEPS, language="sh")
        st.write(text.NO_MODEL_SETTINGS(language))
    detail(str(error), language)
    st.button(text.TRY_AGAIN(language), type="primary", on_click=serving.try_again)
