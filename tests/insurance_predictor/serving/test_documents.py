"""What there is to show of a version is shown, and nothing that is no rows."""

import pytest

from insurance_predictor.model.run_layout import HOLDOUT, REFERENCE
from insurance_predictor.serving.documents import read_documents

HEADER = b"age,sex,bmi,children,smoker,region,charges\n"
PERSON = b"40,male,30,1,no,southeast,9000\n"


def test_a_version_without_anything_to_show_shows_nothing(tmp_path):
    found = read_documents(tmp_path)
    assert (found.model_card, found.plots) == ("", {})
    assert found.reference is found.holdout is None


def test_rows_are_read_with_people_and_charges(tmp_path):
    (tmp_path / REFERENCE).parent.mkdir(parents=True)
    (tmp_path / REFERENCE).write_bytes(HEADER + PERSON)
    assert read_documents(tmp_path).reference["charges"].tolist() == [9000.0]


def test_rows_that_were_held_out_need_their_premiums(tmp_path):
    (tmp_path / HOLDOUT).parent.mkdir(parents=True)
    (tmp_path / HOLDOUT).write_bytes(HEADER + PERSON)
    assert read_documents(tmp_path).holdout is None


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\x00,\n1",
        b"",
        b"age,sex\n40,male\n",
        HEADER,
        HEADER + b"forty,male,30,1,no,southeast,9000\n",
        HEADER + b",male,30,1,no,southeast,9000\n",
        HEADER + b"40,male,inf,1,no,southeast,9000\n",
        HEADER + b"40,male,30,1,no,atlantis,9000\n",
    ],
    ids=["no text", "empty", "few columns", "no rows", "a word", "a gap", "infinite", "a region"],
)
def test_rows_that_are_none_are_not_shown(content, tmp_path):
    (tmp_path / REFERENCE).parent.mkdir(parents=True)
    (tmp_path / REFERENCE).write_bytes(content)
    assert read_documents(tmp_path).reference is None
