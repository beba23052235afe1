"""What MLflow keeps: runs, model versions and aliases, and the ledger of their moves."""
