"""Every verdict has words in both languages, and a section of the runbook."""

import re
from math import nan
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.base.words import Text
from insurance_predictor.table import schema
from monitoring.domain.assessment import KINDS, Verdict
from monitoring.words import message_words, verdict_text, verdict_words
from monitoring.words.verdict_words import CheckWords
from tests.repository import ROOT

RUNBOOK = ROOT / "docs" / "runbook.md"
FAULTS = [f"schema.null.{name}" for name in schema.FEATURE_NAMES]
FAULTS += [f"schema.unseen.{name}" for name in ("sex", "smoker", "region")]
FAULTS += [f"schema.outside.{name}" for name in ("age", "bmi", "children")]
NAMES = [f"drift.{name}" for name in (*schema.FEATURE_NAMES, "premium")]
NAMES += FAULTS
NAMES += [f"performance.{name}" for name in ("ratio", "residuals", "coverage", "estimated_error")]
NAMES += [f"service.{name}" for name in ("error_rate", "latency", "backlog", "stale")]
BELOW = "the average premium is about US$ 9 a year below what was charged"
ABOVE = "the average premium is about US$ 9 a year above what was charged"
SAME_IN_BOTH = {"Sexo", "{check}", "{label}", "{header} – {first}"}
verdicts = st.builds(
    Verdict,
    kind=st.sampled_from(KINDS),
    check=st.one_of(st.sampled_from([name.partition(".")[2] for name in NAMES]), st.text()),
    status=st.sampled_from(["quiet", "alarm", "unknown"]),
    rows=st.integers(0, 10**7),
    missing=st.integers(0, 100),
    value=st.none() | st.floats(),
    limit=st.none() | st.floats(),
    effects=st.dictionaries(st.sampled_from(["reference", "window", "shift", "psi"]), st.floats()),
    money=st.none() | st.floats(),
    details=st.lists(st.text()).map(tuple),
)


def alarm(name: str, **facts: object) -> Verdict:
    kind, _, check = name.partition(".")
    return Verdict(kind=kind, check=check, status="alarm", rows=400, **facts)


def texts() -> list[Text]:
    """Every text of this package's word lists."""
    found = []
    waiting: list[object] = [vars(verdict_words), vars(message_words)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Text):
            found.append(one)
        elif isinstance(one, CheckWords):
            waiting += vars(one).values()
        elif isinstance(one, dict):
            waiting += one.values()
    return found


@pytest.mark.parametrize("text", texts(), ids=lambda text: text.en[:40])
def test_a_text_says_the_same_in_both_languages(text):
    assert text.pt.strip()
    assert text.en.strip()
    assert _fields(text.pt) == _fields(text.en)
    assert text.pt != text.en or text.pt in SAME_IN_BOTH


def test_there_are_texts():
    assert len(texts()) > 80


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_has_words_of_its_own_and_a_section_in_the_runbook(name):
    verdict = alarm(name, value=0.1, effects={"reference": 0.2, "window": 0.3})
    for language in ("pt", "en"):
        said = verdict_text.title(verdict, language)
        assert said != verdict_words.UNKNOWN.alarm(language, check=verdict.check)
        assert "{" not in said
        assert verdict_text.meaning(verdict, language)
        assert verdict_text.next_step(verdict, language)
    assert verdict_text.runbook_anchor(name) in anchors()
    assert verdict_text.runbook_anchor(name) != verdict_text.runbook_anchor("drift.nothing")


def test_what_nobody_knows_has_a_section_too():
    assert verdict_text.runbook_anchor("service.new_check") in anchors()
    assert verdict_text.check_name("service.new_check", "en") == "new_check"


