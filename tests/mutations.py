"""The bad candidates that the gate is tried on: each a fault, how to make it, what to say."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.intervals import Intervals
from insurance_predictor.model.preprocessing import EFFECT_INPUTS, Effects
from insurance_predictor.table.schema import REGION, SEX
from tests.planting import (
    Planted,
    StoredFiles,
    Workshop,
    altered,
    linear,
)

SMOKER_FLIPPED = {"yes": "no", "no": "yes"}


@dataclass(frozen=True)
class Mutation:
    """A fault, how to make it, and the words that the refusal must say."""

    name: str
    make: Callable[[Workshop], Planted]
    says: str

    @property
    def needs_typical(self) -> bool:
        """Whether it spoils what only `TypicalPlusMean` has."""
        return self.make is median_only

    @property
    def is_stored(self) -> bool:
        """Whether it goes through a real store: the fault lies there, or it stands for its kind."""
        return self.name in STORED


# What the model answers.


def constant(shop: Workshop) -> Planted:
    charges = target(shop.split.train)
    model = DummyRegressor().fit(np.zeros((len(charges), 9)), charges)
    return shop.with_model(model)


def answering(slope: float, intercept: float) -> Callable[[Workshop], Planted]:
    def make(shop: Workshop) -> Planted:
        columns = tuple(shop.pair.preprocessor.get_feature_names_out())
        return shop.with_model(linear(columns, slope, intercept))

    return make


def times(factor: float, people: pd.DataFrame, premium: Any) -> Any:
    return premium * factor


def scaled(factor: float) -> Callable[[Workshop], Planted]:
    return lambda shop: shop.priced(partial(times, factor))


def below_zero_for_the_young(people: pd.DataFrame, premium: Any) -> Any:
    return np.where(people["age"] < 21, premium - 5_000, premium)


def to_ten_thousands(people: pd.DataFrame, premium: Any) -> Any:
    return np.round(premium, -4)


def southeast_overcharged(people: pd.DataFrame, premium: Any) -> Any:
    return premium * np.where(people["region"] == "southeast", 1.35, 0.93)


def undefined_for_families(people: pd.DataFrame, premium: Any) -> Any:
    return premium - 6_000 * (people["children"] > 10) - 40_000 * (people["age"] > 90)


NOISE = count()


def with_noise(people: pd.DataFrame, premium: Any) -> Any:
    return premium + np.random.default_rng(next(NOISE)).normal(0, 50, len(premium))


# What the model learned from.


def shuffled_target(shop: Workshop) -> Planted:
    charges = target(shop.split.train)
    shuffled = np.random.default_rng(0).permutation(charges)
    return shop.refit(train=shop.split.train.assign(charges=shuffled))


def few_rows(shop: Workshop) -> Planted:
    return shop.refit(np.arange(0, shop.rows, 20))


def few_rows_denied(shop: Workshop) -> Planted:
    return replace(few_rows(shop), rows=shop.rows)


def non_smokers_only(shop: Workshop) -> Planted:
    return shop.refit(np.flatnonzero(shop.split.train["smoker"] == "no"))


def memoriser(shop: Workshop) -> Planted:
    """Nearest neighbours over everybody, the hold-out too, which the reference does not show."""
    everybody = pd.concat([shop.split.train, shop.split.holdout], ignore_index=True)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "bmi", "children"]),
            ("words", OneHotEncoder(sparse_output=False), ["sex", "smoker", "region"]),
        ]
    ).set_output(transform="pandas")
    seen = columns.fit_transform(features(everybody))
    model = KNeighborsRegressor(1, algorithm="brute").fit(seen, target(everybody))
    return shop.with_pair(replace(shop.pair, model=model, preprocessor=columns))


def shared_rows(shop: Workshop) -> Planted:
    planted = shop.slightly_other
    seen = pd.concat([planted.trained.reference, planted.trained.holdout.head(7)])
    return replace(planted, trained=replace(planted.trained, reference=seen))


def log_target(shop: Workshop) -> Planted:
    trees = HistGradientBoostingRegressor(max_iter=80, max_leaf_nodes=4, random_state=0)
    logarithmic = TransformedTargetRegressor(trees, func=np.log, inverse_func=np.exp)
    return shop.refit(estimator=logarithmic)


def median_only(shop: Workshop) -> Planted:
    return shop.with_model(shop.pair.model.typical_)


# How people are read.


def flipped(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(smoker=people["smoker"].map(SMOKER_FLIPPED))


def mirrored_age(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(age=82 - people["age"])


def mirrored_children(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(children=2 - people["children"])


def all_alike(column: str, value: object, people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(**{column: value})


def ignoring(column: str, value: object) -> Callable[[Workshop], Planted]:
    return lambda shop: shop.blind(partial(all_alike, column, value))


def age_and_bmi_swapped(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(age=people["bmi"], bmi=people["age"])


def centred_by_the_batch(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(bmi=people["bmi"] - people["bmi"].mean() + 30.7)


def leaky(shop: Workshop) -> Planted:
    """A preprocessor that wants the very thing that is to be predicted."""
    sees_charges = ColumnTransformer([("premium", "passthrough", ["charges"])])
    sees_charges.set_output(transform="pandas").fit(shop.split.train)
    return replace(shop.slightly_other, forge=partial(forge_preprocessor, sees_charges))


def ten_percent_more(shop: Workshop) -> Planted:
    """In the model's own coefficients: a store takes no preprocessor of a type we do not name."""
    model = deepcopy(shop.pair.model)
    for part in (model.typical_, model.mean_above_):
        part.coef_ = part.coef_ * 1.1
        part.intercept_ = part.intercept_ * 1.1
    return shop.with_model(model)


