"""Premiums for portfolios of any size: read, predicted and written a part at a time."""
