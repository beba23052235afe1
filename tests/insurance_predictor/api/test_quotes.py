"""For each person a quote, which is in the log once, or what is wrong with that person."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from insurance_predictor.api.answers import DAY, Answers, Sameness
from insurance_predictor.api.problems import Problem
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.predictor import load
from insurance_predictor.table.columns import CarriedColumn
from insurance_predictor.table.schema import CURRENT, FEATURE_NAMES
from tests.insurance_predictor.api.conftest import ask
from tests.predictions import ANA, PATIENCE, kept


def logged(settings: Settings, *table) -> list[dict]:
    """What the log has once everything has been delivered."""
    with PredictionLog(settings) as log:
        assert log.flush(PATIENCE)
    return kept(settings.prediction_log_url, *table)


def test_a_quote_is_the_version_s_and_is_in_the_log(api: TestClient, api_settings: Settings):
    answer = ask(api, ANA)
    assert answer.status_code == 200
    body = answer.json()
    [quote] = body["quotes"]
    expected = load(api_settings).quote(ANA)
    amounts = [quote[name] for name in ("premium", "low", "high")]
    assert amounts == [round(each, 2) for each in (expected.premium, expected.low, expected.high)]
    assert (body["version"], body["target"]["currency"], body["stale"]) == ("1", "USD", False)
    assert quote["recorded"] is True
    [row] = logged(api_settings)
    assert (row["id"], row["source"], row["version"]) == (quote["id"], "api", "1")
    assert {name: row[name] for name in FEATURE_NAMES} == ANA
    assert row["latency_ms"] > 0
    assert row["incarnation"] is not None


def test_one_bad_person_does_not_cost_the_others_their_answer(api, api_settings):
    people = [ANA, ANA | {"bmi": 3}, {"age": 40}, 7, ANA | {"age": 64}, ANA | {"hat": "red"}]
    quoted = ask(api, *people).json()["quotes"]
    assert ["premium" in one for one in quoted] == [True, False, False, False, True, False]
    assert quoted[1]["errors"] == [{"field": "bmi", "detail": "Must be a number from 10 to 60."}]
    missing = ["sex", "bmi", "children", "smoker", "region"]
    assert [each["field"] for each in quoted[2]["errors"]] == missing
    assert quoted[3]["errors"] == [{"field": "", "detail": "A person is an object."}]
    assert quoted[5]["errors"] == [{"field": "hat", "detail": "Is not a known column."}]
    assert len(logged(api_settings)) == 2


def test_values_are_not_repeated_and_stand_in_no_log(api, capfd):
    answer = ask(api, ANA | {"region": "a secret"})
    assert "a secret" not in answer.text
    assert "a secret" not in "".join(capfd.readouterr())


def test_who_is_outside_of_what_the_model_saw_is_told(api):
    [quote] = ask(api, ANA | {"age": 90}).json()["quotes"]
    [caution] = quote["cautions"]
    assert caution["field"] == "age"
    assert "extrapolation" in caution["detail"]


def test_what_a_version_does_not_know_changes_nothing_and_is_told(
    api, api_settings, monkeypatch: pytest.MonkeyPatch
):
    from insurance_predictor.serving import predictor

    newer = replace(CURRENT.by_name["children"], name="cats", also_called=())
    grown = replace(CURRENT, features=(*CURRENT.features, newer))
    monkeypatch.setattr(predictor, "CURRENT", grown)
    plain, with_cats = ask(api, ANA, ANA | {"cats": 3}).json()["quotes"]
    assert plain["premium"] == with_cats["premium"]
    assert plain["cautions"] == []
    [caution] = with_cats["cautions"]
    assert caution["field"] == "cats"


def test_what_is_carried_is_logged_with_the_quote_or_refused(monkeypatch, api, api_settings):
    from insurance_predictor.serving import predictor, quoting

    words = {"pt": "Apólice", "en": "Policy"}
    carrying = replace(CURRENT, carried=(CarriedColumn("policy", words, logged=True),))
    monkeypatch.setattr(predictor, "CURRENT", carrying)
    monkeypatch.setattr(quoting, "CURRENT", carrying)
    good, bad = ask(api, ANA | {"policy": "A-1"}, ANA | {"policy": 7}).json()["quotes"]
    assert "premium" in good
    assert [each["field"] for each in bad["errors"]] == ["policy"]


def test_a_key_is_the_same_answer_logged_once(api, api_settings):
    key = {"idempotency_key": "order-17"}
    first = ask(api, ANA, ANA, **key)
    again = ask(api, ANA, dict(reversed(ANA.items())), **key)
    other = ask(api, ANA, idempotency_key="order-18")
    assert first.content == again.content
    ids = [one["id"] for answer in (first, other) for one in answer.json()["quotes"]]
    assert len(set(ids)) == 3
    assert {row["id"] for row in logged(api_settings)} == set(ids)


def test_a_key_with_other_people_is_refused(api):
    assert ask(api, ANA, idempotency_key="a").status_code == 200
    refused = ask(api, ANA | {"age": 41}, idempotency_key="a")
    assert refused.status_code == 409
    assert "new key" in refused.json()["detail"]


def test_a_key_holds_after_a_restart_and_in_another_worker(client_of, production, api_settings):
    first, beside = client_of(), client_of()
    key = {"idempotency_key": "order"}
    answers = [ask(first, ANA, **key), ask(beside, ANA, **key), ask(client_of(), ANA, **key)]
    assert len({answer.content for answer in answers}) == 1
    assert len(logged(api_settings)) == 1


def test_a_key_gives_the_same_id_where_no_answer_can_be_kept(client_of, production, api_settings):
    api_settings.prediction_spool.mkdir()
    (api_settings.prediction_spool / "api_answers.db").mkdir()  # no file can be there
    client = client_of()
    first, again = (ask(client, ANA, idempotency_key="x").json()["quotes"] for _ in range(2))
    assert first == again
    assert len(logged(api_settings)) == 1


def test_an_answer_is_kept_for_a_day(tmp_path: Path):
    now = 1_000_000.0
    answers = Answers(tmp_path / "answers.db", lambda: now)
    same = Sameness.of("key", [ANA])
    answers.keep([(same, b"first")])
    assert answers.find(same) == b"first"
    with pytest.raises(Problem):
        answers.find(Sameness.of("key", [ANA, ANA]))
    now += DAY
    assert answers.find(same) is None
    answers.keep([(Sameness.of("other", []), b"second"), (same, b"third")])
    assert answers.find(same) == b"third"
    answers.close()


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (400, "no JSON", "application/json"),
        (400, "", "application/json"),
        (400, b"\xff\xfe\xfa", "application/json"),
        (400, json.dumps({"people": [ANA | {"bmi": float("nan")}]}), "application/json"),
        (400, '{"people": [Infinity]}', "application/json"),
        (400, "[" * 100_000, "application/json"),
        (400, '{"people": [' + "9" * 5_000 + "]}", "application/json"),
        (415, "{}", "text/plain"),
        (415, "{}", ""),
        (422, "[]", "application/json"),
        (422, '{"people": []}', "application/json"),
        (422, '{"people": {}, "more": 1}', "application/json"),
        (422, json.dumps({"people": [ANA] * 1_001}), "application/json; charset=utf-8"),
        (413, '{"people": [' + "{}," * 1_000_000 + "{}]}", "application/json"),
    ],
)
def test_what_is_no_request_is_a_problem_in_a_sentence(api, status, body, content_type):
    answer = api.post("/v1/quotes", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"].endswith(".")


def test_a_body_without_a_length_is_limited_as_well(api):
    pieces = (b" " * 2**16 for _ in range(17))
    answer = api.post("/v1/quotes", content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_how_deep_a_body_is_nested_is_no_fault_of_ours(api):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "deep"}
    for depth in range(300, 1_200, 9):  # somewhere there Python stops, at writing before reading
        body = '{"people": [' + "[" * depth + "]" * depth + "]}"
        answer = api.post("/v1/quotes", content=body, headers=headers)
        assert answer.status_code in (200, 400, 409)


@pytest.mark.parametrize("number", ["1e300", "1e999", "-1e300", "9" * 4_000])
def test_a_number_that_nobody_has_is_that_person_s_fault(api, number):
    person = json.dumps(ANA).replace("27.5", number)
    answer = api.post(
        "/v1/quotes",
        content=f'{{"people": [{person}]}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200
    assert [each["field"] for each in answer.json()["quotes"][0]["errors"]] == ["bmi"]


def test_many_fields_and_strange_names_are_one_person_s_fault(api):
    many = {f"f{number}": 0 for number in range(50_000)}
    strange = ANA | {"\ud800": 1, "n" * 10_000: 2}
    body = json.dumps({"people": [many, strange, ANA]})  # which has half a sign as \\ud800
    answer = api.post("/v1/quotes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert len(answer.content) < 10_000
    assert ["premium" in one for one in answer.json()["quotes"]] == [False, False, True]


def test_a_thousand_people_are_quoted_at_once(api, api_settings):
    quoted = ask(api, *[ANA | {"age": 18 + number % 47} for number in range(1_000)])
    assert len(quoted.json()["quotes"]) == 1_000
    assert len(logged(api_settings)) == 1_000


def test_nothing_to_serve_is_a_problem_and_a_failure_in_the_log(client_of, api_settings):
    client = client_of()
    answer = ask(client, ANA, ANA)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    failures = logged(api_settings, FAILURES)
    assert {(row["source"], row["error"]) for row in failures} == {("api", "NoProductionModel")}
    assert len(failures) == 2
