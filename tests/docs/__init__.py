"""What the documents promise, tried."""
