"""Bring the public table to this machine, whole and unaltered, or not at all."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from insurance_predictor.base.errors import DownloadFailed, Unreachable
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

DATA_FOLDER = Path(__file__).parents[2] / "data"
DOWNLOADED = DATA_FOLDER / "insurance.csv"

CHUNK_BYTES = 64 * 1024
FIRST_PAUSE_SECONDS = 0.5


class _DeliveryError(Exception):
    """The host did not deliver this time."""


def download_table(
    settings: Settings, destination: Path | None = None, show_progress: bool | None = None
) -> Path:
    """The path of the table of `settings.data_url`, by default data/insurance.csv.

    Nothing is done when a file with the right sum is already there. A file appears or is replaced
    only once the sum of what arrived is right. `settings.download_timeout` is how many seconds the
    host may stay silent, `settings.download_retries` how often to try again, after 0.5, 1, 2, ...
    seconds. The progress bar is for terminals outside CI unless `show_progress` says otherwise.
    Raises DownloadFailed for a refusal, a wrong sum or a place that cannot be written, Unreachable
    when the host does not answer or does not finish.
    """
    path = destination or DOWNLOADED
    if _has_sum(path, settings.data_sha256):
        print(f"{path} is already there, with the right sum.", file=sys.stderr)
        return path
    try:
        with _replacement(path) as (file, partial):
            received = _fetch(settings, file, _progress(show_progress))
            _require_sum(received, settings)
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
    except OSError as error:
        raise DownloadFailed(
            f"{path} cannot be written: {error.strerror}. Make room or choose another place."
        ) from error
    return path


def _has_sum(path: Path, expected: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == expected


def _require_sum(received: str, settings: Settings) -> None:
    if received != settings.data_sha256:
        raise DownloadFailed(
            f"{_shown(settings.data_url)} has the sha256 {received}, expected "
            f"{settings.data_sha256}; nothing was kept. Correct DATA_URL, or set DATA_SHA256 if "
            "the new file is the one you want."
        )


@contextmanager
def _replacement(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """An open file beside `path`, gone afterwards unless it was renamed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file, partial
    finally:
        with suppress(OSError):
            partial.unlink()


def _fetch(settings: Settings, file: IO[bytes], progress: "Progress") -> str:
    """The sha256 of what was written to `file`."""
    with progress:
        for attempt in range(settings.download_retries + 1):
            if attempt:
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                return _fetch_once(settings, file, progress)
            except _DeliveryError as error:
                failure = error
    tries = f"{attempt + 1} {'tries' if attempt else 'try'}"
    raise Unreachable(
        f"{_shown(settings.data_url)} did not arrive after {tries}: {failure}. Check the network "
        "and DATA_URL, then run `make data` again."
    ) from failure


def _fetch_once(settings: Settings, file: IO[bytes], progress: "Progress") -> str:
    import requests

    file.seek(0)
    file.truncate()
    # Compressed transfer would make Content-Length, and so the progress bar, a different size.
    headers = {"Accept-Encoding": "identity"}
    try:
        with requests.get(
            settings.data_url, headers=headers, stream=True, timeout=settings.download_timeout
        ) as response:
            _require_success(response, settings)
            return _copy(response, file, progress)
    except (requests.Timeout, requests.ConnectionError) as error:
        raise _DeliveryError(_reason(error, settings)) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _DeliveryError("the connection was cut before the end") from error
    except requests.RequestException as error:
        raise DownloadFailed(
            f"DATA_URL={_shown(settings.data_url)} cannot be fetched ({type(error).__name__}). "
            "Give an http:// or https:// address."
        ) from error


def _require_success(response: Any, settings: Settings) -> None:
    answer = f"the host answers {response.status_code} {response.reason}"
    if response.status_code >= 500 or response.status_code == 429:
        raise _DeliveryError(answer)
    if response.status_code != 200:
        raise DownloadFailed(f"{_shown(settings.data_url)}: {answer}. Correct DATA_URL.")


def _copy(response: Any, file: IO[bytes], progress: "Progress") -> str:
    length = response.headers.get("Content-Length", "")
    task = progress.add_task("downloading", total=int(length) if length.isdigit() else None)
    digest = hashlib.sha256()
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            progress.update(task, advance=len(chunk))
    finally:
        progress.remove_task(task)
    return digest.hexdigest()


def _reason(error: Exception, settings: Settings) -> str:
    import requests

    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"the host was silent for {settings.download_timeout:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate of the host could not be verified"
    return "the host could not be reached"


def _progress(show_progress: bool | None) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    wanted = sys.stderr.isatty() and not os.environ.get("CI")
    return Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not (wanted if show_progress is None else show_progress),
    )


def _shown(url: str) -> str:
    """The URL without a user, password or signature, which do not belong on a screen."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a malformed URL"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else url
