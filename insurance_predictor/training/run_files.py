"""The files of one run, written to a folder that is then logged as it stands."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from insurance_predictor.model.cross_validation import Scores, learning_curve
from insurance_predictor.model.evaluation import permutation_importance
from insurance_predictor.model.fitting import Trained, features, target
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MODEL_CARD,
    PLOTS,
    PREPROCESSOR,
    REFERENCE,
    SERVING,
)
from insurance_predictor.table.read import Table
from insurance_predictor.training import plots
from insurance_predictor.training.model_card import CandidateScore, CardFacts, as_html, model_card

LEARNING_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
INTERVAL_METHOD = (
    "From the residuals of people the model had not seen, apart for smokers and non-smokers and "
    "longer upwards, because about nine people in a hundred are charged far above their pattern."
)


@dataclass(frozen=True)
class RunFacts:
    """What is true of a run beside the model: where it is and what it was made from."""

    run_id: str
    model_name: str
    table: Table
    git_commit: str | None
    trained_at: datetime
    library_versions: Mapping[str, str]
    configuration: Mapping[str, Any]
    parameters: Mapping[str, Any]
    rows_train: int


def write_run_files(
    folder: Path,
    trained: Trained,
    every: tuple[Scores, ...],
    train_table: pd.DataFrame,
    facts: RunFacts,
) -> None:
    """Write everything but the model below `folder`."""
    write_pair(folder, trained)
    write_tables(folder, trained)
    _write_plots(folder / PLOTS, trained, train_table)
    _write_words(folder, trained, every, facts)


def write_pair(folder: Path, trained: Trained) -> None:
    """What is served beside the model: the preprocessor and `serving.json`."""
    for name in (PREPROCESSOR, SERVING):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(trained.pair.preprocessor, folder / PREPROCESSOR)
    (folder / SERVING).write_text(trained.pair.serving.to_json())


def write_tables(folder: Path, trained: Trained) -> None:
    """The rows that were learned from (≤ 5,000) and those that were held out."""
    for name, table in ((REFERENCE, trained.reference), (HOLDOUT, trained.holdout)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / name, index=False, lineterminator="\n")


def _write_plots(folder: Path, trained: Trained, train_table: pd.DataFrame) -> None:
    people, charges = features(trained.holdout), target(trained.holdout)
    predicted = trained.holdout["premium"].to_numpy()
    smoker = people["smoker"].to_numpy()
    worth = permutation_importance(
        lambda shuffled: trained.pair.predict(shuffled)["premium"].to_numpy(), people, charges
    )
    curve = learning_curve(
        trained.scores.candidate.estimator,
        features(train_table),
        target(train_table),
        LEARNING_SHARES,
    )
    figures = {
        "predicted_against_actual": plots.predicted_against_actual(charges, predicted, smoker),
        "residuals": plots.residuals(charges, predicted, smoker),
        "importance": plots.importance(worth["feature"], worth["mean"], worth["std"]),
        "learning_curve": plots.learning_curve(*curve),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")


def _write_words(
    folder: Path, trained: Trained, every: tuple[Scores, ...], facts: RunFacts
) -> None:
    configuration = json.dumps(facts.configuration, indent=2, sort_keys=True, default=str)
    (folder / "configuration.json").write_text(configuration + "\n")
    (folder / "run_notes.txt").write_text(_notes(trained, facts))
    card = model_card(_card_facts(trained, every, facts))
    (folder / MODEL_CARD).write_text(card)
    (folder / "model_card.html").write_text(as_html(card, f"Model card: {facts.model_name}"))


def _notes(trained: Trained, facts: RunFacts) -> str:
    lines = [
        f"{trained.scores.candidate.name} trained on {facts.rows_train:,} rows of "
        f"{facts.table.source}; {len(trained.holdout):,} rows held out by a hash of their content.",
        *facts.table.notices,
        "The model and preprocessing/preprocessor.joblib belong together: "
        "`insurance_predictor.serving.predictor.load` checks that they are this pair.",
    ]
    return "\n".join(lines) + "\n"


def _card_facts(trained: Trained, every: tuple[Scores, ...], facts: RunFacts) -> CardFacts:
    folds = len(trained.scores.folds)
    return CardFacts(
        model_name=facts.model_name,
        run_id=facts.run_id,
        git_commit=facts.git_commit,
        trained_at=facts.trained_at,
        data_source=facts.table.source,
        data_fingerprint=facts.table.fingerprint,
        synthetic=facts.table.synthetic,
        rows_train=facts.rows_train,
        rows_holdout=len(trained.holdout),
        candidate=trained.scores.candidate.name,
        parameters=facts.parameters,
        cross_validation_method=(
            f"Candidates were compared on the same {folds} folds of the training rows, "
            "the preprocessor fitted anew inside each; the lowest mean RMSE was chosen."
        ),
        cross_validation={
            scores.candidate.name: CandidateScore(
                scores.mean("rmse"), scores.deviation("rmse"), scores.mean("r2")
            )
            for scores in every
        },
        evaluation=trained.evaluation,
        interval_method=INTERVAL_METHOD,
        training_ranges=trained.pair.serving.ranges,
        library_versions=facts.library_versions,
    )
