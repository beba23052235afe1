"""Every image that comes from elsewhere is named by tag and digest, where Dependabot sees it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.check_compose import read_config
from tests.repository import ROOT

BASES = ROOT / "infra" / "bases" / "Dockerfile"
DOCKERFILES = sorted(path for path in ROOT.glob("infra/*/Dockerfile") if path != BASES)
# What Dependabot reads of a Dockerfile: a name, a tag and a digest behind FROM, and no variable.
SEEN = re.compile(r"^FROM\s+([a-z][a-z0-9./-]*:[\w.-]*\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64})", re.M)
ARGUMENT = re.compile(r"^ARG (\w+)(?:=(\S+))?$", re.MULTILINE)
FROM = re.compile(r"^FROM (?:--\S+ )?(\S+)(?: AS (\S+))?$", re.MULTILINE | re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def filled(text: str, arguments: dict[str, str]) -> str:
    """`text` with the values of `arguments`, as a build fills it."""
    return VARIABLE.sub(lambda found: arguments.get(found[1]) or found[2] or "", text)


def built_from(dockerfile: str, **given: str) -> Iterator[str]:
    """The images that a build of `dockerfile` asks for and does not make itself."""
    first = dockerfile.index("\nFROM ")
    arguments: dict[str, str] = {}
    for name, default in ARGUMENT.findall(dockerfile[:first]):
        arguments[name] = given.get(name) or filled(default, arguments)
    stages = {"scratch"}
    for image, stage in FROM.findall(dockerfile):
        name = filled(image, arguments)
        if name not in stages:
            yield name
        stages.add(stage)


def seen() -> list[str]:
    """What Dependabot finds."""
    return SEEN.findall(BASES.read_text())


def updates() -> dict[str, dict[str, Any]]:
    """The blocks of Dependabot by their ecosystem."""
    content = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    return {block["package-ecosystem"]: block for block in content["updates"]}


def test_dependabot_finds_a_tag_and_a_digest_in_every_line_of_the_bases():
    assert updates()["docker"]["directory"] == f"/{BASES.parent.relative_to(ROOT)}"
    assert len(seen()) == BASES.read_text().count("\nFROM ") == 3


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_is_built_from_nothing_but_what_dependabot_sees(path: Path):
    """On a branch of Dependabot `make lock` makes this true again."""
    used = set(built_from(path.read_text()))
    assert len(used) == 1
    assert used <= set(seen())


def test_every_base_is_used():
    used = {image for path in DOCKERFILES for image in built_from(path.read_text())}
    assert used == set(seen())


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_base_of_ones_own_takes_the_place_of_ours(path: Path):
    (name,) = re.findall(r"^ARG (\w+_BASE)$", path.read_text(), re.MULTILINE)
    assert set(built_from(path.read_text(), **{name: "mirror/own:1"})) == {"mirror/own:1"}


def test_compose_hands_on_a_base_of_ones_own_and_knows_no_other():
    services = read_config(ROOT / "docker-compose.yml")["services"].values()
    built = {it["build"]["dockerfile"]: it["build"]["args"] for it in services if "build" in it}
    assert set(built) == {str(path.relative_to(ROOT)) for path in DOCKERFILES}
    for dockerfile, given in built.items():
        arguments = dict(ARGUMENT.findall((ROOT / dockerfile).read_text()))
        assert {name: arguments[name] for name in given} == given


def test_make_lock_copies_what_dependabot_has_moved(tmp_path: Path):
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    newer = f"python:3.11.15-slim-trixie@sha256:{'b' * 64}"
    bases = tmp_path / "infra" / "bases" / "Dockerfile"
    (older,) = [image for image in seen() if image.startswith("python:")]
    bases.write_text(bases.read_text().replace(older, newer))
    subprocess.run([tmp_path / "infra" / "bases" / "copy.sh"], check=True, timeout=30)
    for path in DOCKERFILES:
        copied = tmp_path / path.relative_to(ROOT)
        assert copied.read_text() == path.read_text().replace(older, newer)
        assert copied.stat().st_mode == path.stat().st_mode
    assert newer in (tmp_path / "infra" / "app" / "Dockerfile").read_text()
    assert "infra/bases/copy.sh" in (ROOT / "infra" / "lock.sh").read_text()


def test_dependabot_offers_no_version_that_cannot_work():
    """The locks are made for one minor version of Python, a data folder for one of PostgreSQL."""
    ignored = {it["dependency-name"]: it["update-types"] for it in updates()["docker"]["ignore"]}
    major, minor = "version-update:semver-major", "version-update:semver-minor"
    assert ignored == {"python": [major, minor], "postgres": [major]}


def test_no_block_of_dependabot_looks_where_nothing_is():
    assert set(updates()) == {"pip", "github-actions", "docker", "devcontainers"}
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repository["repo"] for repository in hooks} == {"local"}
