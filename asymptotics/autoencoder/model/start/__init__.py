"""Weights at τ = 0: their overlaps, and weights in R^d that have them."""
