"""A table of a few people is refused, or trained on with a word of what it is too little for."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import GateThresholds, Settings
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.table.columns import CategoryColumn, Columns
from insurance_predictor.table.read import Table
from insurance_predictor.table.schema import CURRENT, SMOKER
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table, write_table
from insurance_predictor.training.model_card import model_card
from insurance_predictor.training.sufficiency import not_shown, require_enough
from insurance_predictor.training.train import TrainingOptions, train
from tests.outcome import Terminal, library_terminal
from tests.own_columns import WORDS

# The table has been read, and there is less left than a training of it takes.
TRAIN_WITH_LITTLE = """
import resource
from pathlib import Path
from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import Table
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.train import TrainingOptions, train
table = Table(make_table(200_000), "people.csv", "0" * 64, ())
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    train(None, Settings(), table, TrainingOptions())
except InvalidTable as error:
    print(error)
"""
MANY = make_table(3_000, seed=1)
SMOKERS, OTHERS = (MANY[MANY["smoker"] == value] for value in ("yes", "no"))
EVERYBODY = Columns((*CURRENT.features[:4], replace(SMOKER, is_group=False)), CURRENT.target)


@pytest.fixture
def run(client, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys) -> Terminal:
    return library_terminal(settings, monkeypatch, capsys)


def warned(frame: pd.DataFrame, columns: Columns = CURRENT, **limits) -> tuple[str, ...]:
    split = split_table(frame, columns)
    return require_enough(split, "people.csv", GateThresholds(**limits), columns)


def refused(frame: pd.DataFrame, columns: Columns = CURRENT) -> str:
    with pytest.raises(InvalidTable) as error:
        warned(frame, columns)
    return str(error.value)


@pytest.mark.parametrize("command", ["check-data", "train"])
@pytest.mark.parametrize("rows", [20, 60])
def test_a_table_of_a_few_people_is_refused_with_what_is_too_little(
    rows, command, run, store, client, tmp_path: Path
):
    table = tmp_path / "people.csv"
    write_table(make_table(rows, seed=1), table)
    ended = run(command, DATA=str(table), MLFLOW_EXPERIMENT_NAME="too_little")
    assert ended.code == 2
    assert ended.message.startswith(f"{table} is too little to train on:\n  - Only ")
    assert f" of {rows} people are held out, and the gate tells a good model" in ended.message
    assert "Give a table of about 140 people or more." in ended.message
    assert " with smoker=yes, and an interval that holds 90 %" in ended.message
    assert client.get_experiment_by_name("too_little") is None


def test_two_hundred_people_are_trained_on_and_what_they_do_not_show_is_said(
    run, client, tmp_path: Path
):
    table = tmp_path / "people.csv"
    write_table(make_table(200, seed=1), table)
    said = [
        "Only 12 with smoker=yes held out: whether their premiums are too high or too low is "
        "judged from 20 (a table with about 140 of them has so many).",
        "Only 44 people held out: intervals that are too wide can be told from good ones from 227 "
        "(a table of about 1,135), and luck excuses more (docs/gate.md).",
    ]
    checked = run("check-data", DATA=str(table))
    trained = run("train", DATA=str(table), MLFLOW_EXPERIMENT_NAME="two_hundred")
    assert (checked.code, trained.code) == (0, 0)
    assert all(f"  warning: {sentence}\n" in checked.out for sentence in said)
    assert all(f"warning: {sentence}\n" in trained.out for sentence in said)
    where = client.get_experiment_by_name("two_hundred").experiment_id
    (logged,) = client.search_runs([where])
    for name in ("run_notes.txt", "model_card.md"):
        kept = client.download_artifacts(logged.info.run_id, name, str(tmp_path))
        assert all(sentence in Path(kept).read_text() for sentence in said)


def test_too_few_of_a_group_are_refused_among_however_many(run):
    told = refused(pd.concat([OTHERS, SMOKERS.head(10)]))
    assert "there are only " in told
    assert "with smoker=yes, and an interval that holds 90 % of a group takes at least 19" in told
    assert "take is_group from smoker" in told
    assert "held out" not in told


def test_a_group_that_is_large_enough_is_another_case():
    assert warned(pd.concat([OTHERS, SMOKERS.head(200)])) == ()


def test_without_a_declared_group_few_of_a_category_are_no_reason():
    assert warned(pd.concat([OTHERS, SMOKERS.head(3)]), EVERYBODY) == ()


def test_what_was_told_to_do_helps():
    """About 140 people, 29 of them in a group; 140 in a group; 1,135 people."""
    assert len(warned(pd.concat([OTHERS.head(111), SMOKERS.head(29)]))) == 2
    assert len(warned(pd.concat([OTHERS.head(500), SMOKERS.head(140)]))) == 1
    assert warned(pd.concat([OTHERS.head(1_000), SMOKERS.head(200)])) == ()


def test_nobody_of_a_group_is_said_and_no_refusal():
    assert warned(OTHERS) == (
        "Nobody has smoker=yes: the version quotes nobody who has, until it is trained on a table "
        "with such people.",
    )


def test_nobody_of_another_category_is_said():
    kept = MANY[~MANY["region"].isin(["northeast", "southwest"])]
    assert warned(kept) == (
        "Nobody has region=northeast or region=southwest: the version quotes nobody who has, until "
        "it is trained on a table with such people.",
    )


def test_somebody_who_is_held_out_and_is_like_nobody_to_learn_from_is_said():
    split = split_table(MANY)
    alone = replace(split, train=split.train[split.train["smoker"] == "no"])
    assert tuple(not_shown(alone, GateThresholds(), CURRENT)) == (
        "Nobody to learn from has smoker=yes: a premium for such a person is a guess, and has "
        "everybody's interval.",
    )


def test_a_feature_that_is_the_same_of_everybody_is_said():
    assert warned(MANY.assign(bmi=30.0)) == (
        "Everybody to learn from has bmi 30: the premium cannot depend on it.",
    )


def test_an_optional_column_that_nobody_says_is_said():
    plan = CategoryColumn(
        "plan", ("a", "b"), WORDS, WORDS, dict.fromkeys("ab", WORDS), optional=True
    )
    columns = Columns((*CURRENT.features, plan), CURRENT.target)
    table = MANY.head(1_500).assign(plan=pd.Series(dtype="str"))
    assert warned(table, columns) == (
        "No plan is said of anybody to learn from: the premium cannot depend on it.",
    )
    made = make_preprocessor(columns).fit_transform(table[list(columns.feature_names)])
    assert np.isfinite(made.to_numpy()).all()


def test_people_who_are_all_alike_are_refused():
    one, other = MANY.head(1), MANY.tail(400)
    sides = split_table(pd.concat([one, other]))
    learned, held_out = sides.train.head(1), sides.holdout.head(1)
    frame = pd.concat([learned] * 200 + [held_out] * 200, ignore_index=True)
    told = refused(frame.assign(charges=np.arange(400) + 1_000.0))
    assert "All 200 people to learn from are alike in every column but charges" in told


def test_the_limits_are_those_of_the_gate():
    few = make_table(150, seed=1)
    assert len(warned(few)) == 2
    assert warned(few, least_people=5, most_coverage=1.0) == ()
    with pytest.raises(InvalidTable, match=r"by at least 60 \(GATE_LEAST_PEOPLE\)"):
        warned(few, least_people=60)


def test_the_usual_tables_are_enough(sample: Table):
    assert warned(sample.frame) == ()


def test_a_card_of_a_table_that_is_enough_has_no_warning(trained):
    assert "too little" not in model_card(trained)


@pytest.mark.parametrize("change", [{"bmi": 30.0}, {"smoker": "no"}, {"region": "northeast"}])
def test_a_column_that_says_nothing_is_trained_without_a_traceback(change, client, store, sample):
    table = replace(sample, frame=sample.frame.assign(**change))
    done = train(client, store, table, TrainingOptions())
    assert client.get_run(done.run_id).info.status == "FINISHED"
    assert len(done.warnings) == 1
    assert done.warnings[0] in model_card(done)


def test_a_table_that_can_be_read_and_not_trained_on_is_refused_before_anything_is_asked():
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_WITH_LITTLE], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "people.csv is too large to be trained on here: it takes about 77 MB of memory for its "
        "about 200,000 rows, and "
    )
