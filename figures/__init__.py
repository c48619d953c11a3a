"""Figures of the papers, regenerated: one module a room (floor 4)."""
