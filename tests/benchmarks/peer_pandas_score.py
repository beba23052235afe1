"""What a user would write instead of `score`: read, predict in one piece, write, with pandas."""

import sys

import joblib
import mlflow
import pandas as pd

source, target, name, alias = sys.argv[1:]
client = mlflow.MlflowClient()
version = client.get_model_version_by_alias(name, alias)
model = mlflow.sklearn.load_model(f"models:/{name}/{version.version}")
path = "preprocessing/preprocessor.joblib"
preprocessor = joblib.load(
    mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=path)
)
people = pd.read_parquet(source)
people["premium"] = model.predict(preprocessor.transform(people))
people.to_parquet(target)
