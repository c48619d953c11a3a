"""The generative SDE in R^d, point by point."""
