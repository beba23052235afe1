-- Makes what is missing; what is there is left alone. The passwords come from the container.
\set ON_ERROR_STOP on
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD
\getenv predictions_password PREDICTION_LOG_PASSWORD

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', role, password)
FROM (VALUES ('mlflow', :'mlflow_password'), ('predictions', :'predictions_password'))
  AS wanted (role, password)
WHERE role NOT IN (SELECT rolname FROM pg_roles) \gexec

-- MLflow migrates its own tables and those of its users apart, so each has a database.
SELECT format('CREATE DATABASE %I OWNER %I', name, role)
FROM (VALUES ('mlflow', 'mlflow'), ('mlflow_auth', 'mlflow'), ('predictions', 'predictions'))
  AS wanted (name, role)
WHERE name NOT IN (SELECT datname FROM pg_database) \gexec

-- Only the owner of a database may enter it.
REVOKE CONNECT ON DATABASE mlflow, mlflow_auth, predictions FROM PUBLIC;
