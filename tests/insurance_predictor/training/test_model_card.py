"""The model card says what it must, briefly, and its page runs nothing and asks nobody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.model.cross_validation import Scores
from insurance_predictor.model.estimators import CandidateEstimator
from insurance_predictor.model.evaluation import evaluate
from insurance_predictor.model.fitting import Trained
from insurance_predictor.model.intervals import Intervals
from insurance_predictor.model.pair import Golden, Pair, Serving
from insurance_predictor.table import schema
from insurance_predictor.table.read import Table
from insurance_predictor.training.model_card import as_html, model_card
from insurance_predictor.training.trained_run import TrainedRun


def measured():
    generator = np.random.default_rng(0)
    rows = 267
    people = pd.DataFrame(
        {
            "age": generator.integers(18, 65, rows),
            "smoker": generator.choice(schema.SMOKER.values, rows),
            "sex": generator.choice(schema.SEX.values, rows),
            "region": generator.choice(schema.REGION.values, rows),
        }
    )
    predicted = generator.uniform(2_000, 40_000, rows)
    actual = predicted + generator.normal(0, 4_000, rows).clip(-1_900)
    return evaluate(people, actual, predicted, predicted - 6_000, predicted + 6_000, 100)


class Estimator:
    """Of a candidate's estimator, the card shows the parameters."""

    def __init__(self, **parameters):
        self.parameters = parameters

    def get_params(self):
        return self.parameters


def scored(name, rmse, deviation, r2, **parameters):
    folds = ({"rmse": rmse - deviation, "r2": r2}, {"rmse": rmse + deviation, "r2": r2})
    return Scores(CandidateEstimator(name, Estimator(**parameters), {}), folds, np.zeros((1, 1)))


def with_table(run, **changes):
    return replace(run, table=replace(run.table, **changes))


def with_trained(run, **changes):
    return replace(run, trained=replace(run.trained, **changes))


CHOSEN = scored("median_regression", 4_360.2, 510.0, 0.866, alpha=0.0, quantile=0.5)
RANGES = {"age": (18, 64), "bmi": (15.96, 53.13), "children": (0, 5)}
FACTS = TrainedRun(
    run_id="0f1e2d3c4b5a69788796a5b4c3d2e1f0",  # pragma: allowlist secret
    experiment="insurance_predictor_dev",
    model_name="insurance_predictor",
    table=Table(pd.DataFrame(), "data/insurance.csv", "sha256:5f2a", ()),
    rows=pd.DataFrame(index=range(1_070)),
    every=(CHOSEN, scored("linear_regression", 6_080.4, 420.0, 0.744)),
    trained=Trained(
        scores=CHOSEN,
        pair=Pair(
            None,
            None,
            Serving(Intervals({}), RANGES, Golden((), (), (), ())),
            schema.CURRENT,
        ),
        reference=pd.DataFrame(),
        holdout=pd.DataFrame(index=range(267)),
        evaluation=measured(),
    ),
    git_commit="1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",  # pragma: allowlist secret
    trained_at=datetime(2026, 3, 1, 22, 30, tzinfo=timezone(timedelta(hours=-3))),
    library_versions={"scikit-learn": "1.9.1", "mlflow": "3.17.2"},
    options={},
)


