"""The pages of the app as somebody uses them in this folder: tasks come, and answers go, as JSON.

A copy of the repository runs this, a process as long as an app's: a line a task, a line an answer.
"""

import json
import sys
from typing import Any

from sqlalchemy import text as select_all
from streamlit.testing.v1 import AppTest

from app import fields, number_field, serving, text
from insurance_predictor.base.words import Language
from insurance_predictor.log.database import opened
from insurance_predictor.serving import served_model
from monitoring.words import dashboard_words
from tests.app.conftest import page, press

STARTING = 600.0  # seconds


def form(language: Language, person: dict[str, Any]) -> dict[str, Any]:
    """What the form asks for, what it answers for `person`, and the rows that are logged of it."""
    before = len(_logged())
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
    return _told(visit) | {"asked": asked, "premiums": premiums, "rows": _logged()[before:]}


def batch(language: Language, name: str, content: str) -> dict[str, Any]:
    """What the page of many quotes explains, and what it makes of a file."""
    before = len(_logged())
    visit = page(language, "batch")
    rules = {name: rest for name, *rest in visit.table[0].value.to_numpy().tolist()}
    visit = visit.file_uploader[0].upload(name, content.encode(), "text/csv").run()
    told = _told(visit)
    faults = [row for table in visit.dataframe for row in table.value.to_numpy().tolist()]
    if visit.button:
        visit = visit.button[0].click().run()
    scored = visit.session_state["batch_work"].scored
    result = scored.path.read_text("utf-8-sig") if scored is not None else ""
    rows = _logged()[before:]
    return told | {"rules": rules, "faults": faults, "result": result, "rows": rows}


def template() -> dict[str, Any]:
    """The file that the page of many quotes gives to be filled."""
    features = serving.served().predictor.columns.features
    return {"content": fields.template(features, "en")}


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
    notes = [one.value for one in visit.info]
    return {"errors": [one.value for one in visit.error], "notes": notes}


def _logged() -> list[dict[str, Any]]:
    """The rows of the prediction log, wherever it is, oldest first."""
    assert serving.prediction_log().flush(STARTING)
    with opened(serving.settings().prediction_log_url) as engine, engine.connect() as connection:
        found = connection.execute(select_all("SELECT * FROM predictions ORDER BY time"))
        return [dict(row) for row in found.mappings()]


def refresh() -> dict[str, Any]:
    """Ask the registry now what serves; the version."""
    serving._served_model().refresh()
    return {"version": serving.served().predictor.version}


TASKS = {"form": form, "batch": batch, "template": template, "watch": watch, "refresh": refresh}


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
