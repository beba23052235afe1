"""What a user would write instead of `train`: autologging, and by hand what it leaves out.

python -m tests.benchmarks.peer_train DATA [careful], in a folder of its own. Who is `careful` knows
where MLflow's defaults take long: requirements are named, which spares it from finding them out in
a process of its own, and what the folds say is logged at once.
"""

import sys
import time
from importlib.metadata import version

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import learning_curve
from sklearn.pipeline import Pipeline

from insurance_predictor.model import estimators, preprocessing
from tests.benchmarks.peer_plain import cross_validated_best, read_split

TRUSTED = (*estimators.TRUSTED_TYPES, *preprocessing.TRUSTED_TYPES)
LIBRARIES = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")


def main() -> None:
    data, *careful = sys.argv[1:]
    train, holdout = read_split(data)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("peer")
    with mlflow.start_run():
        people, charges = train.drop(columns="charges"), train["charges"]
        pipeline = cross_validated_best(train, log_folds_at_once if careful else log_folds)
        # The model is logged by hand, once: autologging takes no types that are to be trusted.
        mlflow.sklearn.autolog(log_models=False)
        pipeline.fit(people, charges)
        mlflow.sklearn.autolog(disable=True)
        log_holdout(pipeline, holdout)
        log_figures(pipeline, train, holdout)
        requirements = [f"{name}=={version(name)}" for name in LIBRARIES]
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            input_example=people.head(),
            skops_trusted_types=list(TRUSTED),
            pip_requirements=requirements if careful else None,
        )


def log_folds(name: str, scores: dict[str, np.ndarray]) -> None:
    """Each fold's scores of a candidate, and their means."""
    for step in range(len(scores["test_r2"])):
        fold = {f"{name}.{key}": values[step] for key, values in scores.items()}
        mlflow.log_metrics(fold, step=step)
    mlflow.log_metrics({f"{name}.{key}_mean": values.mean() for key, values in scores.items()})


def log_folds_at_once(name: str, scores: dict[str, np.ndarray]) -> None:
    """The same in one request."""
    now = round(1000 * time.time())
    metrics = [
        Metric(f"{name}.{key}", value, now, step)
        for key, values in scores.items()
        for step, value in enumerate(values)
    ]
    metrics += [Metric(f"{name}.{key}_mean", each.mean(), now, 0) for key, each in scores.items()]
    mlflow.MlflowClient().log_batch(mlflow.active_run().info.run_id, metrics)


def log_holdout(pipeline: Pipeline, holdout: pd.DataFrame) -> None:
    """How good the model is on people it has not seen, and those people."""
    charges = holdout["charges"]
    predicted = pipeline.predict(holdout.drop(columns="charges"))
    measures = (root_mean_squared_error, mean_absolute_error, r2_score)
    mlflow.log_metrics({f"holdout.{each.__name__}": each(charges, predicted) for each in measures})
    mlflow.log_text(holdout.assign(premium=predicted).to_csv(index=False), "holdout.csv")


def log_figures(pipeline: Pipeline, train: pd.DataFrame, holdout: pd.DataFrame) -> None:
    """The four pictures that `train` draws, without its care for how they look."""
    people, charges = holdout.drop(columns="charges"), holdout["charges"]
    predicted = pipeline.predict(people)
    worth = permutation_importance(
        pipeline, people, charges, scoring="neg_root_mean_squared_error", random_state=0
    )
    sizes, _, validation = learning_curve(
        pipeline,
        train.drop(columns="charges"),
        train["charges"],
        train_sizes=[0.1, 0.2, 0.4, 0.7, 1.0],
        cv=5,
        scoring="neg_root_mean_squared_error",
    )
    drawn = {
        "predicted": (charges, predicted, "."),
        "residuals": (predicted, charges - predicted, "."),
        "importance": (list(people), worth.importances_mean, "o"),
        "learning_curve": (sizes, -validation.mean(axis=1), "o-"),
    }
    for name, (across, up, style) in drawn.items():
        figure = Figure()
        figure.subplots().plot(across, up, style)
        mlflow.log_figure(figure, f"{name}.png")


if __name__ == "__main__":
    main()
