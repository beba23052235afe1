"""A portfolio of made-up people, and the version that quotes them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.scoring.score import ScoreOptions, ScoreReport, score
from insurance_predictor.serving.predictor import Predictor, load
from insurance_predictor.store.versions import Version
from insurance_predictor.table.synthetic import make_table

Score = Callable[..., ScoreReport]


@pytest.fixture
def predictor(client, settings: Settings, production: Version) -> Predictor:
    return load(settings)


@pytest.fixture
def people() -> pd.DataFrame:
    """With a number that is theirs, and a remark."""
    made = make_table(300, 5).drop(columns="charges")
    made.loc[::50, "bmi"] = 59.5  # beyond what the model saw
    return made.assign(policy=range(300), remark=["a, b", 'said "no"', "two\nlines"] * 100)


@pytest.fixture
def run(settings: Settings, production: Version) -> Score:
    def call(source: Path | str, out: Path | str, strict: bool = False, **options) -> ScoreReport:
        ours = settings.model_copy(update={"strict": strict})
        return score(ours, str(source), str(out), ScoreOptions(**{"jobs": 1} | options))

    return call


def expected(predictor: Predictor, people: pd.DataFrame) -> pd.DataFrame:
    """What the batch page would answer."""
    features = people[list(predictor.columns.feature_names)]
    return people.assign(
        **predictor.predict(features).round(2),
        version=predictor.version,
        outside_range=predictor.outside_range(features),
    )


def whole(out: Path | str) -> pd.DataFrame:
    """All parts, in order."""
    parts = sorted(Path(out).glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
