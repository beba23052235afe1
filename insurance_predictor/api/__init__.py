"""Quotes for other programs, by HTTP: who may ask, how much at once, and what is answered."""
