"""The edge to Docker: runs it, and waits for what happens in its containers."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

PATIENCE = 180  # seconds; MLflow needs about 20 to be healthy on an idle machine
KINDS = ("container", "volume", "network")  # in the order in which they can be removed


def docker(*arguments: str) -> str:
    """What `docker` prints on both its outputs. Raises RuntimeError with it when it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}")
    return done.stdout


def inspect(container: str) -> Mapping[str, Any]:
    """Everything that Docker knows of a container."""
    (found,) = json.loads(docker("inspect", container))
    return found


def remove_project(project: str) -> None:
    """Remove every container, volume and network of a Compose project, whatever state it is in."""
    of_the_project = ["--quiet", "--filter", f"label=com.docker.compose.project={project}"]
    for kind in KINDS:
        every = ["--all"] if kind == "container" else []
        force = ["--force"] if kind == "container" else []
        if found := docker(kind, "ls", *every, *of_the_project).split():
            docker(kind, "rm", *force, *found)


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return once something has `happened`. Raises TimeoutError when it never does."""
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {PATIENCE} s")
        time.sleep(0.05)
