"""Files in a folder or on s3://: found, read from anywhere within, written whole."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from insurance_predictor.base.errors import BadInput, InvalidTable, Unreachable
from insurance_predictor.base.files import whole_file
from insurance_predictor.table.s3 import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, first_line

S3 = "s3://"
PARQUET, CSV = (".parquet", ".pq"), (".csv",)
WILD = "*?["
SETTLED = 5  # folders above a file that may have been made for it
AWAY = re.compile(
    "NETWORK_CONNECTION|curlCode|REQUEST_TIMEOUT|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE"
    "|HTTP status 5"
)
NO_KEY = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|credential|HTTP status 40[13]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class File:
    """A file by its address, and how many bytes it has."""

    url: str
    size: int

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    @property
    def is_parquet(self) -> bool:
        return self.url.lower().endswith(PARQUET)


def find_files(location: str) -> tuple[File, ...]:
    """The Parquet or CSV files that `location` names: one, a folder's own, or those of a pattern.

    They come by name; those that begin with `_` or `.` are nobody's data. Raises InvalidTable when
    there are none, or of both kinds, Unreachable when the storage does not answer.
    """
    with storage_errors(location):
        found = _found(location)
    if not found:
        raise InvalidTable(
            f"{location} names no Parquet or CSV file. Give IN a file, a folder of them, or a "
            "pattern as in 'data/2026-*.parquet'."
        )
    kinds = {file.is_parquet for file in found}
    if len(kinds) > 1:
        raise InvalidTable(
            f"{location} has Parquet and CSV files. Name those of one kind: '{_joined(location)}"
            "*.parquet'."
        )
    return found


def _found(location: str) -> tuple[File, ...]:
    filesystem, path = _place(location)
    fixed = re.split(f"[{WILD}]", path)[0]
    if fixed != path:
        folder = fixed.rsplit("/", 1)[0] or "/"
        selector = fs.FileSelector(folder, recursive="/" in path[len(folder) + 1 :])
        infos = [one for one in filesystem.get_file_info(selector) if fnmatch(one.path, path)]
    else:
        info = filesystem.get_file_info(path)
        if info.is_file:
            infos = [info]
        elif info.type == fs.FileType.Directory:
            infos = filesystem.get_file_info(fs.FileSelector(path))
        else:
            raise FileNotFoundError(errno.ENOENT, "there is no such file or folder")
    named = [
        File(_url(location, one.path), one.size)
        for one in sorted(infos, key=lambda one: str(one.path))
        if one.is_file and one.base_name.lower().endswith((*PARQUET, *CSV))
    ]
    return tuple(file for file in named if not file.name.startswith(("_", ".")))


def listing(folder: str) -> dict[str, int]:
    """The names right in a folder and their bytes, of folders 0; empty where there is none."""
    with storage_errors(folder):
        filesystem, path = _place(folder)
        selector = fs.FileSelector(path, allow_not_found=True)
        return {one.base_name: one.size or 0 for one in filesystem.get_file_info(selector)}


def read_bytes(url: str) -> bytes:
    """All of a small file."""
    with storage_errors(url), opened(url) as stream:
        return bytes(stream.read())


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A file to read from anywhere within. What goes wrong is Arrow's or the system's error."""
    filesystem, path = _place(url)
    with filesystem.open_input_file(path) as stream:
        yield stream


def write_bytes(url: str, content: Any) -> None:
    """Write a file whole or not at all, in a folder that is made."""
    with storage_errors(url):
        filesystem, path = _place(url)
        if url.startswith(S3):
            # One that is closed early would be a whole object: it is opened when all is there.
            with filesystem.open_output_stream(path) as stream:
                stream.write(content)
        else:
            with whole_file(Path(path)) as partial:
                partial.write_bytes(content)


