"""One JSON object a line, without what anybody typed."""

import json
import logging

import pytest

from insurance_predictor.serving import json_log


def test_an_event_is_one_line_with_its_fields(capsys: pytest.CaptureFixture[str]):
    json_log.set_up()
    json_log.set_up()
    json_log.tell("quote", version="3", latency_ms=12.5)
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["version"], told["latency_ms"]) == ("quote", "3", 12.5)
    assert told["level"] == "INFO"


def test_an_error_is_told_by_class_and_place_but_not_by_its_words(
    capsys: pytest.CaptureFixture[str],
):
    json_log.set_up()
    try:
        raise ValueError("age is 17")
    except ValueError as error:
        json_log.tell_error("page_crashed", error, page="quote")
    written = capsys.readouterr().err
    told = json.loads(written)
    assert told["error"] == "ValueError"
    assert told["where"][-1].startswith("test_json_log.py:")
    assert "17" not in written.replace(told["time"], "").replace(told["where"][-1], "")


def test_the_library_s_logs_come_out_the_same_way(capsys: pytest.CaptureFixture[str]):
    json_log.set_up()
    logging.getLogger("insurance_predictor.log.prediction_log").warning("Predictions wait.")
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["event"]) == ("WARNING", "Predictions wait.")