# What lies in the store.


def forge_preprocessor(preprocessor: Any, files: StoredFiles) -> None:
    joblib.dump(preprocessor, files.pickled_preprocessor)
    skops.io.dump(preprocessor, files.preprocessor)


def other_column_order(shop: Workshop) -> Planted:
    words = OneHotEncoder(drop="first", sparse_output=False)
    columns = ColumnTransformer(
        [("categories", words, [SEX.name, REGION.name]), ("effects", Effects(), [*EFFECT_INPUTS])],
        verbose_feature_names_out=False,
    )
    other = Pipeline([("columns", columns), ("scale", StandardScaler())])
    other.set_output(transform="pandas").fit(features(shop.split.train))
    return replace(shop.slightly_other, forge=partial(forge_preprocessor, other))


def foreign_preprocessor(shop: Workshop) -> Planted:
    forge = partial(forge_preprocessor, shop.pair.preprocessor)
    return replace(shop.slightly_other, forge=forge)


class Homemade(RegressorMixin, BaseEstimator):
    """A type that nobody has said may be loaded."""

    def predict(self, columns: pd.DataFrame) -> Any:
        return np.full(len(columns), 10_000.0)


def untrusted(files: StoredFiles) -> None:
    skops.io.dump(Homemade(), files.model_file)


def no_model(files: StoredFiles) -> None:
    files.model_file.write_bytes(b"not a model")


def forged(change: Callable[[StoredFiles], None]) -> Callable[[Workshop], Planted]:
    return lambda shop: replace(shop.slightly_other, forge=change)


def tampered(change: Callable[[StoredFiles], None]) -> Callable[[Workshop], Planted]:
    return lambda shop: replace(shop.slightly_other, tamper=change)


def other_preprocessor(files: StoredFiles) -> None:
    preprocessor = joblib.load(files.pickled_preprocessor)
    preprocessor["scale"].mean_[0] += 1
    skops.io.dump(preprocessor, files.preprocessor)


