"""`make data` against a real HTTP server that misbehaves in every way that was thought of."""

import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from insurance_predictor.base.errors import DownloadFailed, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.download import download_table
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table
from tests import servers
from tests.servers import Quiet

Answer = Callable[[BaseHTTPRequestHandler], None]

# Long enough for half of it to be on the disk when the connection is cut.
PATIENCE = 120  # seconds, for what takes one on an idle machine
CONTENT = make_table(5000, seed=5).to_csv(index=False, lineterminator="\n").encode()
SUM = hashlib.sha256(CONTENT).hexdigest()


def good(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT)


def without_length(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(CONTENT)


def cut(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT[: len(CONTENT) // 2])


def slow(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT[:100])
    request.wfile.flush()
    request.rfile.read(1)  # until the client leaves


def status(code: int) -> Answer:
    return lambda request: request.send_error(code)


class Host:
    """Gives the answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [good]
        self.requests = 0
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        self.answers[min(self.requests, len(self.answers)) - 1](request)

    def settings(self, **changes: object) -> Settings:
        given = {"data_url": self.url, "data_sha256": SUM, "download_retries": 0}
        return Settings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    host = Host()

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            host.answer(self)

    with servers.host(Handler) as port:
        host.url = f"http://127.0.0.1:{port}/insurance.csv"
        yield host


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "insurance.csv"


def left_behind(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def test_the_table_arrives_whole_and_can_be_read(
    host: Host, place: Path, monkeypatch: pytest.MonkeyPatch
):
    assert download_table(host.settings(), place) == place
    assert place.read_bytes() == CONTENT
    assert left_behind(place) == ["insurance.csv"]
    monkeypatch.delenv("DATA")
    assert read_table(Settings(), folder=place.parent).source == "data/insurance.csv"


def test_a_host_that_does_not_say_the_length_is_fine(host: Host, place: Path):
    host.answers = [without_length]
    download_table(host.settings(), place, show_progress=True)
    assert place.read_bytes() == CONTENT


def test_a_file_with_the_right_sum_is_left_alone(
    host: Host, place: Path, capsys: pytest.CaptureFixture[str]
):
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    assert download_table(host.settings(), place) == place
    assert "already there" in capsys.readouterr().err
    assert host.requests == 0


def test_a_table_of_the_teams_own_is_never_overwritten(
    host: Host, place: Path, capsys: pytest.CaptureFixture[str]
):
    place.parent.mkdir()
    place.write_bytes(b"a table of our own")
    assert download_table(host.settings(), place) == place
    assert place.read_bytes() == b"a table of our own"
    assert "it is kept as your own. To have the public one, move it" in capsys.readouterr().err
    assert host.requests == 0
    place.rename(place.with_name("ours.csv"))
    download_table(host.settings(), place)
    assert place.read_bytes() == CONTENT


def test_a_wrong_sum_names_both_sums_and_leaves_nothing(host: Host, place: Path):
    with pytest.raises(DownloadFailed) as caught:
        download_table(host.settings(data_sha256="0" * 64, download_retries=3), place)
    assert SUM in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert left_behind(place) == []
    assert host.requests == 1


@pytest.mark.parametrize("code", [403, 404])
def test_a_refusal_is_told_at_once(host: Host, place: Path, code: int):
    host.answers = [status(code)]
    with pytest.raises(DownloadFailed, match=f"the host answers {code}.*Correct DATA_URL"):
        download_table(host.settings(download_retries=3), place)
    assert host.requests == 1
    assert left_behind(place) == []


def test_an_overloaded_host_is_asked_again(host: Host, place: Path):
    host.answers = [status(503), status(503), good]
    download_table(host.settings(download_retries=2), place)
    assert place.read_bytes() == CONTENT
    assert host.requests == 3


def test_a_cut_connection_is_tried_again_from_the_start(host: Host, place: Path):
    host.answers = [cut, good]
    download_table(host.settings(download_retries=1), place)
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (cut, "the connection was cut before the end"),
        (status(503), "the host answers 503"),
        (slow, "the host was silent for 0.3 seconds"),
    ],
    ids=["cut", "overloaded", "slow"],
)
def test_a_host_that_does_not_deliver_leaves_nothing(
    host: Host, place: Path, answer: Answer, reason: str
):
    host.answers = [answer]
    with pytest.raises(Unreachable, match=f"after 1 try: {reason}"):
        download_table(host.settings(download_timeout=0.3), place)
    assert left_behind(place) == []


def test_nobody_at_the_address_is_unreachable(place: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = Settings(data_url=f"http://127.0.0.1:{port}/t.csv", download_retries=1)
    with pytest.raises(Unreachable, match="after 2 tries: the host could not be reached"):
        download_table(settings, place)
    assert left_behind(place) == []


@pytest.mark.parametrize(
    "url",
    [
        "insurance.csv",
        "ftp://user:hunter2@host/t.csv",  # pragma: allowlist secret
        "http://[",
        "http://",
    ],
)
def test_an_address_that_is_not_http_is_refused_without_showing_its_password(url: str, place: Path):
    with pytest.raises(DownloadFailed, match="Give an http:// or https:// address") as caught:
        download_table(Settings(data_url=url), place)
    assert "hunter2" not in str(caught.value)


def test_a_password_or_signature_in_the_address_is_not_shown(host: Host, place: Path):
    host.answers = [status(404)]
    url = host.url.replace("http://", "http://user:hunter2@") + "?signature=abc123"
    with pytest.raises(DownloadFailed) as caught:
        download_table(host.settings(data_url=url), place)
    assert "hunter2" not in str(caught.value)
    assert "abc123" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_named(host: Host, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadFailed, match=r"insurance\.csv cannot be written"):
        download_table(host.settings(), tmp_path / "file" / "insurance.csv")


@pytest.mark.parametrize(("show", "quiet"), [(True, False), (False, True), (None, True)])
def test_progress_is_shown_only_on_request_or_a_terminal(
    host: Host, place: Path, capsys: pytest.CaptureFixture[str], show: bool | None, quiet: bool
):
    download_table(host.settings(), place, show_progress=show)
    assert (capsys.readouterr().err == "") is quiet


@pytest.mark.process
def test_an_interrupted_download_leaves_nothing(host: Host, place: Path):
    host.answers = [slow]
    code = (
        "import sys; from pathlib import Path; "
        "from insurance_predictor.base.settings import Settings; "
        "from insurance_predictor.table.download import download_table; "
        "download_table(Settings(data_url=sys.argv[1]), Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, host.url, str(place)], stderr=subprocess.DEVNULL
    )
    _wait_until(lambda: host.requests == 1 and len(left_behind(place)) == 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) != 0
    assert left_behind(place) == []


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
