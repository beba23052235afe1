-- Run once, on an empty volume. The passwords come from the container's environment.
\set ON_ERROR_STOP on
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD
\getenv predictions_password PREDICTION_LOG_PASSWORD

CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE predictions LOGIN PASSWORD :'predictions_password';

-- MLflow migrates its own tables and those of its users apart, so each has a database.
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
CREATE DATABASE predictions OWNER predictions;

-- Only the owner of a database may enter it.
REVOKE CONNECT ON DATABASE mlflow, mlflow_auth, predictions FROM PUBLIC;
