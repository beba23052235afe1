"""Assessments, incidents and what is queued, in tables beside the log; their runs in MLflow."""
