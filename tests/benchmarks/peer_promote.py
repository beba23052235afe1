"""What a user would write instead of `promote`: take the files, write the move down, set the alias.

python -m tests.benchmarks.peer_promote MODEL RECORD; RECORD is the experiment of the moves.
"""

import sys
from tempfile import TemporaryDirectory

import mlflow

name, record = sys.argv[1:]
client = mlflow.MlflowClient()
challenger = client.get_model_version_by_alias(name, "desafio")
if challenger.tags["validacao_status"] != "aprovado":
    sys.exit(f"Version {challenger.version} is not approved.")
with TemporaryDirectory() as folder:  # a version whose files cannot be had is no good
    mlflow.artifacts.download_artifacts(challenger.source, dst_path=folder)
    mlflow.artifacts.download_artifacts(run_id=challenger.run_id, dst_path=folder)
before = client.get_registered_model(name).aliases.get("producao", "nothing")
figures = {
    key.removeprefix("metric."): float(value)
    for key, value in challenger.tags.items()
    if key.startswith("metric.")
}
mlflow.set_experiment(record)
with mlflow.start_run(run_name=f"{before} to {challenger.version}"):
    mlflow.set_tags({"before": before, "after": challenger.version, "why": "it is better"})
    mlflow.log_metrics(figures)
    client.set_registered_model_alias(name, "producao", challenger.version)
client.delete_registered_model_alias(name, "desafio")
print(f"producao moved from {before} to {challenger.version}")
