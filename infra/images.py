"""The images of the stack: taken from the repository's registry when it has them, else built."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.compose import compose
from infra.sources import LENGTH, digest
from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import BadInput

# A variable that names another image than the one we make.
OTHERS = {
    "postgres": "POSTGRES_IMAGE",
    "minio": "MINIO_IMAGE",
    "mlflow": "MLFLOW_IMAGE",
    "app": "APP_IMAGE",
}
PATIENCE = 10  # seconds in which a registry says whether it has an image
ON_GITHUB = re.compile(r"(?:^|[/@])github\.com(?::\d+)?[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")
DEFAULT = re.compile(r"\$\{(\w+_IMAGE):-([^}]+)\}")
NOT_LET_IN = re.compile("denied|unauthorized|authentication", re.IGNORECASE)
ON_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?/")
OF_SOURCES = re.compile(rf"[0-9a-f]{{{LENGTH}}}")


@dataclass(frozen=True)
class Image:
    """An image that we make: as docker-compose.yml calls it, and the digest of its sources."""

    service: str
    name: str
    sources: str

    @property
    def kept(self) -> str:
        """The name on this machine that tells its sources."""
        return f"{self.name.rpartition(':')[0]}:{self.sources}"

    def published(self, registry: str) -> str:
        """The name in `registry`."""
        return f"{registry}/{self.service}:{self.sources}"


def provide(*services: str, build: bool = False) -> None:
    """Have the images of `services` here, of the sources that are in this folder.

    What is here stays; what the registry has is taken from there; the rest is built, and all of it
    when `build` is asked for. A service whose image .env names is left alone.
    Raises Unreachable when a build fails.
    """
    images = _ours(services)
    if missing := images if build else _taken(images):
        compose("build", *(image.service for image in missing))
        for image in missing:
            _docker("tag", image.name, image.kept)
    for image in images:
        _forget_earlier(image)


def published(service: str) -> str:
    """The name of the image of `service` in the registry of this repository.

    Raises BadInput when there is no such service, or nobody knows the registry.
    """
    if service not in OTHERS:
        raise BadInput(f"No image {service!r}. There are {', '.join(OTHERS)}.")
    if not (source := registry()):
        raise BadInput("No registry: `origin` is not on GitHub. Name one: IMAGE_REGISTRY=...")
    (image,) = _ours([service])
    return image.published(source)


def pull(*services: str) -> list[str]:
    """Take what the registry has of the images of `services`; the value names what is missing."""
    return [image.service for image in _taken(_ours(services))]


def registry() -> str:
    """Where the images of this repository are published: "" when nobody knows.

    IMAGE_REGISTRY, or else the container registry that GitHub has for the repository that `origin`
    is: a fork asks for its own.
    """
    if named := os.environ.get("IMAGE_REGISTRY"):
        return named.rstrip("/")
    try:
        done = _run("git", "remote", "get-url", "origin")
    except FileNotFoundError:
        return ""
    found = ON_GITHUB.search(done.stdout.strip())
    return f"ghcr.io/{found[1].lower()}" if found else ""


def _ours(services: Iterable[str]) -> list[Image]:
    ours = [service for service in services if not os.environ.get(OTHERS[service])]
    # Not what Compose makes of it: that wants the secrets, which a prebuild must not hold.
    named = dict(DEFAULT.findall(Path("docker-compose.yml").read_text()))
    return [Image(service, named[OTHERS[service]], digest(service)) for service in ours]


def _taken(images: Sequence[Image]) -> list[Image]:
    """Give those their name that are here or come from the registry; the value is the others."""
    missing = [image for image in images if _docker("tag", image.kept, image.name).returncode]
    source = registry()
    if not (missing and source):
        return missing
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(lambda image: _reason(image.published(source)), missing))
    wanting = {image: why for image, why in zip(missing, reasons, strict=True) if why}
    for image in missing:
        if image not in wanting and (why := _take(image, source)):
            wanting[image] = why
    if wanting:
        say(_in_words(source, wanting))
    return list(wanting)


def _in_words(source: str, wanting: Mapping[Image, str]) -> str:
    names = ", ".join(image.service for image in wanting)
    why = next(iter(wanting.values()))
    private = NOT_LET_IN.search(why)
    login = f" If it is private: docker login {source.partition('/')[0]}." if private else ""
    return f"{source} gives no image of these sources for {names}: {why}.{login}"


def _reason(published: str) -> str:
    """Why an image cannot be taken, as the registry says it; "" when it can."""
    # One on this machine needs no certificate, as for Docker's engine; any other does.
    without = ["--insecure"] if ON_THIS_MACHINE.match(published) else []
    try:
        done = _docker("manifest", "inspect", *without, published, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"no answer in {PATIENCE} s"
    return _why(done)


def _take(image: Image, source: str) -> str:
    """Pull `image` under its names here; the value says why that failed, or nothing."""
    published = image.published(source)
    say(f"Taking {published} ...")
    done = _docker("pull", "--quiet", published)
    if not done.returncode:
        for name in (image.kept, image.name):
            _docker("tag", published, name)
        _docker("image", "rm", published)  # one name less; the image stays
    return _why(done)


def _forget_earlier(image: Image) -> None:
    """Let go of the names of other sources, so that `docker image prune` gives the room back."""
    repository, _, own = image.kept.rpartition(":")
    tags = _docker("image", "ls", "--format", "{{.Tag}}", repository).stdout.split()
    for tag in tags:
        if OF_SOURCES.fullmatch(tag) and tag != own:
            _docker("image", "rm", f"{repository}:{tag}")  # refused while a container runs it


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if not done.returncode:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "Docker does not say why"


def _docker(*arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return _run("docker", *arguments, timeout=timeout)


def _run(*command: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=timeout, check=False
    )
