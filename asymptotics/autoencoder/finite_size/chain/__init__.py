"""Compiled steps of the exact chain, and what they draw."""
