"""A story about a column is told of versions that have it."""

from dataclasses import replace

import pytest

from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import AGE, CURRENT, SMOKER
from monitoring.simulation.scenarios import SCENARIOS


def test_every_story_can_be_told_of_the_usual_columns():
    assert [name for name, story in SCENARIOS.items() if story.lacking(CURRENT)] == []


def test_a_story_about_a_column_that_is_not_there_is_not_told():
    columns = Columns((AGE, SMOKER), CURRENT.target)

    lacking = {name: story.lacking(columns) for name, story in SCENARIOS.items()}

    assert {name for name, names in lacking.items() if names} == {
        "bmi_units",
        "new_region",
        "seasonal",
    }
    assert lacking["seasonal"] == ("children",)


@pytest.mark.parametrize("name", ["ageing", "seasonal"])
def test_a_category_is_not_the_number_of_the_same_name(name: str):
    columns = Columns((replace(SMOKER, name="age", is_group=False),), CURRENT.target)

    assert "age" in SCENARIOS[name].lacking(columns)
