"""Closed forms of divergences, distances and bandwidths at given signal fraction, dimension and number of samples."""