class Page(HTMLParser):
    """Tags, attributes and text of a page, as a browser's parser would see them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def page_of(facts):
    return Page(as_html(model_card(facts), "Model card"))


def test_the_card_has_every_section_a_reader_looks_for():
    headings = [line[3:] for line in model_card(FACTS).splitlines() if line.startswith("## ")]
    assert headings == [
        "Intended use",
        "Data",
        "How it was trained",
        "Metrics on the hold-out",
        "Slices",
        "Prediction intervals",
        "Limits",
        "How to reproduce",
    ]


def test_the_card_can_be_read_in_a_few_minutes():
    assert len(page_of(FACTS).text.split()) < 900


@pytest.mark.parametrize(
    "fact",
    [
        FACTS.run_id,
        FACTS.git_commit,
        "2026-03-02 01:30 UTC",
        "data/insurance.csv",
        "sha256:5f2a",
        "1,070 to train, 267 held out",
        "alpha=0.0",
        "the same 2 folds of the training rows",
        "apart for each `smoker`",
        "age, sex, BMI, children, smoker and region, with a 90 % interval",
        "age 18 to 64 years; bmi 15.96 to 53.13 kg/m²; children 0 to 5.",
        "scikit-learn 1.9.1",
        "make train DATA=data/insurance.csv",
        "About 9 % of people",
        "sex and region are inputs",
        "not for medical or legal decisions",
    ],
)
def test_the_card_states(fact):
    assert fact in model_card(FACTS)


def test_metrics_stand_with_their_intervals():
    rmse = FACTS.trained.evaluation.overall["rmse"]
    row = f"| RMSE | US$ {rmse.value:,.0f} | US$ {rmse.low:,.0f} to {rmse.high:,.0f} |"
    assert row in model_card(FACTS).splitlines()


def test_candidates_are_listed_from_best_to_worst_with_the_chosen_one_marked():
    rows = [
        line for line in model_card(FACTS).splitlines() if "_regression` " in line or "**" in line
    ]
    assert rows == [
        "| **`median_regression`** (chosen) | 4,360 | 721 | 0.866 |",
        "| `linear_regression` | 6,080 | 594 | 0.744 |",
    ]


def test_every_slice_and_both_smoker_groups_have_a_row():
    lines = model_card(FACTS).splitlines()
    for name in FACTS.trained.evaluation.slices:
        rows = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert len(rows) == (2 if name.startswith("smoker=") else 1)


def test_an_undefined_metric_is_called_so():
    people = pd.DataFrame({"age": [20], "smoker": ["no"], "sex": ["male"], "region": ["northeast"]})
    evaluation = evaluate(people, [5_000.0], [5_100.0], [1.0], [9_000.0], 10)
    assert "| R² | not defined | not defined |" in model_card(
        with_trained(FACTS, evaluation=evaluation)
    )


def test_a_model_of_the_synthetic_sample_says_so_and_is_reproduced_from_it():
    card = model_card(with_table(FACTS, synthetic=True, source="data/sample.csv"))
    assert "**synthetic sample**" in card
    assert "    make train DATA=data/sample.csv\n" in card
    assert "synthetic" not in model_card(FACTS)


def test_a_run_outside_a_repository_has_no_commit_to_check_out():
    card = model_card(replace(FACTS, git_commit=None))
    assert "commit `not recorded`" in card
    assert "git checkout" not in card


def test_a_path_with_a_space_or_a_command_is_quoted_for_the_shell():
    card = model_card(with_table(FACTS, source="my data.csv; rm -r x"))
    assert "make train DATA='my data.csv; rm -r x'" in card


def test_tables_become_tables_and_the_page_stands_alone():
    page = page_of(FACTS)
    assert page.tags.count("table") == 4
    assert "style" in page.tags
    assert not {"script", "link", "img", "iframe", "a"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}


def test_names_from_outside_are_shown_and_not_run():
    attack = '</code><script>alert("x")</script><img src=x onerror=alert(1)>'
    strange = scored(f"`\n\n{attack}", 1.0, 1.0, 0.5, **{attack: attack})
    run = replace(FACTS, model_name=attack, every=(scored(attack, 1.0, 1.0, 0.5), strange))
    run = with_table(run, source=attack, fingerprint=f"`{attack}`")
    evaluation = replace(
        FACTS.trained.evaluation,
        slices={attack: FACTS.trained.evaluation.slices["smoker=yes"]},
        slice_rows={attack: 3},
    )
    page = page_of(with_trained(run, scores=strange, evaluation=evaluation))
    assert not {"script", "img"} & set(page.tags)
    assert page.text.count('<script>alert("x")</script>') == 11


def test_the_title_is_escaped():
    html = as_html("text", "</title><script>alert(1)</script>")
    assert "script" not in Page(html).tags


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "text <b onclick='x'>bold</b>",
        "[name](javascript:alert(1))",
        "![picture](http://example.org/x.png)",
        "<http://example.org>",
        "[name]\n\n[name]: http://example.org",
        "    <script>indented</script>",
        "{braces} {0} {title}",
    ],
)
def test_a_page_has_no_other_element_than_those_of_plain_markdown(markdown):
    page = Page(as_html(markdown, "title"))
    assert set(page.tags) <= {"html", "head", "meta", "title", "style", "body", "p", "pre", "code"}


def test_addresses_in_the_text_are_shown_as_they_are_written():
    page = Page(as_html("[name]: http://example.org\n\n<http://example.org/b>", "title"))
    assert "[name]: http://example.org" in page.text
    assert "<http://example.org/b>" in page.text


@given(st.text(max_size=60))
def test_any_path_leaves_the_page_with_the_elements_it_has_for_an_ordinary_one(path):
    ordinary = page_of(FACTS)
    page = page_of(with_table(FACTS, source=path))
    assert page.tags == ordinary.tags


def test_the_time_is_given_in_utc_whatever_zone_it_came_in():
    in_utc = replace(FACTS, trained_at=datetime(2026, 3, 2, 1, 30, tzinfo=UTC))
    assert model_card(in_utc) == model_card(FACTS)
