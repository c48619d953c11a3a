"""Deterministic equivalents of resolvents of the empirical covariance, with their terms of O(1) and O(1/N)."""