def other_model(files: StoredFiles) -> None:
    content = bytearray(files.model_file.read_bytes())
    content[len(content) // 2] ^= 1
    files.model_file.write_bytes(content)


def narrower_offsets(files: StoredFiles) -> None:
    facts = json.loads(files.serving.read_text())
    facts["intervals"]["offsets"] = {"no": [-10, 10], "yes": [-10, 10]}
    files.serving.write_text(json.dumps(facts))


def no_preprocessor(files: StoredFiles) -> None:
    files.preprocessor.unlink()


def no_holdout(files: StoredFiles) -> None:
    files.holdout.unlink()


def easier_holdout(files: StoredFiles) -> None:
    rows = pd.read_csv(files.holdout)
    rows[rows["charges"] < 1.5 * rows["premium"]].to_csv(files.holdout, index=False)


def other_golden(shop: Workshop) -> Planted:
    pair = shop.slightly_other.trained.pair
    golden = pair.serving.golden
    dearer = replace(golden, premium=tuple(value + 1 for value in golden.premium))
    serving = replace(pair.serving, golden=dearer)
    return shop.with_pair(replace(pair, serving=serving), golden=False)


# Intervals.


def offsets(below: float, above: float, **margins: float) -> Callable[[Workshop], Planted]:
    intervals = Intervals({"no": (below, above), "yes": (below, above)}, **margins)
    return lambda shop: shop.with_intervals(intervals)


MUTATIONS = (
    Mutation("constant", constant, "the quotes ignore age and bmi and smoker"),
    Mutation("shuffled target", shuffled_target, "not better than the textbook baseline"),
    Mutation("NaN for everybody", answering(0, np.nan), "not finite numbers"),
    Mutation("infinite for everybody", answering(0, np.inf), "not finite numbers"),
    Mutation("zero for everybody", answering(0, 0.0), "premiums are not above zero"),
    Mutation("negative for everybody", answering(0, -5_000.0), "premiums are not above zero"),
    Mutation(
        "negative below the age of 21",
        lambda shop: shop.priced(below_zero_for_the_young),
        "premiums are not above zero",
    ),
    Mutation(
        "negative at the edge of the schema",
        lambda shop: shop.priced(undefined_for_families),
        "at the edge of the schema's limits",
    ),
    Mutation("10 % too high", ten_percent_more, "price level moves by +10.0%"),
    Mutation("10 % too low", scaled(0.9), "price level moves by -10.0%"),
    Mutation("cents instead of dollars", scaled(100), "quotes are too high on the whole"),
    Mutation("thousands instead of dollars", scaled(0.001), "quotes are too low on the whole"),
    Mutation(
        "rounded to the nearest 10,000",
        lambda shop: shop.priced(to_ten_thousands),
        "premiums are not above zero",
    ),
    Mutation(
        "one region overcharged",
        lambda shop: shop.priced(southeast_overcharged),
        "slice region=southeast is quoted too high",
    ),
    Mutation(
        "another answer every time",
        lambda shop: shop.priced(with_noise),
        "golden predictions are not reproduced",
    ),
    Mutation("target leaked into a feature", leaky, "{'charges'}"),
    Mutation("hold-out learned by heart", memoriser, "the hold-out has leaked into training"),
    Mutation("hold-out rows among the training rows", shared_rows, "7 people of the hold-out"),
    Mutation("trained on 5 % of the rows", few_rows, "trained on 5% of the rows"),
    Mutation("trained on 5 %, claims all", few_rows_denied, "but its reference holds"),
    Mutation("trained on non-smokers only", non_smokers_only, "trained on nobody with smoker=yes"),
    Mutation("log target", log_target, "price level moves by -"),
    Mutation("median without the mean added back", median_only, "price level moves by -"),
    Mutation(
        "smoker flag inverted",
        lambda shop: shop.misreading(flipped),
        "smoker makes the quote cheaper",
    ),
    Mutation("smoking ignored", ignoring("smoker", "no"), "smoker, which changes"),
    Mutation("bmi ignored", ignoring("bmi", 29.0), "the quotes ignore bmi,"),
    Mutation("age ignored", ignoring("age", 40), "the quotes ignore age,"),
    Mutation(
        "falling with age",
        lambda shop: shop.misreading(mirrored_age),
        "expected premium falls with age",
    ),
    Mutation(
        "falling with children",
        lambda shop: shop.misreading(mirrored_children),
        "expected premium falls with children",
    ),
    Mutation(
        "age and bmi swapped",
        lambda shop: replace(shop.with_pair(altered(shop.pair, age_and_bmi_swapped), golden=False)),
        "golden predictions are not reproduced",
    ),
    Mutation("columns in another order", other_column_order, "the preprocessor makes the columns"),
    Mutation("another run's preprocessor", foreign_preprocessor, "golden predictions are not"),
    Mutation(
        "depends on the batch",
        lambda shop: shop.misreading(centred_by_the_batch),
        "depends on who else is in the table",
    ),
    Mutation("golden predictions of another model", other_golden, "golden predictions are not"),
    Mutation("untrusted type in the model", forged(untrusted), "Homemade"),
    Mutation("a file that is no model", forged(no_model), "model.skops raises"),
    Mutation("tampered preprocessor", tampered(other_preprocessor), "preprocessor.skops is not"),
    Mutation("tampered model", tampered(other_model), "model.skops is not the one"),
    Mutation("tampered intervals", tampered(narrower_offsets), "serving.json is not the one"),
    Mutation(
        "hard cases taken out of the hold-out", tampered(easier_holdout), "holdout.csv is not"
    ),
    Mutation("preprocessor lost", tampered(no_preprocessor), "preprocessor.skops is not there"),
    Mutation("hold-out lost", tampered(no_holdout), "holdout.csv is not there"),
    Mutation("identical to production", lambda shop: shop.with_pair(shop.pair), "identical to"),
    Mutation("intervals too narrow", offsets(-600, 600), "intervals are too narrow"),
    Mutation("intervals too wide", offsets(-1e6, 1e6), "intervals are too wide"),
    Mutation(
        "intervals inside out",
        offsets(500, -500, slack=-0.05, least_half_width=-2_000),
        "do not hold their own premium",
    ),
)
assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)

IN_THE_FILES = frozenset(
    {
        "target leaked into a feature",
        "columns in another order",
        "another run's preprocessor",
        "untrusted type in the model",
        "a file that is no model",
        "tampered preprocessor",
        "tampered model",
        "tampered intervals",
        "hard cases taken out of the hold-out",
        "preprocessor lost",
        "hold-out lost",
    }
)
EXAMPLES = frozenset(
    {
        "constant",
        "NaN for everybody",
        "10 % too high",
        "hold-out rows among the training rows",
        "identical to production",
        "intervals too narrow",
    }
)
STORED = IN_THE_FILES | EXAMPLES
assert {mutation.name for mutation in MUTATIONS} >= STORED
