"""What the commands print: a few small results, word for word."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from insurance_predictor import console
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.outcomes import Conflict, OutcomeReport
from insurance_predictor.model.cross_validation import Scores
from insurance_predictor.model.estimators import CandidateEstimator
from insurance_predictor.model.evaluation import Estimate, Evaluation, IntervalScore
from insurance_predictor.model.run_layout import TARGET_TAG
from insurance_predictor.release.gate import Check, GateDecision
from insurance_predictor.release.promotion import Move
from insurance_predictor.release.registration import Registration
from insurance_predictor.serving.predictor import Caution, Quote
from insurance_predictor.store.ledger import Line
from insurance_predictor.store.status import RegistryState
from insurance_predictor.store.versions import Version
from insurance_predictor.table.columns import target_json
from insurance_predictor.table.read import Table
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.trained_run import TrainedRun
from tests.own_columns import IN_REAIS

WHEN = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
SETTINGS = Settings(mlflow_tracking_uri="http://ana:hush@host:5000")
VERSION = Version(
    number="2",
    run_id="abc",
    source="models:/m-1",
    created=WHEN,
    description="ridge, trained on 162e.",
    tags={"validacao_status": "aprovado", "metric.rmse": "4567.8", "versao_dataset": "162e"},
)
UNJUDGED = Version("1", "def", "models:/m-0", WHEN, "")
LINE = Line("l1", "promote", None, "1", "ana", WHEN, "first", True, True, {})


def test_a_table_is_summed_up():
    frame = make_table(200, seed=1)
    table = Table(frame, "people.csv", "f" * 64, ("1 exact duplicate row dropped (row 3)",))
    split = split_table(frame)
    smokers = (frame["smoker"] == "yes").mean()
    assert console.table_summary(table, split).split("\n") == [
        f"people.csv can be used: 200 people, {len(split.train)} to train on and "
        f"{len(split.holdout)} held out.",
        "  1 exact duplicate row dropped (row 3)",
        f"  fingerprint ffffffffffff, {smokers:.1%} with smoker=yes, "
        f"median charges US$ {frame['charges'].median():,.0f} a year",
    ]


@dataclass(frozen=True)
class Measured:
    """Of a fitted pair, only what was measured is printed."""

    evaluation: Evaluation


def test_a_training_is_summed_up():
    overall = {
        "rmse": Estimate(4500.4, 4000.0, 5000.0),
        "mae": Estimate(2100.0, 1900.0, 2300.0),
        "median_absolute_error": Estimate(900.0, 850.0, 950.0),
        "r2": Estimate(0.8654, 0.8, 0.9),
        "total_bias": Estimate(-0.012, -0.05, 0.03),
        "gamma_deviance": Estimate(0.25, 0.2, 0.3),
    }
    interval = IntervalScore(0.912, 9000.0, 15000.0)
    evaluation = Evaluation(290, overall, {}, {}, interval, {})
    every = tuple(
        Scores(
            CandidateEstimator(name, None, {}),
            ({"rmse": rmse - 100, "r2": 0.86}, {"rmse": rmse + 100, "r2": 0.88}),
            np.zeros((1, 1)),
        )
        for name, rmse in (("ridge", 4400.0), ("gradient_boosting", 4600.0))
    )
    done = TrainedRun(
        run_id="abc",
        experiment="insurance_predictor_dev",
        model_name="insurance_predictor",
        table=Table(make_table(10), "people.csv", "f" * 64, ()),
        rows=make_table(10),
        every=every,
        trained=Measured(evaluation),
        git_commit=None,
        trained_at=WHEN,
        library_versions={},
        options={},
    )
    assert console.training_summary(SETTINGS, done).split("\n") == [
        "",
        "Candidates           RMSE, US$ (2 folds)  R²",
        "* ridge              4,400 ± 141          0.870",
        "  gradient_boosting  4,600 ± 141          0.870",
        "",
        "Hold-out (290 people)               95 % interval",
        "  RMSE                   US$ 4,500  4,000 to 5,000",
        "  mean absolute error    US$ 2,100  1,900 to 2,300",
        "  median absolute error  US$ 900    850 to 950",
        "  R²                     0.865      0.800 to 0.900",
        "  total bias             -1.2%      -5.0% to +3.0%",
        "  Gamma deviance         0.250      0.200 to 0.300",
        "  90 % intervals hold    91.2%",
        "",
        "Run abc in 'insurance_predictor_dev' on http://ana:***@host:5000.",
        "Next: `make register`, and `make ui` to look at it.",
    ]


def test_a_registration_is_summed_up():
    checks = (
        Check("files", "as trained", "as trained", True, ""),
        Check("bias", "1%", "8%", True, ""),
    )
    done = Registration(VERSION, GateDecision(checks), ("Nothing is in production yet.",))
    assert console.registration_summary(SETTINGS, done).split("\n") == [
        "Version 2 is approved and stands as 'desafio'. ridge, trained on 162e.",
        "Nothing is in production yet.",
        "",
        "The gate  found       allowed",
        "  files   as trained  as trained",
        "  bias    1%          8%",
        "",
        "Next: `make promote`.",
    ]


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (
            Move(None, "1", moved=True),
            "'producao' moved from nothing to version 1.",
        ),
        (
            Move("1", "2", moved=True),
            "'producao' moved from version 1 to version 2. `make rollback` goes back.",
        ),
        (Move("2", "2", moved=False), "'producao' already stands on version 2: nothing to do."),
        (
            Move("2", "2", moved=False, notes=("A line is settled.",)),
            "A line is settled.\n'producao' already stands on version 2: nothing more to do.",
        ),
    ],
)
def test_a_move_says_where_production_went(move, said):
    assert console.move_summary(SETTINGS, move) == said


def test_an_empty_registry_says_what_to_run():
    state = RegistryState("premiums", {}, (), (), ())
    assert console.state_summary(SETTINGS, state) == (
        "'premiums' has no version on http://ana:***@host:5000. Run `make train register`."
    )


def test_a_version_s_error_is_in_its_own_currency():
    reais = replace(VERSION, tags={**VERSION.tags, TARGET_TAG: target_json(IN_REAIS.target)})
    state = RegistryState("premiums", {}, (reais, VERSION), (), ())
    shown = console.state_summary(SETTINGS, state)
    assert "  R$ 4,568 " in shown
    assert "  US$ 4,568 " in shown


def test_a_registry_is_shown_with_aliases_versions_ledger_and_problems():
    rollback = Line("l2", "rollback", "2", "1", "rui", WHEN, "too dear", False, False, {})
    state = RegistryState(
        "premiums",
        {"producao": "1", "desafio": "2"},
        (VERSION, UNJUDGED),
        (LINE, rollback),
        ("The alias 'x' dangles.",),
        "1",
    )
    assert console.state_summary(SETTINGS, state).split("\n") == [
        "premiums on http://ana:***@host:5000",
        "",
        "Aliases",
        "  desafio   version 2",
        "  producao  version 1",
        "",
        "Versions  status    made (UTC)        hold-out RMSE  dataset  run",
        "  2       aprovado  2026-03-01 14:05  US$ 4,568      162e     abc",
        "  1       -         2026-03-01 14:05  -              -        def",
        "",
        "Ledger              who  move                                  why",
        "  2026-03-01 14:05  ana  promote nothing to 1 (forced)         first",
        "  2026-03-01 14:05  rui  rollback version 2 to 1 (not closed)  too dear",
        "",
        "Problems",
        "  The alias 'x' dangles.",
    ]


def test_what_others_wrote_into_the_registry_stays_in_its_place():
    forged = "x\n::error::gone\x1b[2J\nProblems"
    line = replace(LINE, who=forged, why=forged)
    version = replace(VERSION, tags={**VERSION.tags, "versao_dataset": forged})
    state = RegistryState("premiums", {forged: "1"}, (version,), (line,), (forged,))
    shown = console.state_summary(SETTINGS, state)
    plain = RegistryState("premiums", {"a": "1"}, (VERSION,), (LINE,), ("odd",))
    assert len(shown.split("\n")) == len(console.state_summary(SETTINGS, plain).split("\n"))
    assert "\x1b" not in shown


def test_ids_of_outcomes_stay_on_their_lines():
    forged = "q\n::error::gone\x1b[2J"
    report = OutcomeReport("o.csv", 0, 0, (forged,), (Conflict(forged, 1.0, 2.0),))
    shown = console.outcomes_summary(SETTINGS, report)
    assert len(shown.split("\n")) == 5
    assert "\x1b" not in shown


def test_a_line_of_another_alias_or_of_a_model_that_is_gone_says_so():
    lines = (
        replace(LINE, forced=False, alias="staging", model_created="2"),
        replace(LINE, forced=False, alias="producao", model_created="1"),
    )
    state = RegistryState("premiums", {}, (VERSION,), lines, (), "2")
    shown = console.state_summary(SETTINGS, state)
    assert "promote nothing to 1 (alias staging)  " in shown
    assert "promote nothing to 1 (of a model that was deleted)  " in shown


def test_versions_without_an_alias_or_a_ledger_are_shown():
    state = RegistryState("premiums", {}, (UNJUDGED,), (), ())
    shown = console.state_summary(SETTINGS, state).split("\n")
    assert shown[2:4] == ["Aliases", "  none"]
    assert not any(line.startswith(("Ledger", "Problems")) for line in shown)


def test_of_a_long_history_the_newest_ten_are_shown():
    versions = tuple(
        Version(str(number), f"run{number}", "", WHEN, "") for number in range(30, 0, -1)
    )
    lines = tuple(
        Line(str(n), "promote", None, str(n), "ana", WHEN, f"why{n}", False, True, {})
        for n in range(1, 31)
    )
    shown = console.state_summary(
        SETTINGS, RegistryState("premiums", {}, versions, lines, ())
    ).split("\n")
    assert [line.split()[-1] for line in shown if "run" in line][1:] == [
        f"run{number}" for number in range(30, 20, -1)
    ]
    assert [line.split()[-1] for line in shown if "why" in line][1:] == [
        f"why{number}" for number in range(21, 31)
    ]


def test_the_registry_as_json_holds_everything():
    state = RegistryState("premiums", {"producao": "1"}, (VERSION,), (LINE,), ("odd",))
    told = json.loads(console.state_json(state))
    assert told["model_name"] == "premiums"
    assert told["aliases"] == {"producao": "1"}
    assert told["versions"][0]["tags"]["validacao_status"] == "aprovado"
    assert told["versions"][0]["created"] == "2026-03-01 14:05:00+00:00"
    assert told["ledger"][0]["who"] == "ana"
    assert told["problems"] == ["odd"]


def test_a_quote_is_one_line_and_a_line_for_each_caution():
    quote = Quote(7600.534, 5480.66, 20293.55, "3", (Caution("age", 90.0, 18.0, 64.0),))
    assert console.quote_summary(quote).split("\n") == [
        "US$ 7,600.53 a year (90 % interval: 5,480.66 to 20,293.55), version 3",
        "  caution: age 90 is outside what the model saw (18 to 64): the premium is an "
        "extrapolation.",
    ]


def test_a_quote_as_json_holds_numbers_and_cautions():
    quote = Quote(7600.534, 5480.66, 20293.55, "3", (Caution("age", 90.0, 18.0, 64.0),))
    assert json.loads(console.quote_json(quote, "abc")) == {
        "prediction_id": "abc",
        "premium": 7600.534,
        "low": 5480.66,
        "high": 20293.55,
        "version": "3",
        "cautions": [{"column": "age", "value": 90.0, "low": 18.0, "high": 64.0}],
    }
