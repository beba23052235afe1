"""A run is reloaded as a stranger would, and measured on the rows it held out."""

from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.model.estimators import make_baseline
from insurance_predictor.model.evaluation import metrics
from insurance_predictor.model.pair import Pair
from insurance_predictor.model.run_layout import HOLDOUT, MODEL_URI_TAG, REFERENCE
from insurance_predictor.release.candidate import (
    Candidate,
    Champion,
    measure_candidate,
    reload,
    row_faults,
)
from insurance_predictor.table.schema import FEATURE_NAMES
from tests.insurance_predictor.model.test_pair import WritesWhenUnpickled
from tests.planting import Planted, plant, stored_files


@pytest.fixture(scope="module")
def run_tags(client, trained):
    return dict(client.get_run(trained.run_id).data.tags)


@pytest.fixture(scope="module")
def candidate(client, store, trained, run_tags) -> Candidate:
    return reload(client, store, trained.run_id, run_tags[MODEL_URI_TAG], run_tags)


class Answers:
    """A model that answers the same premium to everybody, and another to the first person."""

    def __init__(self, premium: float, first: float) -> None:
        self.premium = premium
        self.first = first

    def predict(self, columns: pd.DataFrame) -> np.ndarray:
        answers = np.full(len(columns), self.premium)
        answers[0] = self.first
        return answers


def answering(candidate: Candidate, model: object) -> Candidate:
    return replace(candidate, pair=replace(candidate.pair, model=model))


def test_a_reloaded_run_holds_the_pair_and_the_rows_that_were_logged(candidate, trained):
    assert isinstance(candidate.pair, Pair)
    pd.testing.assert_frame_equal(candidate.holdout, trained.trained.holdout)
    pd.testing.assert_frame_equal(candidate.reference, trained.trained.reference)
    assert candidate.rows_train == len(candidate.reference)


@pytest.mark.parametrize("absent", ["preprocessor_sha256", "manifest_sha256"])
def test_a_run_without_a_digest_cannot_be_checked(client, store, trained, run_tags, absent):
    tags = {name: value for name, value in run_tags.items() if name != absent}
    with pytest.raises(IntegrityFault, match=f"{trained.run_id} carries no {absent}"):
        reload(client, store, trained.run_id, run_tags[MODEL_URI_TAG], tags)


@pytest.mark.parametrize("file", [HOLDOUT, REFERENCE])
def test_rows_that_are_not_those_that_were_logged_are_refused(client, store, sample, trained, file):
    run_id = plant(client, store, sample, Planted(trained.trained, 1))
    tags = client.get_run(run_id).data.tags
    path = stored_files(client, run_id, tags[MODEL_URI_TAG]).run / file
    pd.read_csv(path).assign(age=59).to_csv(path, index=False)
    with pytest.raises(IntegrityFault, match=f"its {file} is not the one that was trained"):
        reload(client, store, run_id, tags[MODEL_URI_TAG], tags)


def test_nothing_of_a_tampered_run_is_unpickled(client, store, sample, trained, tmp_path):
    run_id = plant(client, store, sample, Planted(trained.trained, 1))
    tags = client.get_run(run_id).data.tags
    source = tags[MODEL_URI_TAG]
    files, made = stored_files(client, run_id, source), tmp_path / "made by unpickling"
    joblib.dump(WritesWhenUnpickled(made), files.preprocessor)
    with pytest.raises(IntegrityFault, match=r"preprocessor\.skops is not the one"):
        reload(client, store, run_id, source, tags)
    assert not made.exists()


def test_the_rows_of_an_honest_run_have_no_fault(candidate):
    assert row_faults(candidate) == ()


@pytest.mark.parametrize("name", ["holdout", "reference"])
def test_rows_without_a_column_or_without_rows_are_a_fault(candidate, name):
    table = getattr(candidate, name)
    shown = "hold-out" if name == "holdout" else name
    narrow = replace(candidate, **{name: table.drop(columns=["bmi", "charges"])})
    empty = replace(candidate, **{name: table.head(0)})
    assert row_faults(narrow) == (f"its {shown} has no bmi, charges",)
    assert row_faults(empty) == (f"its {shown} has no rows",)


def test_people_who_are_held_out_and_trained_on_are_counted(candidate):
    both = pd.concat([candidate.reference, candidate.holdout.head(3).assign(charges=1.0)])
    assert row_faults(replace(candidate, reference=both)) == (
        "3 people of the hold-out were also trained on",
    )


def test_a_number_of_training_rows_that_the_reference_does_not_show_is_a_fault(candidate):
    (fault,) = row_faults(replace(candidate, rows_train=candidate.rows_train + 1))
    assert "but its reference holds" in fault


def test_of_a_long_table_the_reference_shows_5000_rows(candidate):
    many = pd.concat([candidate.reference] * 5, ignore_index=True).head(5_000)
    assert row_faults(replace(candidate, reference=many, rows_train=1_000_000)) == ()


@pytest.mark.parametrize(("column", "value"), [("smoker", "yes"), ("region", "southwest")])
def test_a_kind_of_people_that_nobody_was_trained_on_is_named(candidate, column, value):
    seen = candidate.reference[candidate.reference[column] != value]
    assert row_faults(replace(candidate, reference=seen, rows_train=len(seen))) == (
        f"it was trained on nobody with {column}={value}",
    )


