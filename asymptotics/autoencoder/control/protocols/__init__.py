"""Protocols: controls along the horizon, the search for the best of them, and what carries them out in R^d."""
