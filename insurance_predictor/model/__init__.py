"""From rows to a model with its preprocessor and intervals, and how good that pair is."""
