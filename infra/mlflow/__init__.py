"""What runs inside the MLflow container; it knows nothing of the library."""
