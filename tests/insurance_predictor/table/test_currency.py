"""A currency is the target's alone: no sentence of the product holds one by hand."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from insurance_predictor.table.columns import (
    LONGEST_WORD,
    SIGNS,
    former_columns,
    target_json,
    target_of,
)
from tests.own_columns import IN_REAIS
from tests.repository import ROOT

PACKAGES = ("app", "infra", "insurance_predictor", "monitoring")
DECLARED_IN = ("insurance_predictor/table/schema.py", "insurance_predictor/table/columns.py")
BY_HAND = ("US$", "R$", "dollar", "dólar", "BRL", "USD", '"$,')


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")
        yield from (ROOT / package).rglob("*.j2")


def literals(source: str) -> Iterator[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    yield from (
        node.value for node in texts if isinstance(node.value, str) and id(node) not in docstrings
    )


def by_hand(text: str) -> bool:
    return any(word.lower() in text.lower() for word in BY_HAND)


def test_no_sentence_holds_a_currency_by_hand():
    found = []
    for path in sources():
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        texts = literals(source) if path.suffix == ".py" else [source]
        if name not in DECLARED_IN:
            found += [f"{name}: {text!r}" for text in texts if by_hand(text)]
    assert found == []


def test_the_walk_sees_a_planted_currency_and_leaves_a_docstring():
    planted = 'def f(x):\n    """In US dollars."""\n    return f"US$ {x:,.0f} a year"\n'
    assert [text for text in literals(planted) if by_hand(text)] == ["US$ "]


def test_a_target_survives_its_line():
    kept = target_of(target_json(IN_REAIS.target))
    assert (kept.sign, kept.unit, kept.meaning) == (
        SIGNS["BRL"],
        IN_REAIS.target.unit,
        ("charges", "BRL"),
    )


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("R$ por ano", "x" * (LONGEST_WORD + 1)),
        ('"currency": "BRL"', '"currency": 5'),
        ('"digits": null', '"digits": "2"'),
        ('"digits": null', '"digits": 999'),
        ('"pt": "R$ por ano", ', ""),
        ('"kind": "number"', '"kind": "category"'),
        ("{", ""),
    ],
)
def test_what_another_client_wrote_of_a_target_is_not_shown(word: str, other: str):
    line = target_json(IN_REAIS.target)
    assert word in line
    assert target_of(line.replace(word, other)) == former_columns().target


def test_a_run_of_before_was_in_dollars():
    assert target_of(None).currency == "USD"
