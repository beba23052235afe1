"""How far a test is believed: the reference's own luck is in every window of a version."""

SHARE_OF_SAMPLE = 0.5


def believed_rows(sample_rows: int, rows: int) -> int:
    """How many of a window's `rows` count in a test against `sample_rows`: at most half as many.

    All windows of a version are compared with one sample. When they are larger than it, its luck
    outweighs theirs, and a sample that is a little unusual would be called drift week after week,
    however many windows have to agree. Believed like this, it is at most a third of the variance
    that a test allows for.
    """
    return min(rows, max(round(SHARE_OF_SAMPLE * sample_rows), 1))


def effective_rows(sample_rows: int, rows: int) -> float:
    """mn/(m + n): the size of one sample that says as much as two of these sizes compared."""
    return sample_rows * rows / (sample_rows + rows)
