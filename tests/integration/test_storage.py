"""What the stack asks of an S3 server; any endpoint that passes can hold the artifacts.

It runs against another one with S3_TEST_ENDPOINT_URL, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.
"""

import hashlib
import io
import secrets
from typing import Any

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.integration.stack import USER, Stack
from tests.integration.storage import REGION, Storage
from tests.integration.terminal import Terminal

LARGE = 20 * 1024 * 1024  # bytes
PART = 8 * 1024 * 1024  # bytes; S3 allows none under 5 MiB but the last
HTTP_TIMEOUT = 60  # seconds


@pytest.fixture(scope="module")
def client(object_store: Storage) -> Any:
    return object_store.client()


@pytest.fixture
def place(object_store: Storage) -> dict[str, str]:
    """A bucket and a key where nothing has ever been."""
    return {"Bucket": object_store.bucket, "Key": f"{secrets.token_hex(8)}/ação, 100 %.txt"}


def test_what_is_put_is_got(client: Any, place: dict[str, str]):
    client.put_object(**place, Body=b"premium")
    assert client.get_object(**place)["Body"].read() == b"premium"
    assert client.head_object(**place)["ContentLength"] == len(b"premium")


def test_what_was_never_put_is_said_to_be_missing(client: Any, place: dict[str, str]):
    with pytest.raises(ClientError) as caught:
        client.get_object(**place)
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_folder_is_listed_page_by_page(client: Any, object_store: Storage):
    folder = secrets.token_hex(8)
    names = [f"{folder}/{number}" for number in range(5)]
    for name in names:
        client.put_object(Bucket=object_store.bucket, Key=name, Body=b"")
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=object_store.bucket, Prefix=f"{folder}/", PaginationConfig={"PageSize": 2}
    )
    assert [[one["Key"] for one in page["Contents"]] for page in pages] == [
        names[:2],
        names[2:4],
        names[4:],
    ]


def test_a_large_object_arrives_in_parts(client: Any, place: dict[str, str]):
    content = secrets.token_bytes(LARGE)
    parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    client.upload_fileobj(io.BytesIO(content), *place.values(), Config=parts)
    assert client.head_object(**place)["ETag"].endswith('-3"')
    arrived = io.BytesIO()
    client.download_fileobj(*place.values(), arrived, Config=parts)
    assert sha256(arrived.getvalue()) == sha256(content)


def test_the_bucket_keeps_what_is_overwritten(client: Any, place: dict[str, str]):
    first = client.put_object(**place, Body=b"first")["VersionId"]
    client.put_object(**place, Body=b"second")
    assert client.get_object(**place)["Body"].read() == b"second"
    assert client.get_object(**place, VersionId=first)["Body"].read() == b"first"


def test_the_bucket_keeps_what_is_deleted(client: Any, place: dict[str, str]):
    version = client.put_object(**place, Body=b"kept")["VersionId"]
    client.delete_object(**place)
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(**place)
    assert client.get_object(**place, VersionId=version)["Body"].read() == b"kept"


def test_making_the_bucket_again_changes_nothing(
    client: Any, object_store: Storage, place: dict[str, str]
):
    client.put_object(**place, Body=b"still here")
    object_store.make_bucket()
    assert client.get_bucket_versioning(Bucket=object_store.bucket)["Status"] == "Enabled"
    assert client.get_object(**place)["Body"].read() == b"still here"


def test_a_table_on_it_can_be_used(client: Any, object_store: Storage, terminal_for):
    run: Terminal = terminal_for("storage_table")
    run.good("synthetic", "--output", "made.csv", "--rows", "300", "--seed", "7")
    client.upload_file(str(run.folder / "made.csv"), object_store.bucket, "made.csv")
    keys = {
        "AWS_ENDPOINT_URL": object_store.endpoint,
        "AWS_ACCESS_KEY_ID": object_store.access_key,
        "AWS_SECRET_ACCESS_KEY": object_store.secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    table = f"s3://{object_store.bucket}/made.csv"
    assert run.good("check-data", DATA=table, **keys).startswith(f"{table} can be used: 300 people")


def test_a_large_artifact_goes_through_the_server_into_the_bucket_and_back(
    client: Any, object_store: Storage, server: Stack
):
    content, name = secrets.token_bytes(LARGE), f"{secrets.token_hex(8)}/large.bin"
    assert artifact("PUT", server, name, data=content).status_code == 200
    stored = client.get_object(Bucket=object_store.bucket, Key=name)["Body"].read()
    assert sha256(stored) == sha256(content)
    assert sha256(artifact("GET", server, name).content) == sha256(content)
    assert artifact("DELETE", server, name).status_code == 200
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=object_store.bucket, Key=name)


def test_a_bucket_that_vanished_is_said_in_one_line_until_it_is_back(
    object_store: Storage, server: Stack, terminal_for
):
    run: Terminal = terminal_for("storage_vanished")
    object_store.remove_bucket()
    try:
        refused = run("train")
    finally:
        object_store.make_bucket()
    assert refused.code == 4
    assert server.uri in refused.message
    assert "\n" not in refused.message
    assert artifact("PUT", server, "back.txt", data=b"").status_code == 200


def artifact(method: str, server: Stack, name: str, **content: bytes) -> requests.Response:
    """The answer of the server's own storage interface, past MLflow's client."""
    return requests.request(
        method,
        f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/{name}",
        auth=(USER, server.password),
        timeout=HTTP_TIMEOUT,
        **content,
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
