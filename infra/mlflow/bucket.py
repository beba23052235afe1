"""Makes the bucket of the artifacts, with versioning; what is there already is left alone."""

import os
import sys
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    """Make the bucket S3_BUCKET, or end with one line that says why not."""
    name = os.environ["S3_BUCKET"]
    try:
        make_bucket(connect(), name)
    except (BotoCoreError, ClientError) as error:
        sys.exit(
            f"error: The bucket {name!r} cannot be made: {error}. Check S3_ENDPOINT_URL, "
            "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY in .env."
        )
    print(f"The bucket {name!r} is there, with versioning.")


def connect() -> Any:
    """A client of the object store: MLFLOW_S3_ENDPOINT_URL when it is set, else AWS."""
    import boto3

    return boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None)


def make_bucket(client: Any, name: str) -> None:
    """Make the bucket called `name` unless it is ours already, and turn its versioning on."""
    region = client.meta.region_name
    # S3 calls its first region by leaving it out.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    try:
        client.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        client.head_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


if __name__ == "__main__":
    main()
