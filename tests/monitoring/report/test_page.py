"""The page of one assessment: what it says, in both languages, and never lets through."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from math import inf, nan

import pytest

from insurance_predictor.base.words import Language, Text
from insurance_predictor.table.schema import TARGET
from monitoring.domain.assessment import Assessment, Distribution, Verdict
from monitoring.history.mlflow_runs import Trend
from monitoring.report.page import ReportLinks, report_page, with_code
from monitoring.words import report_words, verdict_text
from tests.monitoring import example_assessments as examples

RUNBOOK = "https://example.com/runbook.md"
EXAMPLES = {
    "alarming": examples.alarming(),
    "quiet": examples.quiet(),
    "one row": examples.one_row(),
    "empty": examples.empty(),
}
VOID = {"meta"}


@pytest.fixture(params=["pt", "en"])
def language(request: pytest.FixtureRequest) -> Language:
    return request.param


class Page(HTMLParser):
    """The words, tags and addresses of a page whose tags are all closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words += data


def page(
    assessment: Assessment,
    language: Language = "en",
    links: ReportLinks | None = None,
    trend: Trend | None = None,
    incidents: tuple[object, ...] = (),
) -> Page:
    html = report_page(
        assessment,
        incidents,
        examples.trend() if trend is None else trend,
        links or ReportLinks(RUNBOOK),
        language,
        examples.END + timedelta(hours=1),
    )
    return Page(html)


@pytest.mark.parametrize("assessment", EXAMPLES.values(), ids=EXAMPLES)
def test_every_assessment_has_a_page_that_asks_nobody_for_anything(
    assessment: Assessment, language: Language
):
    shown = page(assessment, language)
    assert "script" not in shown.tags
    assert not {"img", "link", "iframe", "object", "form"} & set(shown.tags)
    assert "None" not in shown.words
    assert "nan" not in shown.words
    assert all(address.startswith(RUNBOOK) for address in shown.addresses)


def test_alarms_come_first_the_most_expensive_on_top(language: Language):
    assessment = examples.alarming()
    words = page(assessment, language).words
    titles = [verdict_text.title(verdict, language) for verdict in assessment.alarms]
    assert [verdict.check for verdict in assessment.alarms] == ["premium", "bmi", "unseen.region"]
    places = [words.rindex(title) for title in titles[:1]] + [words.index(t) for t in titles[1:]]
    assert report_words.MANY_ALARMS(language, count=3, title=titles[0]) in words
    assert words.index(titles[0]) < places[1] < places[2]
    for verdict in assessment.alarms:
        assert verdict_text.meaning(verdict, language) in words
        assert verdict_text.next_step(verdict, language).replace("`", "") in words
        assert verdict_text.money(verdict, language) in words


def test_one_alarm_is_the_headline_itself(language: Language):
    [bmi] = [verdict for verdict in examples.drift() if verdict.check == "bmi"]
    words = page(examples.alarming(verdicts=(bmi,)), language).words
    assert words.count(verdict_text.title(bmi, language)) >= 2


@pytest.mark.parametrize(
    ("assessment", "headline"),
    [
        (examples.quiet(), report_words.QUIET),
        (examples.empty(), report_words.EMPTY),
        (
            examples.alarming(rows=38, verdicts=examples.empty().verdicts),
            Text("faltam 100 cotações", "100 more quotes are needed"),
        ),
    ],
)
def test_without_an_alarm_the_headline_says_why(
    assessment: Assessment, headline: Text, language: Language
):
    words = page(assessment, language).words
    assert headline(language) in words
    assert report_words.NO_FINDINGS(language) in words


def test_each_finding_links_to_its_section_of_the_runbook():
    assessment = examples.alarming()
    anchors = {f"{RUNBOOK}#{verdict_text.runbook_anchor(verdict)}" for verdict in assessment.alarms}
    assert anchors <= set(page(assessment).addresses)


def test_an_address_that_is_no_address_is_shown_and_not_linked():
    shown = page(
        examples.alarming(), links=ReportLinks("docs/runbook.md", run="javascript:alert(1)")
    )
    assert shown.addresses == []
    assert "docs/runbook.md#bmi-has-shifted" in shown.words


def test_the_full_report_is_linked_or_its_absence_explained(language: Language):
    full = report_words.FULL(language)
    there = page(examples.quiet(), language, ReportLinks(RUNBOOK, evidently="evidently.html"))
    assert "evidently.html" in there.addresses
    absent = page(examples.quiet(), language, ReportLinks(RUNBOOK, no_evidently="no quotes"))
    assert f"{full}: no quotes" in absent.words
    assert full not in page(examples.quiet(), language).words


