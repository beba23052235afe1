"""Tables on s3://, from a real S3 server on this machine and from servers that fail."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from insurance_predictor.base.errors import InvalidTable, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table import s3
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table, write_table
from tests.servers import Quiet, host
from tests.table_kinds import KINDS, PEOPLE, csv


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    bucket = boto3.resource("s3").Bucket("people")
    bucket.create()
    return bucket


@contextmanager
def failing_storage(monkeypatch: pytest.MonkeyPatch, fail: Any) -> Iterator[None]:
    class Failing(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            fail(self)

    with host(Failing) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        yield


def read(url: str) -> Any:
    return read_table(Settings(data=url))


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_an_object_is_the_same_table_as_the_local_file(bucket: Any, tmp_path: Path, name: str):
    people = make_table(60, seed=8)
    write_table(people, tmp_path / "table.csv")
    people.to_parquet(tmp_path / "table.parquet", index=False)
    bucket.upload_file(str(tmp_path / name), f"year/{name}")
    table = read(f"s3://people/year/{name}")
    assert table.frame.equals(people)
    assert table.source == f"s3://people/year/{name}"
    assert table.fingerprint == read_table(Settings(data=str(tmp_path / "table.csv"))).fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_any_kind_is_read_as_a_file_is(bucket: Any, kind: str):
    name, make, notice = KINDS[kind]
    bucket.put_object(Key=f"kinds/{name}", Body=make(PEOPLE))
    table = read(f"s3://people/kinds/{name}")
    columns = list(PEOPLE)
    pd.testing.assert_frame_equal(
        table.frame.sort_values(columns, ignore_index=True),
        PEOPLE.sort_values(columns, ignore_index=True),
    )
    assert notice in "\n".join(table.notices)


def test_folders_are_read_as_folders_here_are(bucket: Any):
    for part, rows in (("b", PEOPLE[10:]), ("a", PEOPLE[:10])):
        stream = io.BytesIO()
        rows.to_parquet(stream, index=False)
        bucket.put_object(Key=f"parts/{part}.parquet", Body=stream.getvalue())
    bucket.put_object(Key="parts/_SUCCESS", Body=b"")
    for url in ("s3://people/parts", "s3://people/parts/"):
        assert read(url).frame.equals(PEOPLE)
    for part, rows in (("b", PEOPLE[10:]), ("a", PEOPLE[:10])):
        bucket.put_object(Key=f"texts/{part}.csv", Body=csv(rows))
    bucket.put_object(Key="texts/", Body=b"")
    assert read("s3://people/texts").frame.equals(PEOPLE)
    bucket.put_object(Key="texts/c.parquet", Body=b"")
    with pytest.raises(InvalidTable, match="s3://people/texts has files of several kinds: CSV"):
        read("s3://people/texts")
    bucket.put_object(Key="notes/read me.txt", Body=b"")
    with pytest.raises(InvalidTable, match="s3://people/notes is a folder without part files"):
        read("s3://people/notes")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://people/absent.csv", "s3://people/absent.csv does not exist.*Correct DATA"),
        ("s3://nobody/table.csv", "s3://nobody/table.csv does not exist"),
        ("s3://people", "names no object. Write s3://bucket/folder/table.csv"),
        ("s3:///table.csv", "names no object"),
        ("s3://no bucket/table.csv", "cannot be read: .*Correct DATA"),
    ],
)
def test_an_object_that_is_not_there_is_named(bucket: Any, url: str, sentence: str):
    with pytest.raises(InvalidTable, match=sentence):
        read(url)


def test_a_storage_that_is_not_there_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"does not answer.*127\.0\.0\.1:9.*Check AWS_ENDPOINT"):
        read("s3://people/table.csv")


def test_a_silent_storage_is_given_up_within_20_seconds(monkeypatch: pytest.MonkeyPatch):
    patience = s3.CONNECT_SECONDS + s3.READ_SECONDS
    longest_pause = 1
    assert s3.ATTEMPTS * (patience + longest_pause) <= 20
    monkeypatch.setattr(s3, "READ_SECONDS", 0.2)
    with (
        failing_storage(monkeypatch, lambda request: time.sleep(0.5)),
        pytest.raises(Unreachable, match="does not answer"),
    ):
        read("s3://people/table.csv")


def test_an_object_cut_in_the_middle_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"age,sex")

    with failing_storage(monkeypatch, cut), pytest.raises(Unreachable, match="does not answer"):
        read("s3://people/table.csv")


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (403, InvalidTable, "was refused: 403.*Check the AWS_"),
        (503, Unreachable, "answers 503.*Try again later"),
    ],
)
def test_a_storage_that_refuses_is_told_apart_from_one_that_is_down(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception], sentence: str
):
    with (
        failing_storage(monkeypatch, lambda request: request.send_error(status)),
        pytest.raises(error, match=sentence),
    ):
        read("s3://people/table.csv")


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InvalidTable, match="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        read("s3://people/table.csv")


def test_an_endpoint_that_is_not_an_address_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "storage")
    with pytest.raises(InvalidTable, match="Invalid endpoint: storage"):
        read("s3://people/table.csv")
