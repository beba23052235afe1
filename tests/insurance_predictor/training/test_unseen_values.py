"""A table without smokers: trained, approved, and no quote for those of whom nothing is known."""

from dataclasses import replace

import numpy as np
import pytest

from insurance_predictor.base.errors import BadInput, RefusedByGate
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving.predictor import load
from insurance_predictor.table.schema import CURRENT, SMOKER
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.generated_tables import no_smokers
from tests.predictions import ANA


@pytest.fixture(scope="module")
def run(client, store, sample):
    table = replace(sample, frame=no_smokers(1_000, 3)[0], synthetic=False)
    return train(client, store, table, TrainingOptions())


def test_a_version_has_the_values_that_somebody_in_the_table_has(run):
    columns = run.trained.pair.columns
    smoker = columns.by_name["smoker"]
    assert (smoker.values, set(smoker.value_labels), set(smoker.also_written)) == (
        ("no",),
        {"no"},
        {"no"},
    )
    assert columns.lost(columns) == ()
    assert CURRENT.lost(columns) == ("smoker=yes",)
    assert set(run.trained.pair.serving.intervals.offsets) == {"no"}


def test_it_is_said_whom_the_version_does_not_quote(run):
    assert (
        "Nobody has smoker=yes: the version quotes nobody who has, until it is trained on a table "
        "with such people."
    ) in run.warnings


def test_it_is_approved_and_quotes_those_whom_it_knows(client, settings, run):
    assert register(client, settings, run.run_id).decision.approved
    promote(client, settings)
    predictor = load(settings)
    assert predictor.quote(ANA | {"smoker": "no"}).premium > 0
    with pytest.raises(BadInput, match="smoker is 'yes'; it must be one of no"):
        predictor.quote(ANA | {"smoker": "yes"})


def test_it_does_not_replace_a_version_that_quotes_smokers(client, settings, trained, run):
    register(client, settings, trained.run_id)
    promote(client, settings)
    with pytest.raises(RefusedByGate, match=r"nobody with smoker=yes, whom version 1 quotes"):
        register(client, settings, run.run_id)


def test_nothing_is_taken_from_columns_of_which_a_table_has_every_value():
    assert CURRENT.seen_in(make_table(400, seed=1)) == CURRENT


def test_a_form_does_not_begin_with_a_value_that_nobody_has():
    started = replace(CURRENT, features=(replace(SMOKER, start="yes"),))
    assert started.seen_in(no_smokers(50, 1)[0]).features[0].start is None


def test_a_category_of_which_nobody_says_anything_stays():
    silent = make_table(50, seed=1).assign(smoker=np.nan)
    assert CURRENT.seen_in(silent).by_name["smoker"] == SMOKER
