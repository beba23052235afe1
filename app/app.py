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

from app import memory, text  # noqa: E402
from insurance_predictor.base.errors import InvalidSchema  # noqa: E402
from insurance_predictor.base.schema_fault import schema_faults  # noqa: E402
from insurance_predictor.base.words import Language, Text  # noqa: E402
from insurance_predictor.serving import json_log  # noqa: E402

FIRST = "quote"
# Name in the address, title, and the module that shows it, imported when somebody looks.
PAGES: tuple[tuple[str, Text, str], ...] = (
    (FIRST, text.QUOTE_PAGE, "app.views.quote"),
    ("batch", text.BATCH_PAGE, "app.views.batch"),
    ("model", text.MODEL_PAGE, "app.views.model"),
    ("monitoring", text.MONITORING_PAGE, "monitoring.dashboard.page"),
)


def main() -> None:
    memory.return_what_is_freed()
    json_log.set_up()
    try:
        with schema_faults():
            from app import frame  # which knows the columns, and all pages stand on it
    except InvalidSchema as error:
        _say_what_is_wrong(error)
        return
    language = frame.chosen_language()
    st.set_page_config(page_title=text.APP_TITLE(language), layout="centered")
    pages = [
        st.Page(_page(name, module), title=title(language), url_path=name, default=name == FIRST)
        for name, title, module in PAGES
        if find_spec(module.partition(".")[0])  # the app runs without monitoring
    ]
    frame.keep_language(language)
    page = st.navigation(pages, position="top")
    frame.heading(page.title, language)
    page.run()


def _say_what_is_wrong(error: InvalidSchema) -> None:
    json_log.tell_error("schema_failed", error)
    language: Language = "pt" if (st.context.locale or "").lower().startswith("pt") else "en"
    st.subheader(text.BAD_SCHEMA(language))
    st.code(str(error), language=None, wrap_lines=True)


def _page(name: str, module: str) -> Callable[[], None]:
    from app import frame

    def run() -> None:
        language = frame.chosen_language()
        with frame.edge(name, language):
            import_module(module).show(language)

    return run


if __name__ == "__main__":
    main()
