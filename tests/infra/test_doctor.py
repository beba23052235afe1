"""The doctor as a whole: one screen, one exit code, and no crash whatever it finds."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.checks.finding import Finding, Verdict, check, note, right, wrong
from infra.checks.group import Group
from infra.doctor import as_lines_of_json, doctor, examine, exit_code, screen
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import connect
from tests.servers import free_port, silent_host

LABELS = (
    "Python",
    "packages",
    "disk space",
    ".env",
    ".env names",
    "Docker",
    "services",
    "ports",
    "MLflow",
    "clock",
    "host header",
    "credentials",
    "schema",
    "aliases",
    "artifacts",
    "prediction log",
    "monitoring",
    "alerts",
)
BOTO3_GIVES_UP = 60  # seconds of its first try, of five
ONE_OF_EACH = [
    Finding(Verdict.RIGHT, "3.11.9", name="Python"),
    Finding(Verdict.WRONG, "others may read its secrets", "chmod 600 .env", ".env"),
    Finding(Verdict.NOTE, "not set", name="alerts"),
]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder where nothing has been done yet."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it on connecting
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fresh_clone_has_nothing_wrong_and_stays_as_it_is(clone, capsys):
    assert doctor() == 0
    shown = capsys.readouterr().out
    assert shown.endswith("\nNothing is wrong.\n")
    assert "✗" not in shown
    assert list(clone.iterdir()) == []


def test_every_line_is_there_once_and_in_order(clone):
    assert tuple(finding.name for finding in examine()) == LABELS


def test_labels_are_aligned_and_a_remedy_follows_what_is_wrong():
    assert screen(ONE_OF_EACH).splitlines() == [
        "✓ Python  3.11.9",
        "✗ .env    others may read its secrets",
        "          → chmod 600 .env",
        "– alerts  not set",
        "",
        "1 wrong.",
    ]


def test_json_has_one_object_a_finding():
    lines = as_lines_of_json(ONE_OF_EACH).splitlines()
    assert json.loads(lines[1]) == {
        "name": ".env",
        "verdict": "wrong",
        "found": "others may read its secrets",
        "remedy": "chmod 600 .env",
    }
    assert len(lines) == 3


def test_the_exit_code_is_4_when_one_is_wrong():
    assert exit_code(ONE_OF_EACH) == 4
    assert exit_code([right("yes"), note("perhaps")]) == 0


def test_what_is_in_env_is_examined(clone):
    (clone / ".env").write_text("SLACK_BOT_TOKEN=xoxb-hush\n")
    (clone / ".env").chmod(0o644)
    assert set(wrongs(examine())) == {".env", "alerts"}


@pytest.mark.parametrize(
    ("written", "said", "remedy"),
    [
        (
            b"MODEL_NAME=a/b\n",
            "MODEL_NAME='a/b' cannot be used: it must be letters, digits, spaces, '.', '-' and '_'",
            None,
        ),
        (b"DATA=\xff\xfe\n", ".env is not UTF-8 text", "Write it again."),
        (b"DATA=a\0b\n", "ValueError: embedded null byte", None),
    ],
)
def test_settings_that_cannot_be_read_are_a_finding_and_not_a_crash(written, said, remedy, clone):
    (clone / ".env").write_bytes(written)
    (clone / ".env").chmod(0o600)
    found = examine()
    assert said in next(one.found for one in found if one.name == "settings")
    assert remedy in (None, wrongs(found)["settings"].remedy)
    assert exit_code(found) == 4
    assert [one.found for one in found if one.name == "alerts"] == [
        "not looked at: the settings cannot be read"
    ]


def test_each_setting_that_cannot_be_used_has_its_own_line(clone, monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "a/b")
    monkeypatch.setenv("DATA_SHA256", "short")
    assert [one.name for one in examine()].count("settings") == 2


@pytest.mark.process
@pytest.mark.parametrize("host", ["closed", "silent"])
def test_with_everything_down_each_thing_is_told_once_and_no_secret_is_shown(host, clone):
    with silent_host() as silent:
        port = silent if host == "silent" else free_port()
        (clone / ".env").write_text(
            f"MLFLOW_PORT={port}\n"
            f"MLFLOW_TRACKING_URI=http://127.0.0.1:{port}\n"
            "MLFLOW_TRACKING_PASSWORD=hush\n"
            # pragma: allowlist nextline secret
            f"PREDICTION_LOG_URL=postgresql://ana:hush@127.0.0.1:{port}/predictions\n"
        )
        (clone / ".env").chmod(0o600)
        ended = run(clone, PATH=str(clone))
    assert ended.returncode == 4
    lines = ended.stdout.splitlines()
    assert {"MLflow", "Docker", "prediction log"} <= {
        line[2:18].strip() for line in lines if line.startswith("✗")
    }
    for number, line in enumerate(lines):
        assert not line.startswith("✗") or "→" in lines[number + 1]
    assert "hush" not in ended.stdout
    assert ended.stderr == ""


@pytest.mark.process
def test_storage_that_hangs_is_given_up_and_the_process_ends(elsewhere, clone):
    settings = Settings(mlflow_tracking_uri=f"sqlite:///{clone}/mlflow.db")
    connect(settings)
    with silent_host() as port:
        begun = time.monotonic()
        ended = run(
            clone,
            MLFLOW_TRACKING_URI=settings.mlflow_tracking_uri,
            ARTIFACT_LOCATION="s3://bucket/folder",
            MLFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
            AWS_ACCESS_KEY_ID="any",
            # pragma: allowlist nextline secret
            AWS_SECRET_ACCESS_KEY="any",
        )
    assert time.monotonic() - begun < BOTO3_GIVES_UP
    assert ended.returncode == 4
    assert "✗ artifacts       no answer within the time of this examination" in ended.stdout
    assert "✓ schema" in ended.stdout
    assert ended.stderr == ""


@pytest.mark.process
def test_mlflow_is_not_imported_for_a_store_that_does_not_answer(tmp_path):
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from infra.doctor import doctor; doctor(); print('mlflow' in sys.modules)",
        ],
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ended.stdout.splitlines()[-1] == "False"


@pytest.mark.process
def test_a_terminal_that_cannot_show_the_marks_shows_something_else(clone):
    ended = run(clone, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0
    assert ended.stdout.startswith("? Python")


def test_a_check_that_hangs_is_given_up_and_what_comes_after_it_is_named():
    def look():
        yield check("first")(lambda: right("yes"))()
        released.wait()
        yield check("second")(lambda: right("yes"))()

    released = threading.Event()
    group = Group(["first", "second", "third"], look)
    group.start()
    found = list(group.findings(until=time.monotonic() + 0.5))
    released.set()
    assert [(one.name, one.verdict) for one in found] == [
        ("first", Verdict.RIGHT),
        ("second", Verdict.WRONG),
        ("third", Verdict.NOTE),
    ]
    assert found[1].found == "no answer within the time of this examination"
    assert found[1].remedy == "Try again."


def test_a_group_that_falls_over_keeps_what_it_has_found():
    def look():
        yield check("first")(lambda: right("yes"))()
        raise BadInput("The second is broken. Mend it.")

    group = Group(["first", "second"], look)
    group.start()
    first, second = group.findings(until=time.monotonic() + 60)
    assert first.verdict is Verdict.RIGHT
    assert (second.name, second.found, second.remedy) == (
        "second",
        "The second is broken",
        "Mend it.",
    )


def test_a_check_with_a_bug_is_one_line_without_a_password():
    @check("sick")
    def sick() -> Finding:
        # pragma: allowlist nextline secret
        raise ZeroDivisionError("in\npostgresql://ana:hush@host/db")

    assert sick() == Finding(
        Verdict.WRONG,
        "ZeroDivisionError: in postgresql://ana:***@host/db",
        "Please report it with the line above.",
        "sick",
    )


def test_long_words_of_others_are_cut():
    assert len(wrong("x" * 1000, "y").found) == 300


def wrongs(findings: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings if one.verdict is Verdict.WRONG}


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", "doctor"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
