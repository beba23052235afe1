"""The version in production, kept and refreshed, and every way to a quote."""
