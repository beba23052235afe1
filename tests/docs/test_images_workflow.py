"""images.yml pushes what was scanned, as what `make up` asks for, and may do nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli import app
from infra.images import OTHERS
from infra.sources import digest, files
from tests.infra.workflow_walk import read_job
from tests.repository import ROOT

FILE = ROOT / ".github" / "workflows" / "images.yml"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return read_job("images", "image")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository as a runner has it: no base and no image of one's own."""
    monkeypatch.chdir(ROOT)
    for name in (*OTHERS.values(), "PYTHON_BASE", "GOLANG_BASE", "POSTGRES_BASE", "MINIO_VERSION"):
        monkeypatch.delenv(name, raising=False)


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


def place(job: dict[str, Any], step: dict[str, Any]) -> int:
    return job["steps"].index(step)


def test_it_runs_on_main_and_on_a_release():
    events = yaml.safe_load(FILE.read_text())[True]
    assert set(events) == {"push"}
    assert events["push"]["branches"] == ["main"]
    assert events["push"]["tags"] == ["v*"]


def test_each_of_our_images_is_built(job):
    assert set(job["strategy"]["matrix"]["service"]) == set(OTHERS)


def test_it_may_push_packages_and_nothing_else(job):
    assert job["permissions"] == {"contents": "read", "packages": "write"}
    assert "secrets." not in FILE.read_text()


@pytest.mark.parametrize("service", sorted(OTHERS))
def test_whatever_goes_into_an_image_starts_it(service, here):
    """Otherwise a change would have no image until the next one."""
    paths = yaml.safe_load(FILE.read_text())[True]["push"]["paths"]
    dockerfile = Path("infra", service, "Dockerfile")
    for path in [dockerfile, *files(dockerfile.read_text())]:
        assert any(_is_below(path, pattern) for pattern in paths), path


def _is_below(path: Path, pattern: str) -> bool:
    return path.as_posix() == pattern or (
        pattern.endswith("/**") and path.as_posix().startswith(pattern[:-2])
    )


def test_what_is_pushed_was_scanned_before(job):
    build, push = steps(job, "docker/build-push-action")
    (scan,) = steps(job, "anchore/scan-action")
    assert "push" not in build["with"]
    assert build["with"]["load"] is True
    assert scan["with"]["image"] == build["with"]["tags"]
    assert place(job, build) < place(job, scan) < place(job, push)
    for name in ("context", "file"):
        assert push["with"][name] == build["with"][name]
    assert not {"build-args", "no-cache", "target"} & set(push["with"])


def test_a_scan_with_something_to_mend_ends_the_run(job):
    (scan,) = steps(job, "anchore/scan-action")
    assert scan["with"]["fail-build"] is True
    assert scan["with"]["severity-cutoff"] == "high"
    assert scan["with"]["only-fixed"] is True
    assert not any("if" in step or step.get("continue-on-error") for step in job["steps"])


def test_the_token_is_there_only_for_the_push(job):
    (login,) = steps(job, "docker/login-action")
    (scan,) = steps(job, "anchore/scan-action")
    assert login["with"]["registry"] == "ghcr.io"
    assert place(job, login) > place(job, scan)


def test_what_is_pushed_tells_what_it_is_made_of_and_from(job):
    _, push = steps(job, "docker/build-push-action")
    assert push["with"]["provenance"] == "mode=max"
    assert push["with"]["sbom"] is True


@pytest.mark.parametrize("service", sorted(OTHERS))
def test_the_dockerfile_is_the_one_that_make_up_builds(job, service):
    push = steps(job, "docker/build-push-action")[-1]
    name = push["with"]["file"].replace("${{ matrix.service }}", service)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert compose[service]["build"]["dockerfile"] == name


@pytest.mark.parametrize("ref", [("branch", "main"), ("tag", "v1.2.0")])
def test_the_name_is_the_one_that_make_up_asks_for(ref, here, tmp_path, monkeypatch, capsys):
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    monkeypatch.setenv("GITHUB_REF_TYPE", ref[0])
    monkeypatch.setenv("GITHUB_REF_NAME", ref[1])
    monkeypatch.setenv("IMAGE_REGISTRY", "ghcr.io/somebody/insurance")
    app(["github", "image", "minio"], standalone_mode=False)
    name = f"ghcr.io/somebody/insurance/minio:{digest('minio')}"
    also = ",ghcr.io/somebody/insurance/minio:v1.2.0" if ref[0] == "tag" else ""
    assert outputs.read_text() == f"name={name}\nnames={name}{also}\n"
    assert capsys.readouterr().out == f"{name}\n"


def test_the_digest_of_the_registry_is_on_the_page_of_the_run(here, tmp_path, monkeypatch):
    page = tmp_path / "page"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setenv("IMAGE_REGISTRY", "ghcr.io/somebody/insurance")
    pushed = f"sha256:{'a' * 64}"
    app(["github", "image", "minio", "--digest", pushed], standalone_mode=False)
    assert f"`ghcr.io/somebody/insurance/minio:{digest('minio')}@{pushed}`" in page.read_text()