def test_a_section_says_what_it_means_how_to_investigate_and_what_to_do():
    wanted = {verdict_text.runbook_anchor(name) for name in NAMES}
    sections = re.split(r"^#+ ", RUNBOOK.read_text(), flags=re.MULTILINE)
    found = {verdict_text.anchor(part.partition("\n")[0]): part for part in sections}
    for name in wanted:
        for label in ("**What it means.**", "**Investigate.**", "**What to do.**"):
            assert label in found[name]


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "BMI has shifted: 30.7 → 33.1 kg/m²"), ("pt", "IMC mudou: 30,7 → 33,1 kg/m²")],
)
def test_a_shift_is_said_in_the_features_own_unit(language, expected):
    verdict = alarm("drift.bmi", effects={"reference": 30.66, "window": 33.12})
    assert plain(verdict_text.title(verdict, language)) == expected


def test_a_category_is_said_as_the_form_says_it():
    verdict = alarm("drift.smoker", effects={"reference": 0.205, "window": 0.31}, details=("yes",))
    assert plain(verdict_text.title(verdict, "pt")) == "Fumante mudou: sim, de 20,5 % para 31,0 %"


def test_a_shape_that_changed_around_the_same_mean_is_no_shift_of_the_mean():
    verdict = alarm("drift.age", effects={"reference": 39.21, "window": 39.19})
    said = plain(verdict_text.title(verdict, "en"))
    assert said == "Age is distributed differently, its mean is still 39.2 years"


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        (
            "service.error_rate",
            {"value": 0.034, "limit": 0.01},
            "3.4 % of quotes failed (limit: 1.0 %)",
        ),
        (
            "service.latency",
            {"value": 1812.4, "limit": 500},
            "5 % of quotes take longer than 1,812 ms (limit: 500 ms)",
        ),
        (
            "performance.ratio",
            {"value": 1.1},
            "What was charged differs from the predictions by +10.0 %",
        ),
        ("schema.null.bmi", {"value": 0.00001}, "BMI is missing in < 0.1 % of quotes"),
        (
            "schema.unseen.region",
            {"value": 0.5, "details": ("a", "b\nc", "d", "e")},
            "Region has unknown categories in 50.0 % of quotes: a, b c, d, …",
        ),
        (
            "performance.residuals",
            {"effects": {"reference": 0.912, "window": 1.004}},
            "The errors have changed: the median of charged ÷ predicted was 0.91 and is now 1.00",
        ),
    ],
)
def test_values_come_with_their_units(name, facts, expected):
    assert plain(verdict_text.title(alarm(name, **facts), "en")) == expected


@pytest.mark.parametrize(
    ("name", "money", "expected"),
    [
        ("drift.bmi", 412.3, "about US$ 412 a year more on the average premium"),
        ("drift.bmi", -412.3, "about US$ 412 a year less on the average premium"),
        ("drift.bmi", 0.2, "next to nothing on the average premium"),
        (
            "performance.ratio",
            9.0,
            BELOW,
        ),
        (
            "performance.ratio",
            -9.0,
            ABOVE,
        ),
        ("drift.bmi", None, ""),
        ("drift.bmi", nan, ""),
    ],
)
def test_money_is_what_it_does_to_the_average_premium(name, money, expected):
    assert plain(verdict_text.money(alarm(name, money=money), "en")) == expected


def test_what_could_not_be_judged_says_how_much_is_missing():
    verdict = Verdict(kind="drift", check="age", status="unknown", rows=63, missing=37)
    assert verdict_text.title(verdict, "en") == "Age: not enough data, 37 rows are missing"
    assert verdict_text.title(verdict, "pt") == "Idade: dados insuficientes, faltam 37 linhas"


@given(verdict=verdicts, language=st.sampled_from(["pt", "en"]))
def test_any_verdict_is_said_on_one_short_line(verdict, language):
    said = [verdict_text.title(verdict, language), verdict_text.check_name(verdict, language)]
    said += [verdict_text.money(verdict, language), verdict_text.next_step(verdict, language)]
    for line in said:
        assert len(line) < 300
        assert line.isprintable() or verdict_text.formats.SPACE in line
        assert "\n" not in line


def plain(text: str) -> str:
    return text.replace(verdict_text.formats.SPACE, " ")


def anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {verdict_text.anchor(heading) for heading in headings}


def _fields(template: str) -> set[str | None]:
    return {field for _, field, _, _ in Formatter().parse(template) if field}
