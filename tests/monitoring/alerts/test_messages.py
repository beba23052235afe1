"""Messages about incidents: what they say, and that Slack takes them whatever the data hold."""

import html
import json
import os
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.messages import Message, MessageLinks, incident_message, plain_text
from monitoring.alerts.messages import test_message as message_for_a_test
from monitoring.domain.assessment import KINDS, Assessment, Verdict
from monitoring.domain.incidents import Change, Incident
from tests.monitoring.assessments import MODEL, assessment, day
from tests.repository import ROOT

RUNBOOK = "https://example.org/runbook.md"
LINKS = MessageLinks(report="https://example.org/#/runs/1/report.html", runbook=RUNBOOK)
EXAMPLE = ROOT / "docs" / "images" / "slack_message.json"
BMI = Verdict(
    kind="drift",
    check="bmi",
    status="alarm",
    rows=400,
    effects={"reference": 30.66, "window": 33.12},
    money=412.3,
)
SMOKER = Verdict(
    kind="drift",
    check="smoker",
    status="alarm",
    rows=400,
    effects={"reference": 0.205, "window": 0.31},
    money=2480.0,
    details=("yes",),
)
INCIDENT = Incident(
    model_name=MODEL,
    kind="drift",
    version="7",
    schedule="7d",
    opened=day(0) + timedelta(hours=6),
    seen=day(1),
    findings=("drift.bmi", "drift.smoker"),
)
OPENED = Change(incident=INCIDENT, event="opened")
hostile = st.text() | st.text("*_~`:<>&|@!#\n\u202e", max_size=400)


def seen(*verdicts: Verdict) -> Assessment:
    return assessment(0, verdicts or (BMI, SMOKER), version="7", days=7)


def said(message: Message) -> str:
    """All that Slack shows, its markup and no-break spaces taken away."""
    parts = [text["text"] for text in _texts(message)]
    return html.unescape("\n".join(parts)).replace("\u00a0", " ")


def test_the_opening_says_what_since_when_how_much_and_what_to_do():
    text = said(incident_message(OPENED, seen(), LINKS, "en"))
    assert "Data drift: incident opened" in text
    assert "*BMI has shifted: 30.7 → 33.1 kg/m²*" in text
    assert "about US$ 412 a year more on the average premium" in text
    assert "version 7 · since Mar 1, 2026, 06:00 UTC" in text
    assert "Check the unit first: BMI has to arrive in kg/m²." in text
    assert f"<{LINKS.report}|Report>" in text
    assert f"<{RUNBOOK}#bmi-has-shifted|How to investigate>" in text


def test_the_team_reads_it_in_its_language():
    text = said(incident_message(OPENED, seen(), LINKS, "pt"))
    assert "Desvio nos dados: incidente aberto" in text
    assert "*IMC mudou: 30,7 → 33,1 kg/m²*" in text
    assert "cerca de US$ 412 por ano a mais no prêmio médio" in text


def test_features_that_move_together_are_one_digest_with_the_most_expensive_first():
    message = incident_message(OPENED, seen(), LINKS, "en")
    assert message["text"].replace("\u00a0", " ").endswith("yes from 20.5 % to 31.0 % (and 1 more)")
    text = plain_text(message)
    assert text.index("Smoker has shifted") < text.index("BMI has shifted")


def test_an_update_says_what_is_new_and_what_is_over():
    change = Change(incident=INCIDENT, event="updated", before=("drift.age", "drift.bmi"))
    text = said(incident_message(change, seen(), LINKS, "en"))
    assert "the incident has changed" in text
    assert "*Smoker has shifted: yes from 20.5 % to 31.0 % (new)*" in text
    assert "*BMI has shifted: 30.7 → 33.1 kg/m²*" in text
    assert "No longer: Age." in text


def test_a_finding_that_this_window_does_not_show_says_so():
    text = said(incident_message(OPENED, seen(BMI), LINKS, "en"))
    assert "*Smoker: this window has too little data to say whether it is over*" in text


def test_the_end_says_what_is_over_and_how_long_it_took():
    over = replace(INCIDENT, resolved=INCIDENT.opened + timedelta(days=3))
    change = Change(incident=over, event="resolved", before=INCIDENT.findings)
    text = said(incident_message(change, seen(), LINKS, "en"))
    assert "incident resolved" in text
    assert "None of this is in alarm any more: BMI, Smoker. The incident lasted 3 days." in text


def test_a_new_version_ends_the_incident_of_the_old_one():
    over = replace(INCIDENT, resolved=day(3))
    change = Change(incident=over, event="resolved", before=("drift.bmi",), replaced_by="8")
    text = said(incident_message(change, seen(), LINKS, "en"))
    assert "Version 8 is in production now: the incident was of version 7 (BMI)." in text


