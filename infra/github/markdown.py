"""Text of others in GitHub's Markdown: shown as it is, calling nobody and closing nothing."""

import re
from collections.abc import Iterable, Sequence

SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~&])")
BREAKS = re.compile(r"\s+")
# A sign that nobody sees keeps "@somebody" from calling, and "#12" from linking.
GAP = "\u200b"


def plain(text: str) -> str:
    """`text` on one line, without a meaning of its own."""
    escaped = SIGNS.sub(r"\\\1", BREAKS.sub(" ", text).strip())
    return re.sub(r"([@#]|://)(?=\S)", rf"\1{GAP}", escaped)


def code(text: str) -> str:
    """`text` on one line in a code span."""
    return f"`{BREAKS.sub(' ', text).replace('`', '')}`"


def block(text: str) -> str:
    """`text` as it is, with its lines, in a fence that it cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
