"""Both languages say everything, and nothing is said outside `app/text.py`."""

import ast
import re
from string import Formatter

import pytest

from app import text
from insurance_predictor.base.words import Text
from tests.app.conftest import ROOT

NAMED = {name: value for name, value in vars(text).items() if isinstance(value, Text)}
TEXTS = NAMED | text.METRICS_BY_NAME | text.PLOTS_BY_NAME
MODULES = sorted(path for path in (ROOT / "app").rglob("*.py") if path.name != "text.py")
SAME_IN_BOTH = {"FIELD", "LABELLED", "RMSE_HEADER"}
# Typed into a terminal, not read as a sentence.
COMMANDS = {"make train register promote"}
SENTENCE = re.compile(r"[A-Za-zÀ-ÿ]{2,}[,.:;!?]? [A-Za-zÀ-ÿ]{2,}")
SHOWING = {
    *("write", "markdown", "title", "header", "subheader", "caption", "text", "metric", "table"),
    *("warning", "error", "info", "success", "button", "download_button", "form_submit_button"),
    *("number_input", "selectbox", "segmented_control", "file_uploader", "expander", "spinner"),
    *("checkbox", "radio", "toast", "progress", "set_page_config", "image"),
}


def _places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_says_the_same_in_both_languages(name: str):
    words = TEXTS[name]
    assert words.pt.strip()
    assert words.en.strip()
    assert _places(words.pt) == _places(words.en)
    assert (words.pt == words.en) == (name in SAME_IN_BOTH)


def test_every_text_is_used():
    written = "\n".join(path.read_text() for path in MODULES) + (ROOT / "app/text.py").read_text()
    unused = [name for name in NAMED if len(re.findall(rf"\b{name}\b", written)) < 2]
    assert unused == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_sentence_stands_outside_of_text(path):
    tree = ast.parse(path.read_text())
    silent = {
        id(inner)
        for node in ast.walk(tree)
        for unshown in _not_shown(node)
        for inner in ast.walk(unshown)
    }
    sentences = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]
    assert [s for s in sentences if SENTENCE.search(s) and s not in COMMANDS] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_widget_is_given_a_literal(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    literals = [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in SHOWING
        for given in (*call.args[:1], *(k.value for k in call.keywords if k.arg in ("help", "alt")))
        if isinstance(given, ast.JoinedStr) or _has_letters(given)
    ]
    assert literals == []


def _has_letters(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(re.search("[A-Za-z]", str(node.value)))


def _not_shown(node: ast.AST) -> list[ast.AST]:
    """Docstrings, annotations and what an assertion says."""
    if isinstance(node, ast.Assert):
        return [node]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node]
    annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
    return [annotation] if annotation is not None else []
