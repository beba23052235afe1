"""The storage of artifacts: a small file goes there, comes back and is taken away again."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from infra.checks.finding import Finding, check, note, right, wrong
from infra.checks.stack import is_local_stack
from insurance_predictor.base.settings import DEFAULT_ARTIFACTS, DEFAULT_TRACKING_URI, Settings
from insurance_predictor.store.locations import REMEDY, foreign_place
from insurance_predictor.store.tracking import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "round_trip.txt"


@check("artifacts")
def artifacts(client: "MlflowClient | None", settings: Settings) -> Finding:
    """Whether each place that runs write to keeps a file, gives it back and lets it go.

    Without a client there is no experiment yet, so no place but the one that is set.
    """
    with store_errors(settings):
        places = sorted(set(locations(client, settings) if client else _set_location(settings)))
    to_be_made, kept = [], []
    for place in places:
        if (folder := _local_folder(place)) and not folder.exists():
            to_be_made.append(str(folder))
            continue
        if fault := foreign_place(place, settings, place):
            return wrong(f"the experiment has {fault}", REMEDY)
        try:
            round_trip(place)
        except Exception as error:  # each storage has errors of its own
            return wrong(
                f"{place} does not keep a file: {_cause(error)}", _remedy(settings, folder)
            )
        kept.append(place)
    if not kept:
        return note(f"nothing yet: the first training makes {' and '.join(to_be_made)}")
    return right(f"{' and '.join(kept)}: written, read back, deleted")


def locations(client: "MlflowClient", settings: Settings) -> Iterator[str]:
    """Where the runs of the configured experiments write, now and once one has to be made."""
    names = [settings.experiment(production) for production in (False, True)]
    experiments = [client.get_experiment_by_name(name) for name in names]
    for experiment in experiments:
        if experiment is not None:
            yield str(experiment.artifact_location)
    yield from _set_location(settings)
    if experiments[0] is not None or settings.artifact_location is not None:
        return
    if settings.mlflow_tracking_uri == DEFAULT_TRACKING_URI:
        yield str(DEFAULT_ARTIFACTS.resolve())
    else:
        yield str(client.get_experiment("0").artifact_location)


def round_trip(location: str) -> None:
    """Write, read back, compare and delete, through MLflow's own client of that storage.

    Raises whatever that client raises, and OSError when something else comes back.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location)
    folder = f"doctor-{uuid4().hex}"
    with TemporaryDirectory() as scratch:
        sent = Path(scratch, FILE)
        sent.write_text(folder)
        try:
            repository.log_artifact(str(sent), folder)
            came = Path(repository.download_artifacts(f"{folder}/{FILE}")).read_text()
        except Exception:
            with suppress(Exception):  # the first failure is the one to tell
                repository.delete_artifacts(folder)
            raise
    repository.delete_artifacts(folder)
    if came != folder:
        raise OSError("what came back is not what was written")


def _set_location(settings: Settings) -> list[str]:
    return [] if settings.artifact_location is None else [settings.artifact_location]


def _local_folder(location: str) -> Path | None:
    from mlflow.utils.file_utils import local_file_uri_to_path

    path = local_file_uri_to_path(location)
    return None if "://" in path or ":/" in path else Path(path)


def _cause(error: Exception) -> str:
    """What requests puts last, after the address twice."""
    return str(error).rpartition("(Caused by ")[2].removesuffix(")")


def _remedy(settings: Settings, folder: Path | None) -> str:
    if folder is not None:
        return f"Make {folder} a folder that you can write to, or set ARTIFACT_LOCATION."
    if is_local_stack(settings):
        return "`make up` makes a bucket that is gone; `make logs` says what the store has."
    return "Check that the bucket is there, and the keys of who writes: the server's, or AWS_..."
