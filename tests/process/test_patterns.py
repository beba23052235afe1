"""No regular expression of ours takes longer than its text is long, whatever the text says."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from types import ModuleType

import pytest

from tests.growth import MOST_GROWTH, growth
from tests.repository import ROOT

PACKAGES = ("app", "infra", "insurance_predictor", "monitoring")
# What a pattern may get stuck on: one of these many times over, with something else behind it.
RUNS = ("a", "1", "-", "/", ":", " ", "\n", ",", "`", "_", "@", "=", ";", "\t", "&", "é", '"')
RUNS += ("1.", "a:", "://", "://a:", "a-", "1e", "a b", ", ", ":a", "&password=", "${A:", "..")
ENDS = ("", "\0", "x", "@")
STARTS = ("", "-", "://", ":", "https://")
START = 300


# This repository's own compose file, which no stranger writes.
OURS = ("infra/check_compose.py",)


@dataclass(frozen=True)
class Pattern:
    """A pattern that is written in the code, where, and how it is used there."""

    place: str
    text: str
    flags: int
    method: str

    def use(self, given: str) -> object:
        compiled = re.compile(self.text, self.flags)
        if self.method in ("match", "fullmatch"):
            return getattr(compiled, self.method)(given)
        return compiled.sub("", given)  # as all others do, it looks everywhere


def _patterns() -> Iterator[Pattern]:
    for path in sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py")):
        written = path.read_text()
        if not re.search(r"^import re$", written, re.MULTILINE):
            continue
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                for method in re.findall(rf"\b{name}\.(\w+)\(", written):
                    yield Pattern(
                        f"{path.relative_to(ROOT)}: {name}", value.pattern, value.flags, method
                    )
        for node in ast.walk(ast.parse(written)):
            if isinstance(node, ast.Call) and (found := _text(node, module)) is not None:
                place = f"{path.relative_to(ROOT)}: {ast.unparse(node.args[0])}"
                yield Pattern(place, found, 0, node.func.attr)


def _text(call: ast.Call, module: ModuleType) -> str | None:
    """The pattern that a call of `re` is given; None where it is handed in."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr in ("compile", "escape"):
        return None
    if ast.unparse(call.func.value) != "re":
        return None
    given = call.args[0]
    if isinstance(given, ast.Constant):
        return str(given.value)
    known = getattr(module, given.id, None) if isinstance(given, ast.Name) else None
    return known if isinstance(known, str) else None


PATTERNS = sorted(
    {found for found in _patterns() if not found.place.startswith(OURS)}, key=lambda one: one.place
)


def test_the_patterns_are_found():
    assert len(PATTERNS) > 20


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.place)
def test_a_pattern_takes_time_in_proportion_to_its_text(pattern: Pattern):
    for first, run, last in product(STARTS, RUNS, ENDS):

        def text(times: int, first: str = first, run: str = run, last: str = last) -> str:
            return first + run * times + last

        found = growth(pattern.use, text, START)
        assert found < MOST_GROWTH, f"{pattern} on {first!r} {run!r} {last!r}"