def test_a_path_is_shown_and_not_linked():
    links = MessageLinks(report="reports/2026_03_01.html", runbook="docs/runbook.md")
    message = incident_message(OPENED, seen(), links, "en")
    assert "Report: `reports/2026_03_01.html`" in said(message)
    assert "How to investigate: `docs/runbook.md#bmi-has-shifted`" in said(message)
    assert "Report: reports/2026_03_01.html" in plain_text(message)


def test_words_from_the_data_are_neither_markup_nor_a_mention():
    words = ("<!channel>", "*free*", "_now_", "`rm`", ":tada:", "north_east", "<http://x|y>")
    for first in range(0, len(words), 3):
        fault = Verdict(
            kind="schema",
            check="unseen.region",
            status="alarm",
            rows=9,
            value=0.5,
            details=words[first : first + 3],
        )
        change = Change(
            incident=replace(INCIDENT, kind="schema", findings=("schema.unseen.region",)),
            event="opened",
        )
        message = incident_message(change, seen(fault), LINKS, "en")
        shown = "\n".join(text["text"] for text in _texts(message))
        for word in set(words) - {"north_east"}:
            assert word not in shown
        assert ("north_east" in shown) == ("north_east" in words[first : first + 3])


def test_what_grows_by_escaping_is_cut_between_two_escapes():
    fault = Verdict(
        kind="schema",
        check="unseen.region",
        status="alarm",
        rows=9,
        value=0.5,
        details=("&" * 40, "<" * 40, ">" * 40),
    )
    incident = replace(INCIDENT, kind="schema", findings=("schema.unseen.region",))
    message = incident_message(Change(incident=incident, event="opened"), seen(fault), LINKS, "en")
    require_within_limits(message)
    assert message["text"].endswith("…")
    assert "&" not in re.sub("&(amp|lt|gt);", "", message["text"])


def test_a_test_message_says_that_there_is_nothing_to_do():
    message = message_for_a_test(MODEL, LINKS, "en")
    assert "the alerts of insurance_predictor arrive here" in said(message)
    assert plain_text(message).startswith("🔵 Test message\n")


def test_an_incident_that_nobody_is_told_of_has_no_message():
    with pytest.raises(ValueError, match="no message"):
        incident_message(Change(incident=INCIDENT), seen(), LINKS, "en")


def test_the_example_in_the_docs_is_a_message_of_this_version():
    """SCREENSHOTS=docs/images writes it anew."""
    message = incident_message(OPENED, seen(), LINKS, "en")
    shown = {name: message[name] for name in ("text", "blocks")}
    if os.environ.get("SCREENSHOTS"):
        EXAMPLE.write_text(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    assert json.loads(EXAMPLE.read_text()) == shown


@given(
    checks=st.lists(hostile, min_size=1, max_size=80, unique=True),
    kind=st.sampled_from(KINDS),
    event=st.sampled_from(["opened", "reopened", "updated", "resolved"]),
    words=st.lists(hostile, max_size=5),
    name=hostile,
    replaced_by=st.none() | hostile,
    report=st.none() | hostile | hostile.map("https://{}".format),
    language=st.sampled_from(["pt", "en"]),
)
def test_slack_takes_a_message_at_any_number_of_features(
    checks, kind, event, words, name, replaced_by, report, language
):
    verdicts = [
        Verdict(kind=kind, check=check, status="alarm", rows=1, details=tuple(words), money=1e300)
        for check in checks
    ]
    names = tuple(verdict.name for verdict in verdicts)
    incident = replace(
        INCIDENT,
        kind=kind,
        version=name,
        findings=names,
        resolved=day(1) if event == "resolved" else None,
    )
    change = Change(
        incident=incident,
        event=event,
        before=names[: len(names) // 2],
        replaced_by=replaced_by if event == "resolved" else None,
    )
    links = MessageLinks(report=report, runbook=RUNBOOK)
    require_within_limits(incident_message(change, seen(*verdicts), links, language))


def require_within_limits(message: Message) -> None:
    """https://docs.slack.dev/reference/block-kit/blocks, and JSON for the outbox."""
    assert json.loads(json.dumps(message, allow_nan=False)) == message
    assert 0 < len(message["text"]) <= 500
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert block["type"] in {"header", "section", "context"}
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        for text in block.get("elements", []):
            assert 0 < len(text["text"]) <= 3000
        if block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= 3000
    for text in _texts(message):
        if text["type"] == "mrkdwn":
            assert text["verbatim"] is True
            without_links = re.sub(r"<https://[^<>|]*\|[^<>|]*>", "", text["text"])
            assert not re.search("[<>]", without_links)
            assert not re.search("&(?!amp;|lt;|gt;)", without_links)


def _texts(message: Message) -> list[dict]:
    found = []
    for block in message["blocks"]:
        found += [block["text"]] if "text" in block else block["elements"]
    return found
