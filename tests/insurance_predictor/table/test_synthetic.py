"""The generator, and the sample it made."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from insurance_predictor.base.errors import BadInput
from insurance_predictor.table.check import check_table
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.schema import COLUMN_NAMES
from insurance_predictor.table.synthetic import make_table, write_table


@pytest.fixture(scope="module")
def large() -> pd.DataFrame:
    return make_table(40_000, seed=4)


def test_the_bundled_sample_is_what_the_generator_makes(tmp_path: Path):
    write_table(make_table(1500, seed=20260101), tmp_path / "sample.csv")
    assert (tmp_path / "sample.csv").read_bytes() == (DATA_FOLDER / "sample.csv").read_bytes()


def test_the_bundled_sample_keeps_every_rule_and_has_no_duplicate():
    sample = pd.read_csv(DATA_FOLDER / "sample.csv")
    assert len(sample) == 1500
    assert not sample.duplicated().any()
    pd.testing.assert_frame_equal(check_table(sample), make_table(1500, seed=20260101))


def test_a_seed_gives_the_same_rows_and_another_seed_others():
    assert make_table(50, seed=1).equals(make_table(50, seed=1))
    assert not make_table(50, seed=1).equals(make_table(50, seed=2))


def test_fewer_rows_are_the_first_of_more_rows():
    pd.testing.assert_frame_equal(make_table(20, seed=3), make_table(200, seed=3).head(20))


def test_large_tables_keep_every_rule(large: pd.DataFrame):
    pd.testing.assert_frame_equal(check_table(large), large)
    assert tuple(large.columns) == COLUMN_NAMES


def test_charges_are_whole_cents(large: pd.DataFrame):
    cents = large["charges"] * 100
    assert np.allclose(cents, cents.round(), rtol=0, atol=1e-6)


def test_people_have_the_documented_shares(large: pd.DataFrame):
    assert large["smoker"].eq("yes").mean() == pytest.approx(0.20, abs=0.01)
    assert large["sex"].eq("male").mean() == pytest.approx(0.5, abs=0.01)
    assert large["region"].eq("southeast").mean() == pytest.approx(0.272, abs=0.01)
    assert large["children"].value_counts(normalize=True).sort_index().tolist() == pytest.approx(
        [0.43, 0.24, 0.18, 0.12, 0.02, 0.01], abs=0.01
    )
    assert large["age"].min() == 18
    assert large["age"].max() == 64
    assert large["bmi"].mean() == pytest.approx(30.7, abs=0.2)
    assert large["bmi"].std() == pytest.approx(6.1, abs=0.15)
    assert large.groupby("region")["bmi"].mean().idxmax() == "southeast"


@pytest.mark.parametrize(
    ("smoker", "obese", "median"),
    # Medians of the public medical-cost table, US dollars a year.
    [("no", False, 6_762), ("no", True, 8_076), ("yes", False, 20_167), ("yes", True, 40_904)],
)
def test_medians_are_like_the_public_tables(
    large: pd.DataFrame, smoker: str, obese: bool, median: float
):
    group = large[(large["smoker"] == smoker) & ((large["bmi"] >= 30) == obese)]
    assert group["charges"].median() == pytest.approx(median, rel=0.12)


def test_a_textbook_regression_explains_as_much_as_on_the_public_table(large: pd.DataFrame):
    features = pd.get_dummies(large.drop(columns="charges"), drop_first=True, dtype=float)
    explained = LinearRegression().fit(features, large["charges"]).score(features, large["charges"])
    assert explained == pytest.approx(0.75, abs=0.02)


def test_spikes_are_rare_large_and_blind_to_the_features(large: pd.DataFrame):
    expected = (
        1_100 + 3.4 * large["age"] ** 2 + 590 * large["children"] + 2 * large["bmi"]
        - 500 * large["sex"].eq("male")
        - 200 * large["region"].eq("northwest") - 600 * large["region"].str.startswith("south")
        + large["smoker"].eq("yes")
        * (2_000 + 470 * large["bmi"] + 15_000 * large["bmi"].ge(30))
    )  # fmt: skip
    excess = large["charges"] - expected
    spiked = excess > 501
    assert excess[~spiked].abs().max() <= 500.01
    assert excess[spiked].between(3_999, 26_501).all()
    assert spiked.mean() == pytest.approx(0.09, abs=0.006)
    for name in ("smoker", "sex", "region"):
        assert spiked.groupby(large[name]).mean().to_numpy() == pytest.approx(0.09, abs=0.012)


def test_what_is_written_has_unix_line_ends_and_leaves_nothing_else_behind(tmp_path: Path):
    write_table(make_table(3), tmp_path / "new folder" / "people.csv")
    content = (tmp_path / "new folder" / "people.csv").read_bytes()
    assert content.startswith(b"age,sex,bmi,children,smoker,region,charges\n")
    assert content.count(b"\n") == 4
    assert b"\r" not in content
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["people.csv"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"people\.csv cannot be written"):
        write_table(make_table(3), tmp_path / "file" / "people.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="folder cannot be written"):
        write_table(make_table(3), tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(("rows", "seed"), [(0, 0), (-1, 0), (5, -1)])
def test_impossible_sizes_and_seeds_are_refused(rows: int, seed: int):
    with pytest.raises(BadInput, match="rows >= 1"):
        make_table(rows, seed)
