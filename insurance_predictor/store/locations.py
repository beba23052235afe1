"""Where files of runs may be: nobody else's server is asked, with credentials or without.

Runs and versions say themselves where their files are, and whoever writes one can name any place.
"""

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

REMEDY = "Look at who wrote that; if it is right, set ARTIFACT_LOCATION to it."
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
SERVERS = ("http", "https")
# Their addresses belong to a provider or to an endpoint that is configured on this machine.
BUCKETS = ("s3", "gs", "wasbs", "abfss")


def foreign_place(location: str, settings: Settings, experiment: str) -> str | None:
    """What is wrong with `location`, in half a sentence; None when it may be used.

    That is below ARTIFACT_LOCATION; behind the tracking server itself; in a bucket, below that of
    the run's experiment, whose location is `experiment`; or a folder, where the runs are in a
    database that this machine opens by itself.
    """
    if _is_ours(location, settings, experiment):
        return None
    return (
        f"files at {one_line(location)!r}, which is neither storage of the tracking server nor of "
        "its experiment"
    )


def experiment_location(client: "MlflowClient", experiment: str) -> str:
    """Where the runs of an experiment, given by its id, keep their files."""
    return str(client.get_experiment(experiment).artifact_location)


def _is_ours(location: str, settings: Settings, experiment: str) -> bool:
    try:
        place, server = urlsplit(location), urlsplit(settings.mlflow_tracking_uri)
    except ValueError:
        return False
    if not place.path or ".." in re.split(r"[/\\]", unquote(unquote(place.path))):
        return False
    if settings.artifact_location and _is_below(place, settings.artifact_location):
        return True
    if place.scheme in BUCKETS:
        return _is_below(place, experiment)
    is_remote = server.scheme in SERVERS
    if place.scheme == "mlflow-artifacts":
        return is_remote and place.netloc in ("", _host(server))
    if place.scheme in SERVERS:
        proxy = f"{server.scheme}://{_host(server)}{server.path.rstrip('/')}{PROXY}"
        return is_remote and _is_below(place, proxy)
    return place.scheme in ("", "file") and not place.netloc and not is_remote


def _is_below(place: SplitResult, parent: str) -> bool:
    above = urlsplit(parent)
    folder = above.path.rstrip("/")
    return (
        (place.scheme or "file", place.netloc) == (above.scheme or "file", above.netloc)
        and not place.query
        and (place.path == folder or place.path.startswith(f"{folder}/"))
    )


def _host(server: SplitResult) -> str:
    return server.netloc.rpartition("@")[2]
