"""Starts the MLflow server: checks the schema, makes the users of the stack, becomes MLflow.

Everything comes from the environment: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION,
MLFLOW_AUTH_DATABASE_URI, MLFLOW_AUTH_ADMIN_USERNAME, MLFLOW_AUTH_ADMIN_PASSWORD,
MLFLOW_AUTH_READER_USERNAME, MLFLOW_AUTH_READER_PASSWORD,
MLFLOW_AUTH_MONITOR_USERNAME, MLFLOW_AUTH_MONITOR_PASSWORD, MONITORING_EXPERIMENT_NAME,
MLFLOW_FLASK_SERVER_SECRET_KEY, MLFLOW_SERVER_ALLOWED_HOSTS, MLFLOW_SERVER_CORS_ALLOWED_ORIGINS,
and from what has a default: MLFLOW_HOST, MLFLOW_PORT, MLFLOW_WORKERS.
"""

import os
import sys
import tempfile
from pathlib import Path

from infra.mlflow import schema

# What people may do with runs and models that are not theirs: look.
USERS = """[mlflow]
default_permission = READ
database_uri = {uri}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


def main() -> None:
    """Become `mlflow server`, or end with one line that says why not."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    try:
        complaint = schema.complaint(os.environ["MLFLOW_BACKEND_STORE_URI"]) or _same_name()
        if complaint is None:
            _make_users()
    except KeyError as missing:
        complaint = f"{missing.args[0]} is not set. Start the stack with `make up`."
    except Exception as error:
        if not schema.is_refusal(error):
            raise
        complaint = schema.refusal(error)
    if complaint is not None:
        sys.exit(f"error: {complaint}")
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(_write_users_file())
    os.execv(sys.executable, _command())  # noqa: S606 - the interpreter that runs us


def _same_name() -> str | None:
    """What is wrong with the names of the users: two of one name would share their rights."""
    taken = {os.environ["MLFLOW_AUTH_ADMIN_USERNAME"]: "administrator"}
    for role in ("READER", "MONITOR"):
        name = os.environ[f"MLFLOW_AUTH_{role}_USERNAME"]
        if name in taken:
            return f"MLFLOW_{role}_USERNAME is the {taken[name]}'s name. Set another in .env."
        taken[name] = role.lower()
    return None


def _make_users() -> None:
    """The administrator, the reader, with no right but everybody's, and the monitor.

    The monitor may write in its experiment besides, whoever made that one; it is made here when
    it is missing, so that nobody else's being first keeps the monitor out.
    The passwords in the environment are the ones that count, also after a change or a restore.
    MLflow by itself reads the administrator's only once, for an empty table of users.
    """
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    users = SqlAlchemyStore()
    users.init_db(os.environ["MLFLOW_AUTH_DATABASE_URI"])
    for role in ("ADMIN", "READER", "MONITOR"):
        name = os.environ[f"MLFLOW_AUTH_{role}_USERNAME"]
        password = os.environ[f"MLFLOW_AUTH_{role}_PASSWORD"]
        make = users.update_user if users.has_user(name) else users.create_user
        make(name, password=password, is_admin=role == "ADMIN")
    monitor, experiment = os.environ["MLFLOW_AUTH_MONITOR_USERNAME"], _monitoring_experiment()
    users.grant_user_permission(monitor, "experiment", experiment, "EDIT")


def _monitoring_experiment() -> str:
    """The id of the experiment that monitoring records in, made as the server would make it."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(os.environ["MLFLOW_BACKEND_STORE_URI"], "mlflow-artifacts:/")
    name = os.environ["MONITORING_EXPERIMENT_NAME"]
    found = store.get_experiment_by_name(name)
    try:
        return str(found.experiment_id if found else store.create_experiment(name))
    except MlflowException as error:
        sys.exit(
            f"error: MONITORING_EXPERIMENT_NAME is no name of an experiment: {error.message}. "
            "Set another in .env."
        )


def _write_users_file() -> Path:
    """MLflow's own configuration of basic auth; it holds a password, so only we can read it."""
    path = Path(tempfile.mkdtemp()) / "users.ini"
    path.touch(mode=0o600)
    uri = os.environ["MLFLOW_AUTH_DATABASE_URI"].replace("%", "%%")
    path.write_text(USERS.format(uri=uri))
    return path


def _command() -> list[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--host", os.environ.get("MLFLOW_HOST", "0.0.0.0")]  # noqa: S104 - in a container
    command += ["--port", os.environ.get("MLFLOW_PORT", "5000")]
    command += ["--workers", os.environ.get("MLFLOW_WORKERS", "2")]
    return [*command, "--serve-artifacts"]


if __name__ == "__main__":
    main()
