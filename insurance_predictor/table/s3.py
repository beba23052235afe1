"""A table kept in an S3 store: one object fetched, and each way that can fail in words."""

from collections.abc import Iterable
from typing import Any

from insurance_predictor.base.answers import limit_answers
from insurance_predictor.base.errors import InvalidTable, Unreachable
from insurance_predictor.table.reading.memory import require_memory

CONNECT_SECONDS = 3
READ_SECONDS = 6
ATTEMPTS = 2
PARQUET_ENDINGS = (".parquet", ".pq")
# How the files of a table end, by their kind.
ENDINGS = {
    "Parquet": PARQUET_ENDINGS,
    "CSV": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "Excel": (".xlsx",),
}
PART_KINDS = ("Parquet", "CSV")  # of which a folder is one table


class NoObject(InvalidTable):
    """There is nothing at an s3:// address."""


class NoKey(InvalidTable):
    """A table that our credentials do not open, or that we have none for."""


def s3_bytes(url: str) -> bytes:
    """The content of an s3:// object.

    Raises InvalidTable when there is none to read, NoKey when we may not read it, Unreachable when
    the storage does not answer within 20 seconds.
    """
    from botocore import exceptions

    bucket, _, key = url.partition("://")[2].partition("/")
    if not bucket or not key:
        raise InvalidTable(f"{url} names no object. Write s3://bucket/folder/table.csv.")
    try:
        found = _client().get_object(Bucket=bucket, Key=key)
        require_memory(found["ContentLength"], 0, url)
        return bytes(found["Body"].read())
    except exceptions.ClientError as error:
        raise _refusal(url, error.response) from error
    except (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
    ) as error:
        raise Unreachable(
            f"The storage of {url} does not answer: {first_line(error)}. Check AWS_ENDPOINT_URL "
            "and the network, then try again."
        ) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise NoKey(
            f"{url} needs credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    except (exceptions.BotoCoreError, ValueError) as error:
        raise InvalidTable(
            f"{url} cannot be read: {first_line(error)}. Correct DATA or AWS_*."
        ) from error


def s3_parts(url: str, variable: str) -> list[tuple[str, bytes]]:
    """The name and content of the part files right below a folder of an s3:// bucket, by name.

    None when there is no such folder. Raises as `s3_bytes` and `part_names` do.
    """
    from botocore import exceptions

    bucket, _, key = url.partition("://")[2].partition("/")
    folder = f"{key.rstrip('/')}/"
    try:
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
        sizes = {
            found["Key"].removeprefix(folder): found["Size"]
            for page in pages
            for found in page["Contents"]
        }
    except KeyError:
        return []
    except (exceptions.ClientError, exceptions.BotoCoreError) as error:
        response = getattr(error, "response", None)
        if response is not None:
            raise _refusal(url, response) from error
        raise Unreachable(f"The storage of {url} does not answer: {first_line(error)}.") from error
    parts = part_names(sizes, url, variable)
    require_memory(sum(sizes[name] for name in parts), 0, url)
    return [(name, s3_bytes(f"s3://{bucket}/{folder}{name}")) for name in parts]


def part_names(names: Iterable[str], folder: str, variable: str) -> list[str]:
    """Which files of a folder are the parts of a table: all CSV, or all Parquet, by name.

    `variable` is what names the folder. Raises InvalidTable for a folder without any, for one with
    files of several kinds, and for folders within.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        kind = _kind(name)
        if kind and not name.startswith(("_", ".")):
            found.setdefault(kind, []).append(name)
    above = {
        kind: direct
        for kind, those in found.items()
        if (direct := [name for name in those if "/" not in name])
    }
    if len(above) > 1:
        told = ", ".join(f"{kind} ({those[0]!r})" for kind, those in above.items())
        raise InvalidTable(
            f"{folder} has files of several kinds: {told}. Keep the parts of one table in a "
            f"folder of their own, or give {variable} one file."
        )
    kind = next(iter(above or found), "")
    if kind not in PART_KINDS:
        raise InvalidTable(
            f"{folder} is a folder without part files, which end in .csv, .csv.gz or .parquet. "
            f"Give {variable} a table, or a folder of such files."
        )
    if len(found[kind]) > len(above.get(kind, [])):
        raise InvalidTable(
            f"{folder} has {kind} files in folders within it. Give {variable} one folder of part "
            "files."
        )
    return found[kind]


def _kind(name: str) -> str:
    small = name.lower()
    return next((kind for kind, endings in ENDINGS.items() if small.endswith(endings)), "")


def _client() -> Any:
    import boto3

    limit_answers()
    return boto3.Session().client("s3", config=patience())


def patience() -> Any:
    """How long every client of ours waits for an S3 store, as a botocore Config."""
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )


def _refusal(url: str, response: Any) -> InvalidTable | Unreachable:
    code = response.get("Error", {}).get("Code", "no code")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return Unreachable(f"The storage of {url} answers {status} ({code}). Try again later.")
    if status == 404:
        return NoObject(f"{url} does not exist ({code}). Correct DATA or AWS_ENDPOINT_URL.")
    refusal = NoKey if status in (401, 403) else InvalidTable
    return refusal(f"{url} was refused: {status} ({code}). Check the AWS_* credentials.")


def first_line(error: Exception) -> str:
    """What a library says, short enough for a sentence of ours."""
    return str(error).partition("\n")[0].rstrip(".")
