"""The S3 server that the tests run on: a given one, else MinIO where Go builds it, else moto's."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.mlflow.bucket import make_bucket
from tests.repository import ROOT
from tests.servers import Server, free_port, start

BUILD = ROOT / "infra" / "minio" / "build.sh"
BUILD_PATIENCE = 1800  # seconds; the first build takes some minutes on an idle machine
REGION = "us-east-1"


@dataclass(frozen=True)
class Storage:
    """An S3 endpoint, its keys, and a bucket with versioning that nobody else uses."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = field(default_factory=lambda: f"insurance-predictor-test-{secrets.token_hex(6)}")

    def client(self) -> Any:
        """A boto3 client that holds the keys; the commands under test never do."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
            config=Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 2}),
        )

    def variables(self) -> dict[str, str]:
        """What the MLflow server's environment needs to reach it."""
        return {
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{self.bucket}",
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def make_bucket(self) -> None:
        """As the stack's minio-init does."""
        make_bucket(self.client(), self.bucket)

    def remove_bucket(self) -> None:
        """Take the bucket away with every version of every object in it."""
        client = self.client()
        for page in client.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            names = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if names:
                client.delete_objects(Bucket=self.bucket, Delete={"Objects": names})
        client.delete_bucket(Bucket=self.bucket)


@contextmanager
def storage(folder: Path) -> Iterator[Storage]:
    """A storage with its bucket; whatever was started and made for it is gone afterwards."""
    with _endpoint(folder) as found:
        found.make_bucket()
        try:
            yield found
        finally:
            found.remove_bucket()


@contextmanager
def _endpoint(folder: Path) -> Iterator[Storage]:
    given = os.environ.get("S3_TEST_ENDPOINT_URL")
    if given:
        keys = os.environ["S3_ACCESS_KEY_ID"], os.environ["S3_SECRET_ACCESS_KEY"]
        yield Storage(f"the given {given}", given, *keys)
        return
    keys = secrets.token_hex(10), secrets.token_hex(20)
    binary = _minio()
    name = binary.name if binary else "moto's server, because MinIO cannot be built here"
    server = _start_minio(binary, folder, *keys) if binary else _start_moto(folder)
    try:
        server.wait_until_healthy("/minio/health/ready" if binary else "/moto-api/")
        yield Storage(name, server.uri, *keys)
    finally:
        server.stop()


def _minio() -> Path | None:
    """The MinIO binary; None, with the reason on stderr, where it cannot be built."""
    done = subprocess.run(
        [BUILD], stdout=subprocess.PIPE, text=True, timeout=BUILD_PATIENCE, check=False
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _start_minio(binary: Path, folder: Path, access_key: str, secret_key: str) -> Server:
    port = free_port()
    address = ["--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{free_port()}"]
    keys = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}
    return start([str(binary), "server", str(folder / "data"), *address], port, folder, **keys)


def _start_moto(folder: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return start(command, port, folder)
