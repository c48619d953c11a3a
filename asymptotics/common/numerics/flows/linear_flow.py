"""Linear equations along a panel of τ, whose coefficients are known at its nodes (`panels`): compiled Runge–Kutta steps."""

from __future__ import annotations

import numpy as np

from ..code.compiled import njit


@njit(cache=True, nogil=True, error_model="numpy")
def carried(
    J: np.ndarray, weights: np.ndarray, also: np.ndarray, factors: np.ndarray, source: np.ndarray, y: np.ndarray,
    both: bool, h: float,
) -> np.ndarray:  # fmt: skip
    """y after steps h of the classical method of order 4 for dy/dτ = J y + source, or J y + y Jᵀ + source.

    Parameters
    ----------
    J, source : (nodes, n, n), (nodes, n, m)
        At the nodes of a panel (no source: length 0).
    weights : (2 steps + 1, nodes)
        Of the nodes at the ends and the middle of every step.
    also, factors : (k, n, n), (2 steps + 1, k)
        What is added to J, with factors of its own.
    y : (n, m)
        Symmetric where ``both`` is true; overwritten.
    both : bool
    h : float
    """
    (n, m), nodes = y.shape, J.shape[0]
    now, slope, at, total = np.empty((n, n)), np.empty((n, m)), y.copy(), np.empty((n, m))
    for step in range((weights.shape[0] - 1) // 2):
        for stage in range(4):
            k = 2 * step + (stage + 1) // 2
            if stage != 2:
                for i in range(n):
                    for j in range(n):
                        value = 0.0
                        for q in range(nodes):
                            value += weights[k, q] * J[q, i, j]
                        for q in range(also.shape[0]):
                            value += factors[k, q] * also[q, i, j]
                        now[i, j] = value
            np.dot(now, at, slope)
            if both:
                for i in range(n):
                    for j in range(i + 1):
                        slope[i, j] = slope[j, i] = slope[i, j] + slope[j, i]
            share = 1.0 if stage == 0 or stage == 3 else 2.0
            ahead = h if stage == 2 else 0.5 * h
            for i in range(n):
                for j in range(m):
                    value = slope[i, j]
                    for q in range(source.shape[0]):
                        value += weights[k, q] * source[q, i, j]
                    total[i, j] = share * value + (0.0 if stage == 0 else total[i, j])
                    at[i, j] = y[i, j] + ahead * value
        for i in range(n):
            for j in range(m):
                y[i, j] += h / 6.0 * total[i, j]
                at[i, j] = y[i, j]
    return y
