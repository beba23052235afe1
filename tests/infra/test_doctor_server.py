"""The doctor on a tracking server: a real one with passwords, and hosts that are something else."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow.server.security_utils import INVALID_HOST_MSG

from infra.checks.finding import Finding, Verdict
from infra.checks.store import NAMES, store
from infra.doctor import doctor
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import connect, experiment_id
from tests.servers import (
    Quiet,
    Server,
    free_port,
    host,
    host_that_answers,
    mlflow_server,
    silent_host,
)

pytestmark = pytest.mark.process
OURS = version("mlflow")


@pytest.fixture(scope="module")
def password() -> str:
    return secrets.token_urlsafe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path, password: str) -> Iterator[Server]:
    with mlflow_server(folder, credentials=("admin", password)) as started:
        yield started


@pytest.fixture
def settings(elsewhere, server: Server, password: str, monkeypatch) -> Settings:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    return Settings(mlflow_tracking_uri=server.uri)


def test_a_server_in_good_health_has_nothing_wrong_and_keeps_nothing_of_the_visit(
    settings, server, folder
):
    found = findings(settings)
    assert tuple(found) == NAMES
    assert said(found, Verdict.WRONG) == {}
    assert found["MLflow"].found == f"{OURS} at {server.uri}"
    assert found["credentials"].found == "'admin' is let in"
    assert found["schema"].found.startswith("not used here: the server keeps it")
    assert found["artifacts"].found == "mlflow-artifacts:/0: written, read back, deleted"
    assert files_below(folder / "artifacts") == []


def test_a_healthy_server_ends_with_0_and_its_password_is_not_shown(
    settings, password, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text(
        f"MLFLOW_TRACKING_URI={settings.mlflow_tracking_uri}\n"
        f"MLFLOW_TRACKING_USERNAME=admin\nMLFLOW_TRACKING_PASSWORD={password}\n"
    )
    (tmp_path / ".env").chmod(0o600)
    code, shown = doctor(), capsys.readouterr().out
    assert (code, password in shown) == (0, False)
    assert f"✓ MLflow          {OURS} at {settings.mlflow_tracking_uri}" in shown.splitlines()


def test_artifacts_go_where_the_runs_of_the_experiment_go(settings, folder):
    made = experiment_id(connect(settings), settings.mlflow_experiment_name, settings)
    found = findings(settings)["artifacts"]
    assert found.found == f"mlflow-artifacts:/{made}: written, read back, deleted"
    assert files_below(folder / "artifacts") == []


def test_storage_that_keeps_nothing_is_wrong_and_the_aliases_are_still_looked_at(settings, folder):
    kept = folder / "artifacts"
    moved = kept.rename(folder / "moved")
    kept.write_text("a file where a folder should be")
    try:
        found = findings(settings)
    finally:
        kept.unlink()
        moved.rename(kept)
    assert set(said(found, Verdict.WRONG)) == {"artifacts"}
    assert "does not keep a file" in found["artifacts"].found
    assert found["artifacts"].remedy.startswith("Check that the bucket is there")
    assert found["aliases"].verdict is Verdict.NOTE


@pytest.mark.parametrize("wrong", ["wrong", None])
def test_refused_credentials_are_told_with_their_variables(wrong, settings, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    if wrong is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", wrong)
    found = findings(Settings(mlflow_tracking_uri=settings.mlflow_tracking_uri))
    assert set(said(found, Verdict.WRONG)) == {"credentials"}
    assert found["credentials"].remedy == (
        "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in .env."
    )
    assert found["artifacts"].found == "not looked at: the server does not let us in"


def test_a_host_header_that_is_refused_is_told_with_its_variable(elsewhere):
    with mlflow_like(status=403, body=INVALID_HOST_MSG.encode()) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))
    assert set(said(found, Verdict.WRONG)) == {"host header"}
    host = uri.removeprefix("http://")
    assert found["host header"].found == f"the server refuses to be called {host}"
    assert found["host header"].remedy == (
        f"Add {host} to MLFLOW_SERVER_ALLOWED_HOSTS of the server and start it again."
    )
    assert found["credentials"].found == "not looked at: the host header is refused"


@pytest.mark.parametrize("status", [404, 500])
def test_an_api_that_fails_is_told_with_its_status(status, elsewhere):
    with mlflow_like(status=status) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))
    assert said(found, Verdict.WRONG) == {"credentials": f"the API answers {status}"}


def test_an_api_that_hangs_up_is_told_and_credentials_are_not_looked_at(elsewhere):
    with mlflow_like(status=0) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))
    assert set(said(found, Verdict.WRONG)) == {"host header"}
    assert found["host header"].found.startswith(f"{uri} or its storage did not do its part")
    assert found["host header"].remedy.startswith("Check that it is running")
    assert found["credentials"].found == "not looked at: the API does not answer"


@pytest.mark.parametrize(("seconds", "which"), [(3600, "ahead of"), (-3600, "behind")])
def test_a_clock_that_is_an_hour_off_is_told_with_its_direction(seconds, which, elsewhere):
    with mlflow_like(skew=seconds) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))["clock"]
    assert found.verdict is Verdict.WRONG
    assert f"s {which} ours" in found.found
    assert found.remedy == "Set both by NTP: `timedatectl set-ntp true`."


@pytest.mark.parametrize("skew", [-30, 0, 30])
def test_half_a_minute_is_no_skew(skew, elsewhere):
    with mlflow_like(skew=skew) as uri:
        assert findings(Settings(mlflow_tracking_uri=uri))["clock"].verdict is Verdict.RIGHT


def test_a_date_that_cannot_be_read_is_none(elsewhere):
    with mlflow_like(date="yesterday") as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))["clock"]
    assert (found.verdict, found.found) == (Verdict.NOTE, "the server does not tell the time")


@pytest.mark.parametrize("theirs", ["2.22.0", "4.0.0"])
def test_a_server_of_another_major_version_is_told_with_those_that_work(theirs, elsewhere):
    with mlflow_like(version=theirs) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))
    assert set(said(found, Verdict.WRONG)) == {"MLflow"}
    assert found["MLflow"].found == (
        f"{uri} is an MLflow server of version {theirs}, and this program works with 3.x"
    )
    assert found["MLflow"].remedy == (
        "Use a server of version 3.x, as `make up` starts, or update that one."
    )


def test_a_server_of_another_minor_version_is_worked_with(elsewhere):
    with mlflow_like(version="3.1.4") as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))["MLflow"]
    assert found.verdict is Verdict.NOTE
    assert found.found == f"3.1.4 at {uri}, this is {OURS}; these work together"


@pytest.mark.parametrize("theirs", ["2.22.0", "3.1.4"])
def test_another_version_of_the_local_stack_is_answered_with_its_commands(
    theirs, elsewhere, monkeypatch
):
    with mlflow_like(version=theirs) as uri:
        monkeypatch.setenv("MLFLOW_PORT", uri.rpartition(":")[2])
        found = findings(Settings(mlflow_tracking_uri=uri))["MLflow"]
    assert found.verdict is Verdict.WRONG
    assert found.remedy.startswith("`make up` builds")


@pytest.mark.parametrize("version", ["<html>Sign in</html>", ""])
def test_a_host_that_is_no_mlflow_server_is_told_once(version, elsewhere):
    with mlflow_like(version=version) as uri:
        found = findings(Settings(mlflow_tracking_uri=uri))
    assert set(said(found, Verdict.WRONG)) == {"MLflow"}
    assert "as a website does, not as an MLflow server" in found["MLflow"].found
    assert found["MLflow"].remedy.startswith("Check MLFLOW_TRACKING_URI, with the path")
    assert tuple(found) == NAMES


@pytest.mark.parametrize("host", ["closed", "silent", "gateway"])
def test_a_server_that_is_not_there_is_told_once(host):
    with silent_host() as silent, host_that_answers(503) as gateway:
        port = {"closed": free_port(), "silent": silent, "gateway": gateway}[host]
        # pragma: allowlist nextline secret
        found = findings(Settings(mlflow_tracking_uri=f"http://ana:hush@127.0.0.1:{port}"))
    assert set(said(found, Verdict.WRONG)) == {"MLflow"}
    assert f"http://ana:***@127.0.0.1:{port}" in found["MLflow"].found
    assert found["MLflow"].remedy
    assert set(said(found, Verdict.NOTE).values()) == {"not looked at: the store is out of reach"}


def test_a_local_stack_that_is_not_there_is_answered_with_make_up(monkeypatch):
    port = free_port()
    monkeypatch.setenv("MLFLOW_PORT", str(port))
    found = findings(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}"))
    assert found["MLflow"].remedy == "`make up` starts it, `make logs` says what it is doing."


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in store(settings)}


def said(found: dict[str, Finding], verdict: Verdict) -> dict[str, str]:
    return {name: one.found for name, one in found.items() if one.verdict is verdict}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def mlflow_like(
    *,
    status: int = 401,
    body: bytes = b"",
    version: str = OURS,
    skew: float = 0,
    date: str | None = None,
) -> Iterator[str]:
    """The URI of a host that greets as an MLflow server and answers its API with `status`.

    The status 0 is no answer: it hangs up.
    """

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            api = self.path.startswith("/api/")
            if api and not status:
                return
            content = body if api else version.encode()
            self.send_response(status if api else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date or formatdate((timestamp or time.time()) + skew, usegmt=True)

    with host(Handler) as port:
        yield f"http://127.0.0.1:{port}"
