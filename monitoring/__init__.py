"""Assesses the predictions that were made, decides what is worth telling, and tells it."""
