"""The files of a run, fetched from the store: those that are served, and those that are shown."""

from pathlib import Path
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import IntegrityFault, Unreachable
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MODEL,
    MODEL_CARD,
    MODEL_FILE,
    PLOTS,
    PREPROCESSOR,
    REFERENCE,
    SERVING,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


def download(
    client: "MlflowClient",
    run_id: str,
    model_source: str,
    destination: Path,
    extra: tuple[str, ...] = (),
) -> Path:
    """Fetch a run's model, the files served beside it and `extra` ones into `destination`.

    Raises IntegrityFault when the store answers but has no such file, and Unreachable or what
    its client raises when it does not answer.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    wanted = MODEL_FILE
    try:
        download_artifacts(artifact_uri=model_source, dst_path=str(destination / MODEL))
        for wanted in (PREPROCESSOR, SERVING, *extra):
            # A folder keeps its place below the destination; a single file would not.
            client.download_artifacts(run_id, str(Path(wanted).parent), str(destination))
        for wanted in (MODEL_FILE, f"{MODEL}/MLmodel", PREPROCESSOR, SERVING, *extra):
            (destination / wanted).stat()
    except (MlflowException, FileNotFoundError) as error:
        if not _is_absent(error):
            raise
        if wanted != MODEL_FILE and _is_listed(client, run_id, wanted):
            raise Unreachable(f"The storage did not give {wanted} of {run_id}: {error}") from error
        raise IntegrityFault(f"The run {run_id} has lost a file: {wanted} is not there.") from error
    return destination


def download_documents(client: "MlflowClient", run_id: str, destination: Path) -> None:
    """Fetch a run's reference and hold-out rows, model card and plots, those that it has."""
    stored = {entry.path for entry in client.list_artifacts(run_id)}
    for wanted in (str(Path(REFERENCE).parent), str(Path(HOLDOUT).parent), MODEL_CARD, PLOTS):
        if wanted in stored:
            client.download_artifacts(run_id, wanted, str(destination))


def _is_listed(client: "MlflowClient", run_id: str, wanted: str) -> bool:
    """Whether the run has the file after all: MLflow calls one missing whatever went wrong.

    Raises what is really wrong when the storage does not even list its files.
    """
    from mlflow.exceptions import MlflowException

    try:
        entries = client.list_artifacts(run_id, str(Path(wanted).parent))
    except MlflowException as error:
        if not _is_absent(error):
            raise
        return False
    return wanted in {entry.path for entry in entries}


def _is_absent(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError):
        return True
    code = getattr(error, "error_code", None)
    return code == "RESOURCE_DOES_NOT_EXIST" or "No such artifact" in str(error)
