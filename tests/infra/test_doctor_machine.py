"""The doctor on this machine: Python, locks, disk and `.env`."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from infra.checks.env_file import env_file, env_names, known_names
from infra.checks.finding import Verdict
from infra.checks.machine import disk_space, packages, python


def test_this_python_is_one_that_the_locks_are_made_for():
    assert python().verdict is Verdict.RIGHT


@pytest.mark.parametrize("other", [(3, 10), (3, 14), (4, 0)])
def test_another_python_is_named_with_how_to_get_one(other):
    found = python(other)
    assert found.verdict is Verdict.WRONG
    assert found.found == f"{other[0]}.{other[1]} is not 3.11, 3.12 or 3.13"
    assert found.remedy == "make setup PYTHON=python3.11"


def test_the_environment_of_the_tests_is_as_locked():
    assert packages().found.endswith(" as locked")


def test_packages_that_are_missing_or_of_another_version_are_named(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# made by a tool\n"
        "numpy==1.0.0\n"
        "    # via somebody\n"
        "no-such-thing==1.0 ; python_version >= '3'\n"
        "none-for-us==1.0 ; sys_platform == 'win32'\n"
        f"pandas=={version('pandas')}\n"
    )
    found = packages([lock])
    assert found.verdict is Verdict.WRONG
    assert found.found == f"numpy is {version('numpy')}, not 1.0.0; no-such-thing is missing"
    assert found.remedy == "make setup"


def test_of_many_different_packages_the_first_are_named(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text("".join(f"no-such-{letter}==1\n" for letter in "abcde"))
    assert packages([lock]).found == (
        "no-such-a is missing; no-such-b is missing; no-such-c is missing and 2 more"
    )


def test_a_lock_that_is_gone_is_a_finding_and_not_a_crash(tmp_path):
    found = packages([tmp_path / "requirements.txt"])
    assert found.verdict is Verdict.WRONG
    assert found.found.startswith("FileNotFoundError: ")


def test_a_disk_with_less_than_is_needed_is_named(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    assert disk_space(tmp_path, least=free // 2).verdict is Verdict.RIGHT
    found = disk_space(tmp_path, least=free * 2)
    assert found.verdict is Verdict.WRONG
    assert found.remedy.startswith("Make room")


def test_without_an_env_file_there_is_nothing_to_judge(tmp_path):
    assert env_file(tmp_path / ".env").verdict is Verdict.NOTE
    assert env_names(tmp_path / ".env").verdict is Verdict.NOTE


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_an_env_file_that_others_may_read_is_named_with_the_command(mode, tmp_path):
    path = tmp_path / ".env"
    path.touch()
    path.chmod(mode)
    found = env_file(path)
    assert found.verdict is Verdict.WRONG
    assert found.remedy == f"chmod 600 {path}"
    path.chmod(0o600)
    assert env_file(path).verdict is Verdict.RIGHT


def test_a_folder_where_the_env_file_should_be_is_named(tmp_path):
    (tmp_path / ".env").mkdir()
    found = env_file(tmp_path / ".env")
    assert (found.verdict, found.remedy) == (Verdict.WRONG, "Move it away, then `make env`.")


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("MLFLOW_TRACKNG_URI", "MLFLOW_TRACKING_URI"),
        ("MODELNAME", "MODEL_NAME"),
        ("GATE_TOTAL_BAIS", "GATE_TOTAL_BIAS"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(misspelt, meant, tmp_path):
    found = names_of(tmp_path, f"DATA=table.csv\n{misspelt}=hush\n")
    assert found.verdict is Verdict.WRONG
    assert found.found == f"nobody reads {misspelt}"
    assert found.remedy == f"Did you mean {meant}? Rename or delete it."


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "MLFLOW_TRACKING_TOKEN", "HTTPS_PROXY"])
def test_the_names_of_other_programs_are_no_mistakes(name, tmp_path):
    found = names_of(tmp_path, f"{name}=hush\n")
    assert found.verdict is Verdict.NOTE
    assert found.found == f"1 that are not ours: {name}"


def test_names_that_are_documented_are_right(tmp_path):
    assert names_of(tmp_path, "# mine\nDATA=table.csv\nexport MODEL_NAME=a\n").verdict is (
        Verdict.RIGHT
    )


def test_a_line_that_is_no_name_and_value_is_named_by_its_number_alone(tmp_path):
    found = names_of(tmp_path, "DATA=table.csv\n=hush\n")
    assert found.verdict is Verdict.WRONG
    assert found.found == "line 2 is not NAME=value"


def test_names_come_from_examples_and_from_compose_files(tmp_path):
    (tmp_path / "example").write_text("# What it is, unlike OTHER=\n# FIRST=1\nSECOND=2\n")
    (tmp_path / "compose").write_text("ports: ['${THIRD:-5}:5', '${FOURTH}', $$FIFTH]\n")
    files = [tmp_path / name for name in ("example", "compose", "absent")]
    assert known_names(files) == {"FIRST", "SECOND", "THIRD", "FOURTH"}


def names_of(folder: Path, text: str):
    path = folder / ".env"
    path.write_text(text)
    return env_names(path)
