"""The files of a run, fetched from the store by their names and compared before they are opened.

They are asked for where the operator keeps them, and not at all when they are too large.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insurance_predictor.base.errors import IntegrityFault, Unreachable
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import (
    MOST_MANIFEST_BYTES,
    Digests,
    Manifest,
    prove,
    read_manifest,
    too_large,
)
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
from insurance_predictor.store.locations import REMEDY, experiment_location, foreign_place
from insurance_predictor.store.versions import logged_model_id

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

AT_ONCE = 8  # files that are fetched at the same time
MOST_BYTES = 512 * 2**20  # of all files of a version; a small server has 1 GB of memory


def fetch(
    client: "MlflowClient",
    settings: Settings,
    run_id: str,
    model_source: str,
    expected: Digests,
    destination: Path,
    owner: str,
) -> Manifest:
    """Fetch every file that `expected` vouches for into `destination`, an empty folder.

    Nothing else of the run is fetched, or left there. Raises IntegrityFault when the store answers
    but has another file or none, when a file is said to be at a place that is not the operator's,
    or is too large; and Unreachable or what its client raises when it does not answer.
    """
    wanted = MANIFEST if expected.has_manifest else PREPROCESSOR
    run = _run(client, run_id, wanted)
    places = own_places(client, settings, run, model_source, owner)
    run_files, model_files = (_repository(client, place) for place in places)
    if expected.manifest_sha256 is None:
        return _fetch_former(run, run_files, model_files, expected, destination, owner)
    _check_size(run_files, [MANIFEST], MOST_MANIFEST_BYTES, owner, f"its {MANIFEST} has")
    _take(run_files, MANIFEST, destination, run_id)
    names = read_manifest(destination, expected.manifest_sha256, owner).files.keys()
    inside = {name.removeprefix(f"{MODEL}/") for name in names if name.startswith(f"{MODEL}/")}
    beside = {name for name in names if not name.startswith(f"{MODEL}/")}
    left = MOST_BYTES - _check_size(model_files, inside, MOST_BYTES, owner)
    _check_size(run_files, beside, left, owner)
    _take_model(model_files, inside, destination, run_id)
    _take_all(run_files, beside, destination, run_id)
    return prove(destination, expected, owner)


def own_places(
    client: "MlflowClient", settings: Settings, run: "Run", source: str, owner: str
) -> tuple[str, str]:
    """Where the files of a run are, and those of the model that `source` names.

    Nothing is asked for there. Raises IntegrityFault unless this very run logged that model, and
    where one of the two is a place that is not the operator's.
    """
    experiment = experiment_location(client, run.info.experiment_id)
    places = (
        str(run.info.artifact_uri),
        _model_location(client, run.info.run_id, source, owner),
    )
    for place in places:
        if fault := foreign_place(place, settings, experiment):
            raise IntegrityFault(f"{owner} is refused: it has {fault}. {REMEDY}")
    return places


def _model_location(client: "MlflowClient", run_id: str, source: str, owner: str) -> str:
    from mlflow.exceptions import MlflowException

    model_id = logged_model_id(source)
    if model_id is not None:
        try:
            model = client.get_logged_model(model_id)
        except MlflowException as error:
            if not _is_absent(error):
                raise
            raise _lost(run_id, MODEL_FILE) from error
        if model.source_run_id == run_id:
            return str(model.artifact_location)
    raise IntegrityFault(
        f"{owner} is refused: {one_line(source)!r} is no model that the run {run_id} logged. "
        "Look at who wrote that, then train and register again."
    )


def _fetch_former(
    run: "Run",
    run_files: "ArtifactRepository",
    model_files: "ArtifactRepository",
    expected: Digests,
    destination: Path,
    owner: str,
) -> Manifest:
    """Of a release without manifests: what its three digests vouch for, and the run's tag."""
    run_id = run.info.run_id
    beside = (PREPROCESSOR, SERVING, REFERENCE, HOLDOUT)
    left = MOST_BYTES - _check_size(run_files, beside, MOST_BYTES, owner)
    inside = []
    for name, size in _below(model_files, ""):
        inside.append(name)
        left -= size
        if left < 0:
            raise too_large(owner, "its files have more than", MOST_BYTES, MOST_BYTES)
    _take_model(model_files, inside, destination, run_id)
    _take_all(run_files, (PREPROCESSOR, SERVING), destination, run_id)
    with suppress(IntegrityFault):  # a premium needs neither
        _take_all(run_files, (REFERENCE, HOLDOUT), destination, run_id)
    if not (destination / MODEL_FILE).is_file():
        raise _lost(run_id, MODEL_FILE)
    manifest = prove(destination, expected, owner, run.data.tags.get(ROWS_SHA256_TAG))
    for path in (path for path in destination.rglob("*") if path.is_file()):
        if path.relative_to(destination).as_posix() not in manifest.files:
            path.unlink()
    return manifest


def _run(client: "MlflowClient", run_id: str, wanted: str) -> "Run":
    """The run, for the sake of the file `wanted`."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if not _is_absent(error):
            raise
        raise _lost(run_id, wanted) from error


def _repository(client: "MlflowClient", location: str) -> "ArtifactRepository":
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, tracking_uri=client.tracking_uri)


def _check_size(
    files: "ArtifactRepository",
    names: Iterable[str],
    most: int,
    owner: str,
    what: str = "its files have",
) -> int:
    """How many bytes some files have together, as the store lists them; one it does not list, 0.

    Raises IntegrityFault when they are more than `most`.
    """
    wanted = set(names)
    folders = sorted({name.rpartition("/")[0] for name in wanted})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listed = [entry for found in pool.map(partial(_listed, files), folders) for entry in found]
    size = sum(entry.file_size or 0 for entry in listed if entry.path in wanted)
    if size > most:
        raise too_large(owner, what, size, most)
    return size


def _below(files: "ArtifactRepository", folder: str) -> Iterator[tuple[str, int]]:
    """The name of each file below `folder`, and its size in bytes."""
    for entry in _listed(files, folder):
        if entry.is_dir:
            yield from _below(files, entry.path)
        elif ".." not in entry.path.split("/"):
            yield entry.path, entry.file_size or 0


def _listed(files: "ArtifactRepository", folder: str) -> list[Any]:
    from mlflow.exceptions import MlflowException

    try:
        return list(files.list_artifacts(folder or None))
    except MlflowException as error:
        if not _is_absent(error):
            raise
        return []


def _take_model(
    files: "ArtifactRepository", names: Iterable[str], destination: Path, run_id: str
) -> None:
    (destination / MODEL).mkdir(exist_ok=True)
    _take_all(files, names, destination / MODEL, run_id, f"{MODEL}/")


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
    return name in {entry.path for entry in _listed(files, name.rpartition("/")[0])}


def _is_absent(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError):
        return True
    code = getattr(error, "error_code", None)
    return code == "RESOURCE_DOES_NOT_EXIST" or "No such artifact" in str(error)


def _lost(run_id: str, name: str) -> IntegrityFault:
    return IntegrityFault(f"The run {run_id} has lost a file: {name} is not there.")
