"""Invertible networks of any depth: their density, action and fits."""
