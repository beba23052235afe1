"""Yearly insurance premiums: from a table of people to a model in production."""
