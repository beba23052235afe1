"""The images that images.yml publishes: what they are called, and what the run's page shows."""

import os

from infra.github.workflow import show
from infra.images import published
from insurance_predictor.base.command_line import hand_on


def name_image(service: str) -> str:
    """The name for the sources of this commit, handed on; and for a release that of its tag too.

    Raises BadInput when there is no such service, or nobody knows the registry.
    """
    name = published(service)
    names = [name]
    if os.environ.get("GITHUB_REF_TYPE") == "tag":
        names.append(f"{name.rpartition(':')[0]}:{os.environ['GITHUB_REF_NAME']}")
    hand_on("name", name)
    hand_on("names", ",".join(names))
    return name


def show_image(service: str, digest: str) -> None:
    """Put the pushed image on the run's page, with the `digest` that the registry gave it."""
    show(f"`{published(service)}@{digest}`\n")
