"""The order of the pages. `streamlit run app/app.py` from the root of the repository."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
if sys.path[0] != str(HERE.parent):
    # Streamlit puts this folder on the path, where `app` would be this file; it has to be the
    # package.
    sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p and Path(p).resolve() != HERE)]

import streamlit as st  # noqa: E402

from app import frame, json_log, text  # noqa: E402
from insurance_predictor.base.words import Language, Text  # noqa: E402

Show = Callable[[Language], None]


def _quote(language: Language) -> None:
    from app.views import quote

    quote.show(language)


def _batch(language: Language) -> None:
    from app.views import batch

    batch.show(language)


def _model(language: Language) -> None:
    from app.views import model

    model.show(language)


def _monitoring(language: Language) -> None:
    import_module("monitoring.dashboard.page").show(language)  # where monitoring is installed


FIRST = "quote"
PAGES: tuple[tuple[str, Text, Show], ...] = (
    (FIRST, text.QUOTE_PAGE, _quote),
    ("batch", text.BATCH_PAGE, _batch),
    ("model", text.MODEL_PAGE, _model),
    *([("monitoring", text.MONITORING_PAGE, _monitoring)] if find_spec("monitoring") else []),
)


def main() -> None:
    json_log.set_up()
    language = frame.chosen_language()
    st.set_page_config(page_title=text.APP_TITLE(language), layout="centered")
    pages = [
        st.Page(_page(name, show), title=title(language), url_path=name, default=name == FIRST)
        for name, title, show in PAGES
    ]
    page = st.navigation(pages, position="top")
    frame.heading(page.title, language)
    page.run()


def _page(name: str, show: Show) -> Callable[[], None]:
    def run() -> None:
        language = frame.chosen_language()
        with frame.edge(name, language):
            show(language)

    return run


if __name__ == "__main__":
    main()