def settle(url: str) -> None:
    """Let a file that was written be there after a power cut, with the folders that it is in."""
    if not url.startswith(S3):
        with storage_errors(url):
            for folder in list(Path(url).absolute().parents)[:SETTLED]:
                place = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(place)
                finally:
                    os.close(place)


def move(source: str, target: str) -> None:
    """Give a file another name on the same storage."""
    with storage_errors(target):
        filesystem, path = _place(source)
        place = _place(target)[1]
        if not target.startswith(S3):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        filesystem.move(path, place)


def remove(url: str) -> None:
    """Take away a file that is ours."""
    with storage_errors(url):
        filesystem, path = _place(url)
        filesystem.delete_file(path)


def remove_empty(folder: str) -> None:
    """Take away a folder that holds nothing; one that does stays."""
    with storage_errors(folder):
        filesystem, path = _place(folder)
        is_there = filesystem.get_file_info(path).type == fs.FileType.Directory
        if is_there and not filesystem.get_file_info(fs.FileSelector(path)):
            filesystem.delete_dir(path)


def make_folder(url: str) -> None:
    """Make a folder on a disk; a bucket has none."""
    if not url.startswith(S3):
        with storage_errors(url):
            Path(url).mkdir(parents=True, exist_ok=True)


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Say what went wrong with `url` as a sentence.

    Raises Unreachable when the storage does not answer, else BadInput.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InvalidTable(f"{url} does not exist. Correct the address.") from error
    except OSError as error:
        said = str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in said:
            raise BadInput(
                f"There is no room left where {url} is written. Make some and run the same "
                "command again: it goes on where it stopped."
            ) from error
        if url.startswith(S3) and AWAY.search(said):
            raise Unreachable(
                f"The storage of {url} does not answer: {first_line(error)[:300]}. Check "
                "AWS_ENDPOINT_URL and the network, then run the same command again: it goes on "
                "where it stopped."
            ) from error
        if url.startswith(S3) and NO_KEY.search(said):
            raise BadInput(
                f"{url} was refused: {first_line(error)[:300]}. Check AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY."
            ) from error
        raise BadInput(
            f"{url} cannot be used: {error.strerror or first_line(error)[:300]}. Correct the "
            "address, or what may be done there."
        ) from error


def is_damage(error: Exception) -> bool:
    """Whether a library could not read what is in a file, which its storage has given."""
    if isinstance(error, OSError):
        return error.errno is None and "AWS Error" not in str(error)
    return isinstance(error, pa.ArrowException | ValueError)


def require_storage(url: str, variable: str) -> None:
    """Raise BadInput unless `url` is a path of this machine or on s3://."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() != "s3":
        raise BadInput(f"{variable}={url} cannot be used: give a path or an s3:// address.")
    if separator and not rest.partition("/")[2]:
        raise BadInput(f"{variable}={url} names no folder. Write s3://bucket/folder.")


def absolute(url: str) -> str:
    """The same place by a name that does not depend on where somebody stands."""
    return url if url.startswith(S3) else str(Path(url).absolute())


def joined(folder: str, *names: str) -> str:
    """The address of something in a folder."""
    return _joined(folder) + "/".join(names)


def _joined(folder: str) -> str:
    return folder.rstrip("/") + "/"


def _url(location: str, path: str) -> str:
    return f"{S3}{path}" if location.startswith(S3) else path


def _place(url: str) -> tuple[Any, str]:
    if url.lower().startswith(S3):
        return _s3(), url[len(S3) :].rstrip("/")
    return fs.LocalFileSystem(), str(Path(url).absolute())


@cache
def _s3() -> Any:
    # Every other client of ours reads the same variables.
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    endpoint = next((found for name in names if (found := os.environ.get(name))), None)
    scheme, _, host = (endpoint or "").rpartition("://")
    return fs.S3FileSystem(
        endpoint_override=host.rstrip("/") or None,
        scheme=scheme or "https",
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        connect_timeout=CONNECT_SECONDS,
        request_timeout=READ_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS + 1),
    )
