"""The measurements behind every number in docs/: run with make, checked by a quick real run."""
