"""What earlier assessments found: tables beside the log, and runs in MLflow."""
