"""Bring the public table to this machine, whole and unaltered, or not at all."""

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from insurance_predictor.base.command_line import say
from insurance_predictor.base.environment import is_watched
from insurance_predictor.base.errors import DownloadFailed, Unreachable
from insurance_predictor.base.files import whole_file
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from requests import RequestException

DATA_FOLDER = Path(__file__).parents[2] / "data"
DOWNLOADED = DATA_FOLDER / "insurance.csv"

CHUNK_BYTES = 64 * 1024
FIRST_PAUSE_SECONDS = 0.5


def download_table(
    settings: Settings, destination: Path | None = None, show_progress: bool | None = None
) -> Path:
    """The path of the table of `settings.data_url`, by default data/insurance.csv.

    Nothing is done when a file is already there: with another sum it is somebody's own. A file
    appears only once the sum of what arrived is right. `settings.download_timeout` is how many
    seconds the host may stay silent, `settings.download_retries` how often to try again, after 0.5,
    1, 2, ... seconds. The progress bar is for terminals outside CI unless `show_progress` says
    otherwise.
    Raises DownloadFailed for a refusal, a wrong sum or a place that cannot be written, Unreachable
    when the host does not answer or does not finish.
    """
    path = destination or DOWNLOADED
    if path.is_file():
        say(_already_there(path, settings), to_stderr=True)
        return path
    try:
        with whole_file(path) as partial:
            _fetch(settings, partial, is_watched() if show_progress is None else show_progress)
            _require_sum(_sha256(partial), settings)
    except OSError as error:
        raise DownloadFailed(
            f"{path} cannot be written: {error.strerror}. Make room or choose another place."
        ) from error
    return path


def _already_there(path: Path, settings: Settings) -> str:
    if _sha256(path) == settings.data_sha256:
        return f"{path} is already there, with the right sum."
    return (
        f"{path} is not the public table: it is kept as your own. To have the public one, move it "
        "away and run `make data` again."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_sum(received: str, settings: Settings) -> None:
    if received != settings.data_sha256:
        raise DownloadFailed(
            f"{settings.data_url} has the sha256 {received}, expected "
            f"{settings.data_sha256}; nothing was kept. Correct DATA_URL, or set DATA_SHA256 if "
            "the new file is the one you want."
        )


def _fetch(settings: Settings, partial: Path, show_progress: bool) -> None:
    from pooch import HTTPDownloader
    from requests import RequestException

    fetch = HTTPDownloader(
        progressbar=show_progress,
        chunk_size=CHUNK_BYTES,
        timeout=settings.download_timeout,
        # Compressed transfer would make Content-Length, and so the progress bar, a different size.
        headers={"Accept-Encoding": "identity"},
    )
    for attempt in range(settings.download_retries + 1):
        if attempt:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            fetch(settings.data_url, str(partial), None)
            return
        except RequestException as error:
            failure, reason = error, _passing_reason(error, settings)
    tries = f"{attempt + 1} {'tries' if attempt else 'try'}"
    raise Unreachable(
        f"{settings.data_url} did not arrive after {tries}: {reason}. Check the network "
        "and DATA_URL, then run `make data` again."
    ) from failure


def _passing_reason(error: "RequestException", settings: Settings) -> str:
    """Why the host did not deliver this time. Raises DownloadFailed where it never will."""
    from requests import ConnectionError, Timeout, exceptions

    url = settings.data_url
    if (response := error.response) is not None:
        answer = f"the host answers {response.status_code} {response.reason}"
        if response.status_code >= 500 or response.status_code == 429:
            return answer
        raise DownloadFailed(f"{url}: {answer}. Correct DATA_URL.") from error
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "the connection was cut before the end"
    if isinstance(error, Timeout) or "timed out" in str(error):
        return f"the host was silent for {settings.download_timeout:g} seconds"
    if isinstance(error, exceptions.SSLError):
        return "the certificate of the host could not be verified"
    if isinstance(error, ConnectionError):
        return "the host could not be reached"
    raise DownloadFailed(
        f"DATA_URL={url} cannot be fetched ({type(error).__name__}). "
        "Give an http:// or https:// address."
    ) from error
