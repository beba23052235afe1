"""The same sources have the same name, and whatever goes into an image changes it."""

import re
import shutil
from pathlib import Path

import pytest

from infra.sources import digest, files
from tests.repository import ROOT

SERVICES = ("app", "minio", "mlflow", "postgres")
# What is read of a repository to name its images.
WHAT = ("infra", "app", "insurance_predictor", "monitoring", "data", ".streamlit")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what images are made of, where commands run; no base of one's own is set."""
    for name in WHAT:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".dockerignore", "requirements.txt"):
        shutil.copy2(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("POSTGRES_BASE", "GOLANG_BASE", "PYTHON_BASE", "MINIO_VERSION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def digests() -> dict[str, str]:
    return {service: digest(service) for service in SERVICES}


def changed(before: dict[str, str]) -> set[str]:
    """The services whose image has another name than `before`."""
    return {service for service, name in digests().items() if name != before[service]}


def test_it_is_a_tag_that_no_other_image_has(clone):
    found = digests()
    assert all(re.fullmatch(r"[0-9a-f]{16}", name) for name in found.values())
    assert len(set(found.values())) == len(SERVICES)
    assert digests() == found


@pytest.mark.parametrize(
    ("file", "services"),
    [
        ("requirements.txt", {"app", "mlflow"}),
        ("infra/mlflow/serve.py", {"app", "mlflow"}),
        ("infra/__init__.py", {"app", "mlflow"}),
        ("infra/minio/probe.go", {"app", "minio"}),
        ("infra/minio/Dockerfile", {"app", "minio"}),
        ("infra/postgres/start.sh", {"app", "postgres"}),
        ("app/app.py", {"app"}),
        ("insurance_predictor/table/schema.py", {"app"}),
        ("data/sample.csv", {"app"}),
        (".streamlit/config.toml", {"app"}),
    ],
)
def test_a_change_renames_the_images_that_it_goes_into(clone, file, services):
    before = digests()
    (clone / file).write_text((clone / file).read_text() + "\n")
    assert changed(before) == services


@pytest.mark.parametrize("file", ["README.md", "data/mine.csv", "app/__pycache__/app.pyc", ".env"])
def test_what_goes_into_none_renames_none(clone, file):
    before = digests()
    (clone / file).parent.mkdir(exist_ok=True)
    (clone / file).write_text("other\n")
    assert changed(before) == set()


def test_a_new_file_renames_too_even_one_that_git_does_not_know(clone):
    before = digests()
    (clone / "infra" / "mlflow" / "another.py").write_text("")
    assert changed(before) == {"app", "mlflow"}


def test_a_program_that_cannot_be_run_is_another_image(clone):
    before = digests()
    (clone / "infra" / "postgres" / "start.sh").chmod(0o644)
    assert changed(before) == {"app", "postgres"}


def test_rights_that_differ_between_machines_change_nothing(clone):
    before = digests()
    (clone / "requirements.txt").chmod(0o664)
    assert changed(before) == set()


@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("PYTHON_BASE", {"app", "mlflow"}),
        ("GOLANG_BASE", {"minio"}),
        ("POSTGRES_BASE", {"postgres"}),
        ("MINIO_VERSION", {"minio"}),
    ],
)
def test_what_the_environment_gives_a_build_is_a_source(clone, name, services, monkeypatch):
    before = digests()
    monkeypatch.setenv(name, "another:1")
    assert changed(before) == services
    monkeypatch.setenv(name, "")
    assert changed(before) == set()


def test_a_default_that_is_typed_is_the_default(clone, monkeypatch):
    before = digests()
    (version,) = re.findall(
        r"^ARG MINIO_VERSION=(\S+)$", (clone / "infra/minio/Dockerfile").read_text(), re.MULTILINE
    )
    monkeypatch.setenv("MINIO_VERSION", version)
    monkeypatch.setenv("BASE", "a variable that no build is given")
    assert changed(before) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_everything_that_a_dockerfile_copies_is_found(clone, service):
    text = Path("infra", service, "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
    found = [path.as_posix() for path in files(text)]
    assert len(found) == len(set(found))
    for name in " ".join(copied).split():
        assert name == "." or any(Path(path).match(name) for path in found), name


def test_dockerignore_is_written_as_it_is_read():
    """Nothing, but for what a line lets through, without caches."""
    first, *through, last = (ROOT / ".dockerignore").read_text().splitlines()
    assert (first, last) == ("*", "**/__pycache__")
    assert all(re.fullmatch(r"![\w./]+", line) and (ROOT / line[1:]).exists() for line in through)
