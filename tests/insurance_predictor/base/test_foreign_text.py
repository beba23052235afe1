"""What somebody else wrote is only read: by a terminal, a workflow's log, and GitHub's pages."""

import logging

import pytest
import typer

from insurance_predictor.base.command_line import PrintableFormatter, make_app, run, say
from insurance_predictor.base.errors import BadInput, RefusedByGate
from insurance_predictor.base.foreign_text import for_github, one_line, printable

# What a terminal obeys, what turns the order of reading, what breaks a line, half a character.
CODES = (
    "\x1b[2J",
    "\x9b2J",
    "\x07",
    "\x08",
    "\r",
    "\u202e",
    "\u2066",
    "\u2028",
    "\ufeff",
    "\ud800",
)
COMMANDS = ("::error::x", "  ::set-output name=a::b", "\u00a0::stop-commands::x", "a ##[error]x")


def obeyed(line: str) -> bool:
    """As GitHub's runner looks for its commands: ActionCommand.TryParseV2 and TryParse."""
    return line.lstrip().startswith("::") or "##[" in line


@pytest.mark.parametrize("code", CODES)
def test_codes_are_written_out(code):
    for show in (printable, one_line, for_github):
        shown = show(f"before{code}after")
        assert code not in shown
        assert shown.startswith("before")
        assert shown.endswith("after")
        shown.encode()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_a_command_of_a_workflow(command):
    assert obeyed(command)
    for text in (command, f"fine\n{command}", f"{command}\n{command}"):
        lines = printable(text).split("\n")
        assert not any(map(obeyed, lines))
        assert len(lines) == text.count("\n") + 1
    assert not obeyed(one_line(command))


def test_what_can_be_seen_stays_as_it_is():
    text = "Prêmio: US$\u00a08.412 por ano, IMC 27,5 kg/m² → 30 ✓ 日本 🙂\n  a::b #12 [x]\ttab"
    assert printable(text) == text
    assert one_line("US$\u00a08") == "US$\u00a08"


def test_a_value_stays_on_its_line_and_is_cut():
    assert one_line("a\n  everything is fine\r\nb") == "a everything is fine b"
    assert one_line("x" * 1_000_000, 40) == "x" * 39 + "…"
    assert len(one_line("\x1b" * 1_000_000, 40)) == 40
    assert one_line("x" * 40, 40) == "x" * 40


def test_github_s_markdown_has_no_meaning_and_calls_nobody():
    shown = for_github("@team #12 http://x.example ![a](b) <b> `c` | ::error::\n# title")
    assert "\n" not in shown
    assert "@team" not in shown
    assert "#12" not in shown
    assert "http://x" not in shown
    assert "www.x" not in for_github("www.x.example")
    assert "![a](b)" not in shown
    assert "<b>" not in shown.replace("\\<", "")


def test_what_is_printed_goes_through_it(capsys):
    say("an id\x1b[31m\n::error::y")
    say("an error\x9b", to_stderr=True)
    printed = capsys.readouterr()
    assert printed.out == "an id\\x1b[31m\n\\::error::y\n"
    assert printed.err == "an error\\x9b\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("no id \x1b[31m\n::error::x"), 2),
        (RefusedByGate("refused", ("a tag\n::error::x", "\x1b]0;title\x07")), 3),
        (RuntimeError("a fault\n::error::x \x1b[31m"), 1),
    ],
)
def test_an_error_of_a_command_is_only_read(error, code, capsys, monkeypatch):
    app = make_app("For a test.")

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    monkeypatch.setattr("sys.argv", ["test", "fail"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    printed = capsys.readouterr().err
    assert ended.value.code == code
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert not any(map(obeyed, printed.split("\n")))


def test_a_reason_of_a_refusal_is_one_line():
    refused = RefusedByGate("refused:", ("a\n  - approved after all",))
    assert str(refused) == "refused:\n  - a - approved after all"


def test_a_log_line_of_a_command_is_only_read():
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, "said %s", ("\x1b[31m\n::error::x",), None
    )
    assert PrintableFormatter().format(record) == "said \\x1b[31m\n\\::error::x"


def test_a_person_s_interruption_is_not_taken_for_a_fault(monkeypatch):
    app = typer.Typer()

    @app.command()
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["test"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == 130