def test_a_candidate_is_measured_on_its_own_hold_out(candidate, trained):
    found, evaluation = measure_candidate(candidate, None)
    assert found.integrity == ()
    assert (found.not_finite, found.not_positive, found.inverted_intervals) == (0, 0, 0)
    assert evaluation.rows == len(trained.trained.holdout)
    logged = trained.trained.evaluation
    assert found.rmse == pytest.approx(logged.overall["rmse"].value)
    assert found.people == found.total_bias.people == found.coverage.people == logged.rows
    assert found.total_bias.value == pytest.approx(logged.overall["total_bias"].value)
    assert found.coverage.value == logged.interval.coverage
    assert {name: share.value for name, share in found.coverage_by_group.items()} == {
        name: score.coverage for name, score in logged.interval_by_group.items()
    }
    assert {name: bias.people for name, bias in found.slice_bias.items()} == logged.slice_rows
    for name, bias in found.slice_bias.items():
        assert bias.value == pytest.approx(logged.slices[name]["total_bias"].value)
        assert bias.low < 0 < bias.high
    assert found.ratio.value == pytest.approx(found.rmse / found.baseline_rmse)
    assert found.ratio.low < found.ratio.everybody < found.ratio.high
    assert found.production is None


def test_the_baseline_is_least_squares_on_the_candidate_s_own_training_rows(candidate):
    reference, holdout = candidate.reference, candidate.holdout
    features = list(FEATURE_NAMES)
    fitted = make_baseline().fit(reference[features], reference["charges"])
    expected = metrics(holdout["charges"], fitted.predict(holdout[features]))["rmse"]
    assert measure_candidate(candidate, None)[0].baseline_rmse == pytest.approx(expected)


def test_against_itself_nothing_differs(candidate):
    found = measure_candidate(candidate, Champion("7", candidate.pair, 2 * candidate.rows_train))[0]
    assert found.production.version == "7"
    assert found.production.rmse_difference == found.production.rmse_worse_by == 0
    assert found.production.rmse_at_most == 0
    assert found.production.quote_shift == found.production.largest_difference == 0
    assert found.production.training_rows == 0.5


def test_against_production_the_same_people_are_quoted_by_both(candidate):
    champion = Champion("7", answering(candidate, Answers(10_000.0, 10_000.0)).pair, 100)
    found = measure_candidate(candidate, champion)[0].production
    premium = candidate.pair.predict(candidate.holdout[list(FEATURE_NAMES)])["premium"]
    charges = candidate.holdout["charges"]
    ours, theirs = (metrics(charges, x)["rmse"] for x in (premium, np.full(len(charges), 1e4)))
    assert found.rmse_difference == pytest.approx(ours / theirs - 1)
    assert found.rmse_worse_by < found.rmse_difference < found.rmse_at_most < 0
    assert found.quote_shift == pytest.approx(premium.mean() / 10_000 - 1)
    assert found.largest_difference == pytest.approx((premium - 10_000).abs().max())
    few = measure_candidate(candidate, replace(champion, rows_train=25))[0].production
    assert few.shift_by_chance > found.shift_by_chance > 0


def test_people_whom_production_learned_from_are_left_out_of_the_errors(candidate):
    people = len(candidate.holdout)
    seen = pd.concat([candidate.reference, candidate.holdout.head(100)], ignore_index=True)
    pair = answering(candidate, Answers(10_000.0, 10_000.0)).pair
    champion = Champion("7", pair, len(seen), seen)
    found = measure_candidate(candidate, champion)[0].production
    assert (found.people, found.new_people) == (people, people - 100)
    rest = replace(candidate, holdout=candidate.holdout.tail(people - 100))
    alone = measure_candidate(rest, replace(champion, learned=None))[0].production
    assert found.rmse_difference == pytest.approx(alone.rmse_difference)
    longer = replace(champion, rows_train=len(seen) + 1)  # of whom only these are known
    assert measure_candidate(candidate, longer)[0].production.new_people == 0
    honest = replace(champion, rows_train=9_999, learned=candidate.reference)
    assert measure_candidate(candidate, honest)[0].production.new_people == people


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_premiums_that_are_not_finite_are_counted(candidate, number):
    found, _ = measure_candidate(answering(candidate, Answers(9_000.0, number)), None)
    assert (found.not_finite, found.not_positive, found.inverted_intervals) == (1, 0, 1)
    assert not found.behaviour.extremes_fine


@pytest.mark.parametrize("number", [0.0, -1.0])
def test_premiums_that_are_not_above_zero_are_counted(candidate, number):
    found, _ = measure_candidate(answering(candidate, Answers(9_000.0, number)), None)
    assert (found.not_finite, found.not_positive) == (0, 1)


def test_a_model_that_raises_is_a_fault_and_is_not_evaluated(candidate):
    class Raises:
        def predict(self, columns):
            raise OverflowError("too many people")

    found, evaluation = measure_candidate(answering(candidate, Raises()), None)
    assert found.integrity == ("it cannot quote the hold-out (OverflowError: too many people)",)
    assert evaluation is None


def test_conduct_is_measured_on_made_up_people(candidate):
    class Backwards:
        """Cheaper with age, children and smoking; the rest is ignored."""

        def predict(self, columns):
            falling = ["age_squared", "children", "smoker"]
            return 50_000.0 - 1_000.0 * columns[falling].to_numpy().sum(axis=1)

    honest = measure_candidate(candidate, None)[0].behaviour
    assert honest.undercuts == {"smoker": 0}
    assert honest.falls == {"age": 0, "children": 0}
    assert (honest.batch_difference, honest.ignored, honest.extremes_fine) == (0, (), True)
    found = measure_candidate(answering(candidate, Backwards()), None)[0].behaviour
    assert found.undercuts == {"smoker": 1}
    assert found.falls["age"] > 0
    assert found.falls["children"] > 0
    assert found.ignored == ("bmi",)
