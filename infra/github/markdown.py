"""Text of others in GitHub's Markdown: shown as it is, calling nobody and closing nothing."""

import re
from collections.abc import Iterable, Sequence

from insurance_predictor.base.foreign_text import one_line, printable


def code(text: str) -> str:
    """`text` on one line in a code span."""
    return f"`{one_line(text).replace('`', '')}`"


def block(text: str) -> str:
    """`text` as it is, with its lines, in a fence that it cannot close."""
    seen = printable(text)
    longest = max((len(run) for run in re.findall(r"`+", seen)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{seen}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
