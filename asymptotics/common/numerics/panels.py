"""Functions of τ kept on panels: Chebyshev–Lobatto nodes, their Lagrange polynomials, and Runge–Kutta steps through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)
def lobatto(count: int) -> np.ndarray:
    """Chebyshev–Lobatto nodes of [0, 1], both ends among them."""
    nodes = (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2
    nodes.setflags(write=False)
    return nodes


def lagrange(s: float, count: int) -> np.ndarray:
    """The nodes' Lagrange polynomials at s."""
    x = lobatto(count)
    return np.array([np.prod([(s - x[m]) / (x[k] - x[m]) for m in range(count) if m != k]) for k in range(count)])


def panel_of(knots: np.ndarray, tau: np.ndarray | float) -> np.ndarray:
    """The panel [knots[k], knots[k + 1]] that holds τ (several: each its own)."""
    return np.clip(np.searchsorted(knots, tau, side="right") - 1, 0, len(knots) - 2)


def runge_kutta(
    slope: Callable[[float, np.ndarray], np.ndarray], y: np.ndarray, start: float, end: float, stiffness: float
) -> np.ndarray:
    """y at ``end`` by the classical method of order 4, in equal steps of at most half of 1/stiffness."""
    if end <= start:
        return y
    steps = max(1, int(np.ceil((end - start) * stiffness / 0.5)))
    h = (end - start) / steps
    for step in range(steps):
        tau = start + step * h
        k1 = slope(tau, y)
        k2 = slope(tau + h / 2, y + h / 2 * k1)
        k3 = slope(tau + h / 2, y + h / 2 * k2)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(tau + h, y + h * k3))
    return y
