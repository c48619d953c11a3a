"""Functions of τ kept on panels: Chebyshev–Lobatto nodes and their Lagrange polynomials."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)
def lobatto(count: int) -> np.ndarray:
    """Chebyshev–Lobatto nodes of [0, 1], both ends among them."""
    nodes = (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2
    nodes.setflags(write=False)
    return nodes


def lagrange(s: np.ndarray, count: int) -> np.ndarray:
    """The nodes' Lagrange polynomials at s (m,), as (m, count)."""
    x = lobatto(count)
    ratios = [[np.ones_like(s) if m == k else (s - x[m]) / (x[k] - x[m]) for m in range(count)] for k in range(count)]
    return np.prod(ratios, axis=1).T.copy()


def panel_of(knots: np.ndarray, tau: np.ndarray | float) -> np.ndarray:
    """The panel [knots[k], knots[k + 1]] that holds τ (several: each its own)."""
    return np.clip(np.searchsorted(knots, tau, side="right") - 1, 0, len(knots) - 2)
