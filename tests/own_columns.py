"""Columns that this repository's table does not have, and versions that learned from them."""

from dataclasses import replace

from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.fitting import Trained, features, fit_pair, target
from insurance_predictor.table.columns import Columns, NumberColumn
from insurance_predictor.table.schema import CHARGES, CURRENT
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table

WORDS = {"pt": "palavras", "en": "words"}
DEDUCTIBLE = NumberColumn("deductible", 0, 5_000, True, 0, WORDS, WORDS, WORDS)
WITH_DEDUCTIBLE = Columns((*CURRENT.features, DEDUCTIBLE), CHARGES)
WITHOUT_REGION = Columns(CURRENT.features[:-1], CHARGES)
IN_REAIS = Columns(
    CURRENT.features,
    replace(CHARGES, currency="BRL", unit={"pt": "R$ por ano", "en": "R$ a year"}),
)


def trained_on(columns: Columns, rows: int = 400) -> Trained:
    """What `train` makes of a made-up table with `columns`, with the first candidate alone."""
    split = split_table(make_table(rows, 4, columns), columns)
    folds = make_folds(features(split.train, columns), 3, 1, columns=columns)
    candidate = make_candidates(tuple(folds[0].train_columns.columns), columns)[0]
    return fit_pair(score(candidate, folds, target(split.train, columns)), split, columns)
