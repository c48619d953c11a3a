r"""One parameter: x_2 = c x_1² + ε, the flow (x_1, x_2 − c x_1²), with everything known but c.

.. math:: \mathbb E\,\mathrm{KL} = \tfrac32\int_0^\infty φ(s)^N ds, \qquad
          φ(s) = \mathbb E e^{-sx^4} = \sqrt{2u/π}\, e^u K_{1/4}(u),\; u = \tfrac1{32s}.
"""

from __future__ import annotations

import numpy as np
from scipy.special import kve

from ...common.input.checks import InputError, array, integer

#: Nodes of the trapezoidal rule in the logarithm of s, and its reach.
NODES = 4000


def laplace(s: np.ndarray) -> np.ndarray:
    """φ(s) = E exp(−s x⁴), x ~ N(0, 1)."""
    u = 1 / (32 * np.asarray(s, dtype=float))
    large = u > 1e8
    safe = np.where(large, 1.0, u)
    # kve holds e^u; beyond 1e8 it loses digits, and 1 − 3s is exact to rounding.
    return np.where(large, 1 - 3 * np.asarray(s, dtype=float), np.sqrt(2 * safe / np.pi) * kve(0.25, safe))


def banana_kl(samples: int) -> float:
    """E KL of the most likely c after N samples, the same in both directions; its variance is finite for N ≥ 9.

    Raises
    ------
    InputError
        For N < 5, where it is infinite (φ ~ s^{−1/4}).
    """
    n = integer("samples", samples, at_least=1)
    if n < 5:
        raise InputError(f"samples = {n}: must be at least 5; the mean divergence is infinite")
    # φ^N ~ s^{−N/4} at large s: the tail beyond e^top is below e^{−(N/4 − 1)·top}.
    top = 40.0 / (n / 4 - 1) + 10.0
    grid = np.linspace(-45.0, top, NODES * (1 + int((top + 45) / 100)))
    s = np.exp(grid)
    return float(1.5 * np.sum(laplace(s) ** n * s) * (grid[1] - grid[0]))


def banana_series(samples: int) -> float:
    """The same at large N: (1/2N)(1 + 32/(3N) − 32/(3N²))."""
    n = integer("samples", samples, at_least=1)
    return 1 / (2 * n) * (1 + 32 / (3 * n) - 32 / (3 * n**2))


def banana_fit(x: np.ndarray) -> float:
    """ĉ = Σx₁²x₂/Σx₁⁴ of samples, shape (N, 2)."""
    points = array("x", x, shape=(None, 2))
    return float(points[:, 0] ** 2 @ points[:, 1] / np.sum(points[:, 0] ** 4))


def banana_divergence(c: float, other: float) -> float:
    """KL between two bananas, in either direction: (3/2)(c − c')²."""
    return 1.5 * (c - other) ** 2
