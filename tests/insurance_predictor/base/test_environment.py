"""What a run was made with: the commit, the versions, and whether somebody is watching."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from insurance_predictor.base.environment import (
    git_commit,
    library_versions,
    progress,
    public_address,
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh repository with one committed file."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "-c", "user.name=Ana", "-c", "user.email=ana@example.org", "commit", "-qm", "1")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_is_the_full_sha_of_the_code(repository):
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_a_tag_does_not_stand_in_for_the_commit(repository):
    git(repository, "tag", "v1")
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_changed_files_make_the_commit_dirty(repository):
    (repository / "code.py").write_text("2\n")
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_files_that_are_not_tracked_leave_the_commit_clean(repository):
    (repository / "notes.txt").write_text("mine\n")
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_outside_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None


def test_without_git_there_is_no_commit(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert git_commit(repository) is None


def test_before_the_first_commit_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("GIT_DIR", raising=False)
    git(tmp_path, "init", "--quiet")
    assert git_commit(tmp_path) is None


def test_versions_are_those_that_are_installed():
    found = library_versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["mlflow"] == version("mlflow")
    assert set(found) == {
        "python",
        "mlflow",
        "scikit-learn",
        "pandas",
        "numpy",
        "skops",
        "joblib",
    }


def test_progress_is_quiet_without_a_terminal(capsys):
    with progress("folds", 2) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_progress_is_quiet_in_ci_even_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("CI", "true")
    with progress("folds", 2) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    with progress("folds", 2) as advance:
        advance()
        advance()
    shown = capsys.readouterr()
    assert "folds" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("http://127.0.0.1:5000", "https://fuzzy-umbrella-4jx-5000.app.github.dev"),
        ("http://localhost:5050/base/", "https://fuzzy-umbrella-4jx-5050.app.github.dev/base/"),
        ("https://mlflow.example.org", "https://mlflow.example.org"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_in_a_codespace_an_address_of_this_machine_is_the_one_that_github_forwards(
    url, opened, monkeypatch
):
    monkeypatch.delenv("CODESPACE_NAME", raising=False)
    monkeypatch.delenv("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", raising=False)
    assert public_address(url) == url
    monkeypatch.setenv("CODESPACE_NAME", "fuzzy-umbrella-4jx")
    assert public_address(url) == opened
    monkeypatch.setenv("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "space.example.org")
    assert public_address(url) == opened.replace("app.github.dev", "space.example.org")
