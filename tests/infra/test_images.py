"""`make up` takes an image that the registry has of these very sources, and else builds it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra import images
from infra.images import OTHERS, Image, provide, pull, registry
from infra.sources import digest
from insurance_predictor.base.errors import Unreachable
from tests.repository import ROOT

REGISTRY = "ghcr.io/somebody/insurance"
# An engine with the images of `here`, in front of a registry with those of `there`.
DOCKER = """#!/bin/sh
echo "$@" >>asked
case "$1" in
tag) grep -qx "$2" here && echo "$3" >>here ;;
manifest)
  for name in "$@"; do :; done
  grep -qx "$name" there || { echo "manifest unknown." >&2; exit 1; } ;;
pull) echo "$3" >>here ;;
image) case "$2" in
  ls) sed -n "s/^$5://p" here ;;
  rm) grep -vx "$3" here >left; mv left here ;;
  esac ;;
compose) sed -nE 's/.*\\{[A-Z]+_IMAGE:-([^}]+).*/\\1/p' docker-compose.yml >>here ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a registry and a Docker of its own, where nothing was built yet."""
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    for name in (".dockerignore", "requirements.txt", "docker-compose.yml"):
        shutil.copy2(ROOT / name, tmp_path)
    for name in ("app", "insurance_predictor", "monitoring"):
        (tmp_path / name).mkdir()
    (tmp_path / "programs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:/usr/bin:/bin")
    monkeypatch.setenv("IMAGE_REGISTRY", REGISTRY)
    for name in OTHERS.values():
        monkeypatch.delenv(name, raising=False)
    for name in ("here", "there", "asked"):
        (tmp_path / name).touch()
    engine(tmp_path, DOCKER)
    return tmp_path


def engine(place: Path, script: str) -> None:
    """Make `docker` this script."""
    (place / "programs" / "docker").write_text(script)
    (place / "programs" / "docker").chmod(0o755)


def publish(place: Path, *services: str) -> None:
    """The images that images.yml has pushed for the sources in `place`."""
    names = [f"{REGISTRY}/{service}:{digest(service)}\n" for service in services]
    (place / "there").write_text("".join(names))


def asked(place: Path, first: str) -> list[str]:
    """What `docker` was asked for, of the commands that begin so."""
    return [it for it in (place / "asked").read_text().splitlines() if it.startswith(first)]


def built(place: Path) -> list[str]:
    """The services that were built."""
    return [name for line in asked(place, "compose") for name in line.split(" build ")[1].split()]


def test_what_the_registry_has_is_taken_and_not_built(place, capsys):
    publish(place, "minio", "mlflow")
    provide("minio", "mlflow")
    assert built(place) == []
    here = (place / "here").read_text().splitlines()
    assert "insurance-predictor-minio:2026-02-12" in here
    assert f"insurance-predictor-mlflow:{digest('mlflow')}" in here
    assert f"Taking {REGISTRY}/minio:{digest('minio')}" in capsys.readouterr().out


def test_what_it_has_not_is_built_and_that_is_said(place, capsys):
    publish(place, "minio")
    provide("postgres", "minio", "mlflow")
    assert built(place) == ["postgres", "mlflow"]
    said = capsys.readouterr().out
    assert (
        f"{REGISTRY} gives no image of these sources for postgres, mlflow: manifest unknown."
        in (said)
    )


def test_an_image_of_other_sources_is_not_taken(place):
    publish(place, "mlflow")
    (place / "requirements.txt").write_text("mlflow==9\n")
    provide("mlflow")
    assert built(place) == ["mlflow"]
    assert asked(place, "pull") == []


def test_what_is_here_is_neither_asked_for_nor_built_again(place):
    provide("mlflow")
    (place / "asked").write_text("")
    provide("mlflow")
    assert built(place) == asked(place, "pull") == asked(place, "manifest") == []


def test_what_was_built_of_other_sources_is_built_again(place):
    provide("mlflow")
    (place / "requirements.txt").write_text("mlflow==9\n")
    provide("mlflow")
    assert built(place) == ["mlflow", "mlflow"]


def test_names_of_earlier_sources_do_not_pile_up(place):
    provide("mlflow")
    earlier = digest("mlflow")
    (place / "requirements.txt").write_text("mlflow==9\n")
    provide("mlflow")
    here = (place / "here").read_text()
    assert f"mlflow:{earlier}" not in here
    assert f"mlflow:{digest('mlflow')}" in here
    assert "insurance-predictor-mlflow:3.17.2" in here


def test_build_builds_and_asks_nobody(place):
    publish(place, "minio")
    provide("minio", build=True)
    assert built(place) == ["minio"]
    assert asked(place, "manifest") == asked(place, "pull") == []


def test_an_image_that_somebody_names_is_left_alone(place, monkeypatch):
    monkeypatch.setenv("MLFLOW_IMAGE", "ours.example.com/mlflow:3")
    provide("mlflow")
    provide("mlflow", build=True)
    assert (place / "asked").read_text() == ""


def test_only_a_registry_of_this_machine_needs_no_certificate(place, monkeypatch):
    provide("minio")
    monkeypatch.setenv("IMAGE_REGISTRY", "127.0.0.1:5000/insurance")
    provide("postgres")
    monkeypatch.setenv("IMAGE_REGISTRY", "127.0.0.1.example.com/insurance")
    provide("mlflow")
    assert ["--insecure" in line for line in asked(place, "manifest")] == [False, True, False]


def test_a_registry_that_says_nothing_is_given_up_within_seconds(place, monkeypatch, capsys):
    monkeypatch.setattr(images, "PATIENCE", 0.2)
    engine(place, DOCKER.replace("manifest)", "manifest) exec sleep 600;"))
    provide("minio")
    assert built(place) == ["minio"]
    assert "for minio: no answer in 0.2 s." in capsys.readouterr().out


def test_a_private_registry_names_the_login(place, capsys):
    refusal = "manifest) echo 'Error response from daemon: denied' >&2; exit 1;; never)"
    engine(place, DOCKER.replace("manifest)", refusal))
    provide("minio")
    assert built(place) == ["minio"]
    assert "denied. If it is private: docker login ghcr.io." in capsys.readouterr().out


def test_a_download_that_breaks_off_is_followed_by_a_build(place, capsys):
    publish(place, "minio")
    engine(place, DOCKER.replace("pull) ", "pull) echo 'no space left' >&2; exit 1;; never) "))
    provide("minio")
    assert built(place) == ["minio"]
    assert "for minio: no space left." in capsys.readouterr().out


def test_without_a_registry_everything_is_built_in_silence(place, monkeypatch, capsys):
    monkeypatch.delenv("IMAGE_REGISTRY")
    provide("minio")
    assert built(place) == ["minio"]
    assert asked(place, "manifest") == []
    assert capsys.readouterr().out == ""


def test_a_build_that_fails_is_one_sentence_and_leaves_no_name_behind(place):
    engine(place, DOCKER.replace("compose) ", "compose) echo 'no route' >&2; exit 1;; never) "))
    with pytest.raises(Unreachable, match="no route"):
        provide("minio")
    assert (place / "here").read_text() == ""


def test_pull_takes_and_never_builds(place):
    publish(place, "minio")
    assert pull("postgres", "minio", "mlflow") == ["postgres", "mlflow"]
    assert built(place) == []
    assert "insurance-predictor-minio:2026-02-12" in (place / "here").read_text()


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ("https://github.com/Somebody/Insurance.git", "ghcr.io/somebody/insurance"),
        ("https://github.com/somebody/insurance", "ghcr.io/somebody/insurance"),
        ("https://token@github.com/somebody/in.surance/", "ghcr.io/somebody/in.surance"),
        ("git@github.com:somebody/insurance.git", "ghcr.io/somebody/insurance"),
        ("ssh://git@github.com:22/somebody/insurance.git", "ghcr.io/somebody/insurance"),
        ("https://notgithub.com/somebody/insurance.git", ""),
        ("https://gitlab.com/somebody/insurance.git", ""),
        ("https://github.example.com/somebody/insurance.git", ""),
        ("/srv/git/insurance.git", ""),
        ("", ""),
    ],
)
def test_a_clone_asks_for_the_images_of_its_own_repository(place, origin, wanted, monkeypatch):
    monkeypatch.setenv("IMAGE_REGISTRY", "")
    subprocess.run(["git", "init", "--quiet"], check=True)
    if origin:
        subprocess.run(["git", "remote", "add", "origin", origin], check=True)
    assert registry() == wanted


def test_a_registry_that_somebody_names_goes_before_that_of_the_repository(place):
    assert registry() == REGISTRY


def test_a_name_tells_the_sources(place):
    image = Image("minio", "127.0.0.1:5000/minio:2026", "a" * 16)
    assert image.kept == f"127.0.0.1:5000/minio:{'a' * 16}"
    assert image.published(REGISTRY) == f"{REGISTRY}/minio:{'a' * 16}"
