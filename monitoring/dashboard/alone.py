"""The page of monitoring by itself: `streamlit run monitoring/dashboard/alone.py`."""

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Streamlit puts this folder on the path, where its files would hide other packages.
sys.path[:] = [str(HERE.parents[1]), *(p for p in sys.path if p and Path(p).resolve() != HERE)]

import streamlit as st  # noqa: E402

from insurance_predictor.base.errors import InvalidSchema  # noqa: E402
from insurance_predictor.base.schema_fault import schema_faults  # noqa: E402
from insurance_predictor.base.words import Language  # noqa: E402
from monitoring.words import dashboard_words  # noqa: E402

PAGE = "monitoring.dashboard.page"


def main() -> None:
    """The page, or what is wrong with the columns that it is about."""
    try:
        with schema_faults():
            # A module is imported once, but this script runs anew for every visitor, and what one
            # of them has cached would be of another's classes.
            page = import_module(PAGE)
    except InvalidSchema as error:
        spoken = (st.context.locale or "").lower()
        language: Language = "pt" if spoken.startswith("pt") else "en"
        st.subheader(dashboard_words.BAD_SCHEMA(language))
        st.code(str(error), language=None, wrap_lines=True)
        return
    page.main()


if __name__ == "__main__":
    main()
