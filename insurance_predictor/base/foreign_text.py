"""The one way to show what somebody else wrote: it is only read, and does nothing.

An id, a cell, a tag, a reason or another program's error may hold codes that a terminal obeys,
commands that a workflow's log obeys, lines that look like ours, or signs that Markdown obeys.
"""

import re
import unicodedata

LONGEST = 200  # characters of a value within a sentence
LONGEST_PARAGRAPH = 4_000
BREAKS = re.compile(r"[ \t\r\n\v\f]+")
NOT_SHOWN = re.compile(r"[^\n\t\u200b -~]")
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands, and their
# older form, which is obeyed anywhere on a line.
COMMAND = re.compile(r"^[^\S\n]*(?=::)|##(?=\[)", re.MULTILINE)
GITHUB_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~&])")
# A sign that nobody sees keeps "@somebody" from calling, and "#12" from linking.
GAP = "\u200b"
# What an address has that Streamlit makes a link of wherever it stands, escaped or not; and what
# every other link, image, tag or reference is written with.
ADDRESS = r"@|h(?=ttp)|w(?=ww)"
IS_AN_ADDRESS = re.compile(ADDRESS, re.IGNORECASE)
MAKES_A_LINK = re.compile(rf"[\]<&]|:(?=//)|{ADDRESS}", re.IGNORECASE)


def printable(text: str) -> str:
    r"""`text` for a terminal or a log, its lines kept.

    What is neither a letter nor a sign that can be seen is written as \x1b, \u202e or \ud800, and
    no line is a command of a workflow.
    """
    seen = text if text.isprintable() else NOT_SHOWN.sub(_written, text)
    return COMMAND.sub(r"\g<0>\\", seen)


def one_line(text: object, longest: int = LONGEST) -> str:
    """`text` within a sentence of ours: on one line, `longest` characters at most."""
    line = printable(BREAKS.sub(" ", str(text)).strip(" "))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def for_github(text: object, longest: int = LONGEST_PARAGRAPH) -> str:
    """`text` for GitHub's Markdown: on one line, without a meaning of its own, calling nobody."""
    escaped = GITHUB_SIGNS.sub(r"\\\1", one_line(text, longest))
    return re.sub(r"([@#]|://|www\.)(?=\S)", rf"\1{GAP}", escaped)


def without_addresses(text: str) -> str:
    """`text` in which no address becomes a link by itself."""
    return IS_AN_ADDRESS.sub(rf"\g<0>{GAP}", text)


def without_links(markdown: str) -> str:
    """`markdown` with its headings and tables, but no link, image, HTML or formula.

    The sign that nobody sees keeps apart what would make one; no word is taken away.
    """
    return MAKES_A_LINK.sub(rf"\g<0>{GAP}", markdown.replace("$", r"\$"))


def _written(found: re.Match[str]) -> str:
    sign = found.group()
    is_seen = sign.isprintable() or unicodedata.category(sign) == "Zs"
    return sign if is_seen else sign.encode("unicode_escape").decode()
