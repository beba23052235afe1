"""One training, from a table to a run that others can judge."""
