"""What a user would write instead of `status`: aliases, versions and the record of their moves.

python -m tests.benchmarks.peer_status MODEL RECORD; RECORD is the experiment of the moves.
"""

import sys

import mlflow

name, record = sys.argv[1:]
client = mlflow.MlflowClient()
model = client.get_registered_model(name)
versions = client.search_model_versions(f"name='{name}'")
print("\n".join(f"{alias}: version {number}" for alias, number in model.aliases.items()))
for version in sorted(versions, key=lambda one: int(one.version), reverse=True):
    figures = {key: value for key, value in version.tags.items() if key.startswith("metric.")}
    print(version.version, version.run_id, version.tags.get("validacao_status"), figures)
    if version.version in map(str, model.aliases.values()):
        print("  its run is", client.get_run(version.run_id).info.lifecycle_stage)
for move in client.search_runs([client.get_experiment_by_name(record).experiment_id]):
    print(move.info.start_time, move.info.run_name, move.data.tags)