def test_nothing_from_the_data_is_read_as_markup(language: Language):
    evil = "<img src=x onerror=alert(1)>\"'&lt;</style></svg>"
    verdict = Verdict(
        kind="schema",
        check=f"unseen.{evil}",
        status="alarm",
        rows=1,
        value=1.0,
        details=(evil, examples.SCRIPT),
    )
    assessment = examples.alarming(
        version=evil,
        model_name=evil,
        other_versions={evil: 3},
        verdicts=(verdict,),
        distributions=(Distribution("region", (evil, examples.SCRIPT), (0.5, 0.5), (1.0, 0.0)),),
    )
    incident = examples.incident(version=evil)
    shown = page(assessment, language, ReportLinks(evil, run=evil), incidents=(incident,))
    assert not {"img", "script"} & set(shown.tags)
    assert evil in shown.words


def test_open_incidents_are_named_with_since_when(language: Language):
    words = page(examples.alarming(), language, incidents=(examples.incident(),)).words
    assert report_words.KINDS["drift"](language) in words
    assert {"pt": "8 de mar. de 2026", "en": "Mar 8, 2026"}[language] in words


def test_the_table_has_the_evidence_of_each_test(language: Language):
    words = page(examples.alarming(), language).words
    shown = {
        "pt": ["< 0,0001", "0,0071", "0,31", "+2,4\u00a0kg/m²", "+1,0\u00a0p.p.", "+US$\u00a0412"],
        "en": ["< 0.0001", "0.0071", "0.31", "+2.4\u00a0kg/m²", "+1.0\u00a0pp", "+US$\u00a0412"],
    }
    for cell in shown[language]:
        assert cell in words


@pytest.mark.parametrize(
    ("actual", "where"),
    [(5302.0, report_words.ABOVE), (4600.0, report_words.INSIDE), (4000.0, report_words.BELOW)],
)
def test_the_estimated_error_is_reconciled_with_the_truth(actual, where, language: Language):
    *others, estimate = examples.performance()
    estimate = replace(estimate, effects={**estimate.effects, "actual": actual})
    words = page(examples.alarming(verdicts=(*others, estimate)), language).words
    dollars = {"pt": f"US$\u00a0{actual:,.0f}".replace(",", "."), "en": f"US$\u00a0{actual:,.0f}"}
    said = report_words.RECONCILED(language, actual=dollars[language], where=where(language))
    assert said in words


def test_before_outcomes_there_is_the_estimate_and_a_word_about_it(language: Language):
    estimate = examples.performance()[-1]
    early = replace(estimate, effects={"low": 4100.0, "high": 5105.0})
    words = page(examples.alarming(outcomes=0, verdicts=(early,)), language).words
    assert report_words.NO_OUTCOMES(language) in words
    assert {"pt": "4.612", "en": "4,612"}[language] in words


def test_the_power_card_says_what_could_have_been_seen(language: Language):
    words = page(examples.alarming(), language).words
    least = {"pt": ["0,8\u00a0kg/m²", "1,9\u00a0anos"], "en": ["0.8\u00a0kg/m²", "1.9\u00a0years"]}
    for change in least[language]:
        assert change in words
    assert report_words.NO_POWER(language) in page(examples.one_row(), language).words


def test_the_trend_begins_with_the_second_assessment(language: Language):
    first = page(examples.alarming(), language, trend=examples.trend(1))
    assert report_words.NO_TREND(language) in first.words
    later = page(examples.alarming(), language)
    assert report_words.NO_TREND(language) not in later.words
    assert report_words.TREND_ERROR(language, unit=TARGET.unit[language]) in later.words
    assert later.tags.count("polyline") > first.tags.count("polyline")


def test_numbers_that_are_none_do_not_break_the_page(language: Language):
    odd = Verdict(
        kind="drift",
        check="bmi",
        status="alarm",
        rows=1,
        p_value=nan,
        value=inf,
        effects={"psi": nan, "shift": nan, "window": nan, "reference": 30.0},
        money=nan,
    )
    shares = Distribution("bmi", ("15", "20"), (nan, nan), (0.5, 0.5))
    assessment = examples.alarming(average_premium=nan, verdicts=(odd,), distributions=(shares,))
    assert "nan" not in page(assessment, language).words.lower().replace("financ", "")


def test_pages_differ_by_nothing_but_their_arguments():
    assert page(examples.alarming()).words == page(examples.alarming()).words


def test_code_is_set_apart_and_the_rest_is_escaped():
    assert with_code("run `make <b>` & see") == "run <code>make &lt;b&gt;</code> &amp; see"


def test_every_text_says_something_in_both_languages():
    texts = [words for words in vars(report_words).values() if isinstance(words, Text)]
    assert len(texts) > 50
    for words in texts:
        assert words.pt.strip()
        assert words.en.strip()
        named = [set(re.findall(r"{(\w+)}", side)) for side in (words.pt, words.en)]
        assert named[0] == named[1]
