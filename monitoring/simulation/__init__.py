"""Months of production played in minutes."""
