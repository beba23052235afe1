"""A storage that stays silent is given up in time, and the credentials are those that hold now."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.s3_artifacts import S3Artifacts
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.table import s3
from insurance_predictor.table.s3 import ATTEMPTS

HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "x"\r\n'
HEAD += b"Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n"


@contextmanager
def storage(words: bytes) -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of a host that says `words` to everybody and no more, and who came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        guests: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    guest = listener.accept()[0]
                except OSError:
                    return
                guests.append(guest)
                guest.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", guests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for guest in guests:
                guest.close()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "secret",  # pragma: allowlist secret
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("words", [b"", b"H", HEAD], ids=["silent", "one byte", "headers only"])
def test_a_silent_storage_is_asked_as_often_as_we_say_and_no_longer(
    words: bytes, keys: pytest.MonkeyPatch, store: Settings, tmp_path: Path, elsewhere: None
):
    keys.setattr(s3, "READ_SECONDS", 0.5)
    with storage(words) as (address, guests):
        keys.setenv("AWS_ENDPOINT_URL", address)
        connect(store)
        with pytest.raises(Unreachable, match="its storage did not"), store_errors(store):
            download_artifacts(artifact_uri="s3://bucket/model", dst_path=str(tmp_path))
        assert 1 <= len(guests) <= ATTEMPTS


def test_the_limits_are_those_of_tables_on_s3(keys: pytest.MonkeyPatch):
    config = S3Artifacts("s3://bucket/model")._get_s3_client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (s3.CONNECT_SECONDS, s3.READ_SECONDS)
    assert config.retries["total_max_attempts"] == ATTEMPTS


def test_a_key_that_was_corrected_is_used_at_once(keys: pytest.MonkeyPatch):
    repository = S3Artifacts("s3://bucket/model")
    client = repository._get_s3_client()
    assert repository._get_s3_client() is client
    keys.setenv("AWS_ACCESS_KEY_ID", "two")
    corrected = repository._get_s3_client()
    assert corrected._request_signer._credentials.access_key == "two"
