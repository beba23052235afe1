"""A team edits `schema.py` and nothing else, and its own table goes the whole way."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.table.schema import AGE
from monitoring.words import dashboard_words
from tests.monitoring.slack_server import slack
from tests.process.own_tables import OWN_TABLES, App, Team

LANGUAGES: tuple[Language, ...] = ("pt", "en")
NEVER_CLOSED = {"meta", "link", "br", "img", "input", "hr", "col"}


@pytest.fixture(scope="module", params=sorted(OWN_TABLES))
def team(request, tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"), OWN_TABLES[request.param])


@pytest.fixture(scope="module")
def serving(team: Team) -> Team:
    """With a version in production that the gate has approved."""
    assert "own.csv can be used: 1," in team.ok("check-data")
    team.ok("train")
    assert "is approved" in team.ok("register")
    team.ok("promote")
    return team


@pytest.fixture(scope="module")
def app(serving: Team) -> Iterator[App]:
    with serving.app() as running:
        yield running


def test_an_own_table_goes_from_its_file_to_a_quote(serving: Team):
    own = serving.own
    given = {name: value for name, value in own.person.items() if name not in own.optional}
    sign = "R$" if own.target == "premio_anual" else "US$"
    said = serving.ok("predict", *serving.options(given))
    amounts = [float(amount.replace(",", "")) for amount in re.findall(r"[\d,]+\.\d\d", said)]
    premium, low, high = amounts
    assert said.startswith(f"{sign} {premium:,.2f} ")
    assert low < premium < high


def test_a_value_that_is_not_allowed_is_told_by_its_column(serving: Team):
    wrong = serving.own.wrong
    refused = serving.run("predict", *serving.options({**serving.own.person, **wrong}))
    assert refused.code == 2
    for name, value in wrong.items():
        assert f"{name} is {value!r}; it must be" in refused.err


@pytest.mark.parametrize("language", LANGUAGES)
def test_somebody_is_quoted_in_the_form_and_the_quote_is_logged(app: App, language: Language):
    own = app.team.own
    person = dict(own.person)
    if language == "en":  # what may be missing is left empty
        person |= dict.fromkeys(own.optional)
    told = app.form(language, person)

    assert told["asked"].keys() == person.keys()
    for name, labels in own.labels.items():
        assert told["asked"][name].startswith(labels[language])
    [row] = told["rows"]
    assert {name: row[name] for name in person} == person
    [premium] = told["premiums"]
    sign = "R$" if own.target == "premio_anual" else "US$"
    shown = formats.decimal(row["premium"], language, 0)
    assert premium.replace("\\", "") == f"{sign}{formats.SPACE}{shown}"
    assert told["errors"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_refuses_a_wrong_number_in_a_sentence(app: App, language: Language):
    own = app.team.own
    typed = {name: value for name, value in own.wrong.items() if not isinstance(value, str)}
    ((name, value),) = (typed or {"age": 17}).items()  # a word cannot be typed
    told = app.form(language, {**own.person, name: value})
    [said] = told["errors"]
    label = {"age": AGE.label, **own.labels}[name][language]
    assert said.startswith(label)
    assert str(value) in said.replace("\\", "")
    assert told["rows"] == told["premiums"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_is_quoted_and_its_template_has_the_columns(app: App, language: Language):
    own = app.team.own
    template = list(csv.DictReader(io.StringIO(app.template())))
    assert template[0].keys() == {"id", *own.person}
    told = app.upload(language, app.template())

    assert told["rules"].keys() == own.person.keys()
    for name, labels in own.labels.items():
        meaning, rule = told["rules"][name]
        assert meaning.startswith(labels[language])
        assert rule
    assert told["faults"] == told["errors"] == []
    results = list(csv.DictReader(io.StringIO(told["result"])))
    assert [row["id"] for row in results] == ["A-1", "A-2"]
    for result, row in zip(results, told["rows"], strict=True):
        assert result["premium"] == f"{row['premium']:.2f}"
        assert {name: result[name] for name in own.person} == {
            name: "" if row[name] is None else f"{row[name]}" for name in own.person
        }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_value_in_a_file_is_refused_in_a_sentence(app: App, language: Language):
    own = app.team.own
    people = [own.person, {**own.person, **own.wrong}]
    told = app.batch(language, pd.DataFrame(people, dtype=object))
    for row, name, value, rule in told["faults"]:
        assert (row, value) == (3, str(own.wrong[name]))
        assert rule == told["rules"][name][1]
    assert {fault[1] for fault in told["faults"]} == own.wrong.keys()
    [said] = told["errors"]
    assert f" {len(own.wrong)}" in said
    assert len(told["rows"]) == 1  # the other person is quoted


def test_what_charges_depend_on_moves_the_premium(app: App):
    premium, smoking = app.premiums({"smoker": "yes"})
    assert smoking > premium
    new = app.team.own.labels
    if "deductible" in new:
        assert app.premiums({"deductible": 4_500})[1] < premium - 2_000
    if "occupation" in new:
        _, miner, clerk = app.premiums({"occupation": "miner"}, {"occupation": "clerk"})
        assert miner > clerk + 500
    if "blood_pressure" in new:
        _, high, normal = app.premiums({"blood_pressure": 200}, {"blood_pressure": 110})
        assert high > normal + 500


def test_drift_in_the_column_is_found_told_drawn_and_reported(serving: Team, app: App):
    name, labels = serving.own.watched
    people = serving.table.drop(columns=serving.own.target).head(500)
    told = app.batch("pt", people.assign(**serving.own.drifted))
    assert [row[name] for row in told["rows"]] == [serving.own.drifted[name]] * 500

    with slack() as team_slack:
        hook = f"http://127.0.0.1:{team_slack.port}/hook"
        monitored = serving.monitor(SLACK_WEBHOOK_URL=hook)
    assert monitored.code == 10, monitored.err
    assert labels["en"] in monitored.out
    [message] = team_slack.messages
    assert labels["pt"] in json.dumps(message["blocks"], ensure_ascii=False)

    folder = next((serving.folder / ".cache" / "reports").iterdir())
    report = Opened((folder / "report.html").read_text())
    assert report.unclosed == []
    assert f"{labels['pt']} mudou" in report.text
    assert f'"{name}"' in (folder / "evidently.html").read_text().replace("\\", "")

    for language in LANGUAGES:
        page = app.watch(language, name)
        assert page["errors"] == []
        shift = dashboard_words.SHIFT(language, unit="X").partition("X")[0]
        assert any((title or "").startswith(shift) for title in page["titles"])
        assert any(labels[language] in found for found in page["found"])


def test_a_candidate_that_ignores_what_must_matter_is_refused(tmp_path: Path):
    team = Team(tmp_path, OWN_TABLES["deductible"])
    team.write(team.table.assign(deductible=1_000))  # so nobody can learn what it is worth
    team.ok("train")
    refused = team.run("register")
    assert refused.code == 3
    assert "the quotes ignore deductible" in refused.err


class Opened(HTMLParser):
    """A page as a browser reads it: its words, and what was opened and never closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.unclosed: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in NEVER_CLOSED:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {*self.unclosed}:
            self.words.append(data)
