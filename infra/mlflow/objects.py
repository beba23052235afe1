"""The bucket as one tar stream: `save` writes it to standard output, `load` reads it back.

`python -m infra.mlflow.objects save|load`, in the MLflow container, which holds the S3 keys.
"""

import os
import sys
import tarfile
from types import SimpleNamespace
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.mlflow.bucket import connect, make_bucket


def main() -> None:
    """Save or load the bucket S3_BUCKET, or end with one line that says why not."""
    name = os.environ["S3_BUCKET"]
    try:
        if sys.argv[1] == "save":
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
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for listed in page.get("Contents", ()):
                found = client.get_object(Bucket=bucket, Key=listed["Key"])
                member = tarfile.TarInfo(listed["Key"])
                member.size = found["ContentLength"]
                member.mtime = int(found["LastModified"].timestamp())
                tar.addfile(member, found["Body"])
                count += 1
    return count


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
