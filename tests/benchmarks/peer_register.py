"""What a user would write instead of `register`: load, compare with production, write a version.

python -m tests.benchmarks.peer_register MODEL RUN
"""

import sys

import joblib
import mlflow
import pandas as pd
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

name, run_id = sys.argv[1:]
client = mlflow.MlflowClient()


def load(source: str, of_run: str):
    """The model and its preprocessor as one function from people to premiums."""
    model = mlflow.sklearn.load_model(source)
    path = "preprocessing/preprocessor.joblib"
    file = mlflow.artifacts.download_artifacts(run_id=of_run, artifact_path=path)
    preprocessor = joblib.load(file)
    return lambda people: model.predict(preprocessor.transform(people))


run = client.get_run(run_id)
source = run.data.tags["model_uri"]
candidate = load(source, run_id)
holdout = pd.read_csv(
    mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="evaluation/holdout.csv")
)
charges, predicted = holdout["charges"], candidate(holdout)
figures = {
    "rmse": root_mean_squared_error(charges, predicted),
    "mae": mean_absolute_error(charges, predicted),
    "r2": r2_score(charges, predicted),
}
model = client.get_registered_model(name)
approved = True
if "producao" in model.aliases:
    serving = client.get_model_version_by_alias(name, "producao")
    theirs = load(serving.source, serving.run_id)(holdout)
    approved = figures["rmse"] <= 1.05 * root_mean_squared_error(charges, theirs)
tags = {f"metric.{key}": str(value) for key, value in figures.items()}
tags["validacao_status"] = "aprovado" if approved else "reprovado"
made = client.create_model_version(name, source, run_id, tags=tags)
if approved:
    client.set_registered_model_alias(name, "desafio", made.version)
print(f"{name} has version {made.version}: {tags}")
