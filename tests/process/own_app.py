"""The pages of the app as somebody uses them in this folder: tasks come, and answers go, as JSON.

A copy of the repository runs this, a process as long as an app's: a line a task, a line an answer.
"""

import json
import sys
from typing import Any

from streamlit.testing.v1 import AppTest

from app import fields, number_field, serving, text
from insurance_predictor.base.words import Language
from insurance_predictor.serving import served_model
from monitoring.words import dashboard_words
from tests.app.conftest import logged_rows, page, press

STARTING = 600.0  # seconds


def form(language: Language, person: dict[str, Any]) -> dict[str, Any]:
    """What the form asks for, what it answers for `person`, and the rows that are logged of it."""
    before = len(logged_rows())
    visit = page(language)
    asked = {
        field.key.removeprefix("person_"): field.label
        for field in [*visit.text_input, *visit.selectbox]
    }
    for name, value in person.items():
        if isinstance(value, str):
            visit.selectbox(key=f"person_{name}").set_value(value)
        else:
            typed = "" if value is None else number_field.typed(value, language)
            visit.text_input(key=f"person_{name}").set_value(typed)
    visit = press(visit, text.CALCULATE(language))
    premiums = [one.value.replace("\\", "") for one in visit.header]
    return _told(visit) | {"asked": asked, "premiums": premiums, "rows": logged_rows()[before:]}


def batch(language: Language, name: str, content: str) -> dict[str, Any]:
    """What the page of many quotes explains, and what it makes of a file."""
    before = len(logged_rows())
    visit = page(language, "batch")
    rules = {name: rest for name, *rest in visit.table[0].value.to_numpy().tolist()}
    visit = visit.file_uploader[0].upload(name, content.encode(), "text/csv").run()
    told = _told(visit)
    faults = [row for table in visit.dataframe for row in table.value.to_numpy().tolist()]
    if visit.button:
        visit = visit.button[0].click().run()
    scored = visit.session_state["batch_work"].scored
    result = scored.path.read_text("utf-8-sig") if scored is not None else ""
    rows = logged_rows()[before:]
    return told | {"rules": rules, "faults": faults, "result": result, "rows": rows}


def template() -> dict[str, Any]:
    """The file that the page of many quotes gives to be filled."""
    return {"content": fields.template()}


def watch(language: Language, feature: str) -> dict[str, Any]:
    """What the page of monitoring draws of a feature, and what its incidents have found."""
    visit = page(language, "monitoring")
    visit.selectbox(key="monitoring_feature").set_value(feature).run()
    titles = [
        json.loads(chart.proto.spec).get("title", {}).get("text")
        for chart in visit.get("vega_lite_chart")
    ]
    found = visit.table[0].value[dashboard_words.FOUND(language)].tolist()
    return _told(visit) | {"titles": titles, "found": found}


def _told(visit: AppTest) -> dict[str, Any]:
    assert not visit.exception, visit.exception
    return {"errors": [one.value for one in visit.error]}


TASKS = {"form": form, "batch": batch, "template": template, "watch": watch}


def main() -> None:
    # On a busy machine it all takes longer than people should wait.
    served_model.ANSWER_PATIENCE = served_model.FIRST_PATIENCE = STARTING
    serving.served()
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        task = json.loads(line)
        told = TASKS[task.pop("task")](**task)
        print(json.dumps(told, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
