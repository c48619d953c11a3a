"""Linear equations along a panel of τ, whose coefficients are known at its nodes (`panels`): compiled Runge–Kutta steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import njit


@njit(cache=True, nogil=True, error_model="numpy")
def carried(J: Any, weights: Any, also: Any, factors: Any, source: Any, y: Any, both: Any, h: Any) -> Any:
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
        Symmetric where ``both`` is true.
    both : bool
    h : float
    """
    n = J.shape[1]
    now, slope, at, total = np.empty((n, n)), np.empty(y.shape), np.empty(y.shape), np.empty(y.shape)
    for step in range((weights.shape[0] - 1) // 2):
        total[:] = 0.0
        at[:] = y
        for stage in range(4):
            k = 2 * step + (stage + 1) // 2
            if stage != 2:
                now[:] = 0.0
                for m in range(J.shape[0]):
                    now += weights[k, m] * J[m]
                for m in range(also.shape[0]):
                    now += factors[k, m] * also[m]
            np.dot(now, at, slope)
            if both:
                for i in range(n):
                    for j in range(i + 1):
                        slope[i, j] = slope[j, i] = slope[i, j] + slope[j, i]
            for m in range(source.shape[0]):
                slope += weights[k, m] * source[m]
            total += (1.0 if stage == 0 or stage == 3 else 2.0) * slope
            at[:] = y + (h if stage == 2 else 0.5 * h) * slope
        y = y + h / 6.0 * total
    return y
