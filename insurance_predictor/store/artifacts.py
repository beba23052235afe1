"""The files of a run, fetched from the store by their names and compared before they are opened."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import IntegrityFault, Unreachable
from insurance_predictor.model.manifest import Digests, Manifest, prove, read_manifest
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MANIFEST,
    MODEL,
    MODEL_FILE,
    PREPROCESSOR,
    REFERENCE,
    ROWS_SHA256_TAG,
    SERVING,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

AT_ONCE = 8  # files that are fetched at the same time


def fetch(
    client: "MlflowClient",
    run_id: str,
    model_source: str,
    expected: Digests,
    destination: Path,
    owner: str,
) -> Manifest:
    """Fetch every file that `expected` vouches for into `destination`, an empty folder.

    Nothing else of the run is fetched, or left there. Raises IntegrityFault when the store answers
    but has another file or none, and Unreachable or what its client raises when it does not answer.
    """
    if expected.manifest_sha256 is None:
        return _fetch_former(client, run_id, model_source, expected, destination, owner)
    run = _run_files(client, run_id, MANIFEST)
    _take(run, MANIFEST, destination, run_id)
    files = read_manifest(destination, expected.manifest_sha256, owner).files
    of_model = [name for name in files if name.startswith(f"{MODEL}/")]
    _take_model(client, run_id, model_source, of_model, destination)
    _take_all(run, files.keys() - set(of_model), destination, run_id)
    return prove(destination, expected, owner)


def _fetch_former(
    client: "MlflowClient",
    run_id: str,
    model_source: str,
    expected: Digests,
    destination: Path,
    owner: str,
) -> Manifest:
    """Of a release without manifests: what its three digests vouch for, and the run's tag."""
    _take_model(client, run_id, model_source, [MODEL], destination)
    run = _run_files(client, run_id, PREPROCESSOR)
    _take_all(run, (PREPROCESSOR, SERVING), destination, run_id)
    with suppress(IntegrityFault):  # a premium needs neither
        _take_all(run, (REFERENCE, HOLDOUT), destination, run_id)
    if not (destination / MODEL_FILE).is_file():
        raise _lost(run_id, MODEL_FILE)
    rows = client.get_run(run_id).data.tags.get(ROWS_SHA256_TAG)
    manifest = prove(destination, expected, owner, rows)
    for path in (path for path in destination.rglob("*") if path.is_file()):
        if path.relative_to(destination).as_posix() not in manifest.files:
            path.unlink()
    return manifest


def _run_files(client: "MlflowClient", run_id: str, wanted: str) -> "ArtifactRepository":
    """Where the store keeps the files of a run, for the sake of `wanted`."""
    from mlflow.exceptions import MlflowException

    try:
        location = client.get_run(run_id).info.artifact_uri
    except MlflowException as error:
        if not _is_absent(error):
            raise
        raise _lost(run_id, wanted) from error
    return _repository(client, location)


def _take_model(
    client: "MlflowClient", run_id: str, source: str, names: Iterable[str], destination: Path
) -> None:
    """Fetch some files of the model, or, named `model`, all that there are."""
    from mlflow.exceptions import MlflowException

    (destination / MODEL).mkdir(exist_ok=True)
    try:
        files = _repository(client, source)
    except MlflowException as error:
        if not _is_absent(error):
            raise
        raise _lost(run_id, MODEL_FILE) from error
    inside = [name.removeprefix(MODEL).removeprefix("/") for name in names]
    _take_all(files, inside, destination / MODEL, run_id, f"{MODEL}/")


def _repository(client: "MlflowClient", location: str) -> "ArtifactRepository":
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, tracking_uri=client.tracking_uri)


def _take_all(
    files: "ArtifactRepository",
    names: Iterable[str],
    destination: Path,
    run_id: str,
    shown_below: str = "",
) -> None:
    take = partial(_take, files, destination=destination, run_id=run_id, shown_below=shown_below)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for _ in pool.map(take, sorted(names)):
            pass  # what went wrong is raised here
    finally:  # one that fails is enough
        pool.shutdown(cancel_futures=True)


def _take(
    files: "ArtifactRepository", name: str, destination: Path, run_id: str, shown_below: str = ""
) -> None:
    """Fetch one file to its place below `destination`."""
    from mlflow.exceptions import MlflowException

    try:
        files.download_artifacts(name, str(destination))
    except (MlflowException, FileNotFoundError) as error:
        if not _is_absent(error):
            raise
        shown = shown_below + name
        if _is_listed(files, name):
            raise Unreachable(f"The storage did not give {shown} of {run_id}: {error}") from error
        raise _lost(run_id, shown) from error


def _is_listed(files: "ArtifactRepository", name: str) -> bool:
    """Whether the file is there after all: MLflow calls one missing whatever went wrong.

    Raises what is really wrong when the storage does not even list its files.
    """
    from mlflow.exceptions import MlflowException

    parent = name.rpartition("/")[0]
    try:
        entries = files.list_artifacts(parent or None)
    except MlflowException as error:
        if not _is_absent(error):
            raise
        return False
    return name in {entry.path for entry in entries}


def _is_absent(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError):
        return True
    code = getattr(error, "error_code", None)
    return code == "RESOURCE_DOES_NOT_EXIST" or "No such artifact" in str(error)


def _lost(run_id: str, name: str) -> IntegrityFault:
    return IntegrityFault(f"The run {run_id} has lost a file: {name} is not there.")
