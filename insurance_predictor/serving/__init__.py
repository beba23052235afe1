"""A version, loaded and checked; the one in production, kept and refreshed; the one way to a
quote.
"""
