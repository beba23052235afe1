"""The version in production as people serve a model with MLflow: one pipeline, in a folder."""

import sys

import mlflow.sklearn
from sklearn.pipeline import Pipeline

from insurance_predictor.base.settings import read_settings
from insurance_predictor.serving.predictor import load


def main() -> None:
    """Save it to the folder that the command line names."""
    pair = load(read_settings()).pair
    pipeline = Pipeline([("preprocessor", pair.preprocessor), ("model", pair.model)])
    mlflow.sklearn.save_model(pipeline, sys.argv[1], serialization_format="cloudpickle")


if __name__ == "__main__":
    main()
