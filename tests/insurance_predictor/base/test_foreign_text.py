"""What somebody else wrote is only read: by a terminal, a workflow's log, and GitHub's pages."""

import logging
import re
from html import unescape

import pytest
import typer
from markdown_it import MarkdownIt

from insurance_predictor.base.command_line import PrintableFormatter, make_app, run, say
from insurance_predictor.base.errors import BadInput, RefusedByGate
from insurance_predictor.base.foreign_text import (
    for_github,
    one_line,
    printable,
    without_links,
)
from insurance_predictor.base.formats import plain

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


LEADS_AWAY = (
    "[here](https://outside.example)",
    "[here]( <https://outside.example> 'title')",
    "![seen](https://outside.example/x.png)",
    "![seen](data:image/svg+xml;base64,PHN2Zz4=)",
    "[run](javascript:alert(1))",
    "[by reference][away]\n\n[away]: https://outside.example",
    "[away]\n\n[away]: <https://outside.example> 'title'",
    "![away][]\n\n[away]:\n  //outside.example/x.png",
    "<https://outside.example>",
    "<JavaScript:alert(1)>",
    "<somebody@outside.example>",
    "<img src=x onerror=alert(1)>",
    "<a href='https://outside.example'>x</a>",
    "a <script>alert(1)</script>",
    "<!-- x --><iframe src='//outside.example'></iframe>",
    "[![both](x.png)](https://outside.example)",
    "[a\\]b](https://outside.example)",
    "| a |\n| --- |\n| [x](https://outside.example) |",
    "text[^1]\n\n[^1]: [x](https://outside.example)",
)
# What becomes a link by itself, as read by https://github.com/syntax-tree/mdast-util-gfm-autolink-literal
# after escapes and entities are gone.
BY_ITSELF = re.compile(
    r"(https?://|www(?=\.))([-.\w]+)|([-.\w+]+)@([-\w]+(?:\.[-\w]+)+)", re.IGNORECASE
)


def elements(markdown: str) -> list[str]:
    """What CommonMark with tables makes of it, as the names of its tokens."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.validateLink = lambda address: True  # of any kind, as CommonMark itself has it
    tokens = reader.parse(markdown)
    return [one.type for token in tokens for one in (token, *(token.children or ()))]


@pytest.mark.parametrize("markdown", LEADS_AWAY)
def test_markdown_of_others_leads_nowhere_and_fetches_nothing(markdown):
    leading = {"link_open", "image", "html_inline", "html_block"}
    assert leading & set(elements(markdown)) or "[^1]" in markdown  # so it could have failed
    assert leading.isdisjoint(elements(without_links(markdown)))
    assert BY_ITSELF.search(MarkdownIt().render(without_links(markdown))) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://outside.example",
        "HTTP://outside.example",
        "https&#58;//outside.example",
        "http\\://outside.example",
        "&#104;ttps://outside.example",
        "www.outside.example",
        "WWW\\.outside.example",
        "somebody@outside.example",
        "somebody\\@outside.example",
        "somebody&commat;outside.example",
    ],
)
def test_an_address_in_markdown_of_others_becomes_no_link_by_itself(address):
    def text(markdown: str) -> str:
        return unescape(MarkdownIt().render(markdown))

    assert BY_ITSELF.search(text(address))
    assert BY_ITSELF.search(text(without_links(address))) is None
    assert BY_ITSELF.search(text(plain(address))) is None


def test_what_is_not_a_link_in_markdown_of_others_stays_as_it_is():
    table = "| a | b |\n| --- | ---: |\n| `x=[1, 2]` | US$ 1 |"
    card = f"# Card\n\n> note\n\n{table}\n\n- one\n\nwith\n\n    make train\n"
    assert elements(without_links(card)) == elements(card)
    assert without_links(card).replace("\u200b", "").replace("\\$", "$") == card
