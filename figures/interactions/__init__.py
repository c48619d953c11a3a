"""Interacting theories."""
