"""Who is let in, and what the API says of itself."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from insurance_predictor.api.server import check_address
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from tests.insurance_predictor.api.conftest import ask
from tests.predictions import ANA
from tests.servers import silent_host


def counted(client, **headers: str) -> dict[str, float]:
    """Sample -> value, of what Prometheus would read."""
    text = client.get("/metrics", headers=headers).text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_serves_and_how_it_is(api):
    assert api.get("/health").json() == {"status": "ok"}
    assert api.get("/ready").json() == {"status": "ok", "version": "1"}
    version = api.get("/v1/version").json()
    assert (version["version"], version["problem"], version["refusal"]) == ("1", None, None)
    assert version["metrics"]["holdout.rmse"] > 0
    assert version["since"] is not None
    assert api.get("/docs").status_code == 200


def test_without_a_version_the_process_is_well_and_not_ready(client_of):
    client = client_of()
    assert client.get("/health").status_code == 200
    for path in ("/ready", "/v1/version"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
    assert "promote" in client.get("/v1/version").json()["detail"]
    assert counted(client)["insurance_predictor_stale"] == 1


def test_openapi_has_the_version_s_columns(api):
    person = api.get("/openapi.json").json()["components"]["schemas"]["Person"]
    assert person["properties"]["bmi"]["minimum"] == 10
    assert person["properties"]["smoker"]["enum"] == ["no", "yes"]
    assert ask(api, person["example"]).json()["quotes"][0]["premium"] > 0


def test_prometheus_can_count(api):
    ask(api, ANA, ANA, {})
    found = counted(api)
    assert found["insurance_predictor_people_total quoted"] == 2
    assert found["insurance_predictor_people_total refused"] == 1
    assert found["insurance_predictor_people_total failed"] == 0
    assert found["insurance_predictor_served_version 1"] == 1
    assert found["insurance_predictor_request_seconds_count"] == 1
    assert found["insurance_predictor_stale"] == 0
    assert "insurance_predictor_spool_backlog" in found


def test_what_fails_is_counted(client_of):
    client = client_of()
    ask(client, ANA, ANA)
    assert counted(client)["insurance_predictor_people_total failed"] == 2


def test_a_path_that_is_none_is_a_problem(api):
    for answer, status in ((api.get("/nothing"), 404), (api.get("/v1/quotes"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert api.get("/v1/quotes").headers["allow"] == "POST"


def test_only_who_has_a_key_is_let_in(client_of, production):
    client = client_of(api_keys=SecretStr("first, sécond"))
    for headers in ({}, {"x_api_key": "firs"}, {"x_api_key": "first,"}):  # pragma: allowlist secret
        answer = ask(client, ANA, **headers)
        assert answer.status_code == 401
        assert "X-API-Key" in answer.json()["detail"]
    assert client.get("/metrics").status_code == 401
    assert client.get("/v1/version").status_code == 401
    for path in ("/health", "/ready", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    for key in ("first", "sécond".encode()):
        answer = client.post("/v1/quotes", json={"people": [ANA]}, headers={"X-API-Key": key})
        assert answer.status_code == 200
    assert "quoted" in " ".join(counted(client, **{"X-API-Key": "first"}))


def test_without_keys_it_answers_to_this_machine_s_names_only(api):
    assert api.get("/health", headers={"Host": "evil.example"}).status_code == 421
    assert api.get("/health", headers={"Host": "evil.example:8000"}).status_code == 421
    for host in ("localhost:8000", "localhost", "[::1]:8000", "127.0.0.1"):
        assert api.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_keys_it_does_not_listen_elsewhere(host):
    with pytest.raises(BadInput, match="API_KEYS is not set"):
        check_address(Settings(api_host=host))


def test_what_takes_too_long_is_given_up(client_of):
    with silent_host() as port:
        client = client_of(mlflow_tracking_uri=f"http://127.0.0.1:{port}", api_seconds=0.1)
        answer = ask(client, ANA)
        assert answer.status_code == 503
        assert "0.1 s" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "1"
