"""The bucket as one tar stream: `save` writes it to standard output, `load` reads it back.

`python -m infra.mlflow.objects save|load|count`, in the MLflow container, which holds the S3 keys.
"""

import os
import sys
import tarfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.mlflow.bucket import connect, make_bucket


def main() -> None:
    """Save, load or count the bucket S3_BUCKET, or end with one line that says why not."""
    name, action = os.environ["S3_BUCKET"], sys.argv[1]
    try:
        if action == "count":
            print(sum(1 for _ in _listed(connect(), name)))
            return
        if action == "save":
            count = save(connect(), name, sys.stdout.buffer)
        else:
            count = load(connect(), name, sys.stdin.buffer)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"error: The bucket {name!r} does not do its part: {error}")
    print(f"{count:,} objects", file=sys.stderr)


def save(client: Any, bucket: str, stream: IO[bytes]) -> int:
    """Write every object of `bucket` to `stream`; the value is how many there were."""
    count = 0
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for key in _listed(client, bucket):
            found = client.get_object(Bucket=bucket, Key=key)
            member = tarfile.TarInfo(key)
            member.size = found["ContentLength"]
            member.mtime = int(found["LastModified"].timestamp())
            tar.addfile(member, found["Body"])
            count += 1
    return count


def _listed(client: Any, bucket: str) -> Iterator[str]:
    """The key of every object."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (listed["Key"] for listed in page.get("Contents", ()))


def load(client: Any, bucket: str, stream: IO[bytes]) -> int:
    """Put every object of `stream` into `bucket`; the value is how many there were."""
    make_bucket(client, bucket)
    count = 0
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                # Nothing but `read`: boto3 would ask a member of a stream whether it can seek.
                client.upload_fileobj(SimpleNamespace(read=content.read), bucket, member.name)
                count += 1
    return count


if __name__ == "__main__":
    main()
