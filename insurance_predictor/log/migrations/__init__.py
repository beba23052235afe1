"""The steps that the prediction log's tables went through, one file a revision; never edited.

A step is a function `upgrade(op)` that says all it needs by itself: the tables of
`log.database` move on, a step stays. `op` is an argument because Alembic's own `op` is one
for the whole process, and MLflow migrates its tables through it, perhaps at the same time.
"""
