"""What a user would write instead of `train`: autologging, cross-validation, a default log_model.

python -m tests.benchmarks.peer_autolog DATA, in a folder of its own.
"""

import sys

import mlflow

from tests.benchmarks.peer_plain import cross_validated_best, read_split


def main() -> None:
    train, holdout = read_split(sys.argv[1])
    pipeline = cross_validated_best(train)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("peer")
    mlflow.sklearn.autolog()
    with mlflow.start_run():
        people, charges = train.drop(columns="charges"), train["charges"]
        pipeline.fit(people, charges)
        pipeline.score(holdout.drop(columns="charges"), holdout["charges"])
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            input_example=people.head(),
            skops_trusted_types=[
                "insurance_predictor.model.estimators.TypicalPlusMean",
                "insurance_predictor.model.preprocessing.Effects",
            ],
        )


if __name__ == "__main__":
    main()
