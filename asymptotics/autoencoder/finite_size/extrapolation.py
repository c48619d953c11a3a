"""Means at finite d as means at d → ∞: what is known of the bias is subtracted, the next order is the experiment's own.

With ensembles at d and at a lower dimension, E y = y_∞ + m₁/d + m₂/d² + … leaves one order to be measured: m₁ where it is
not derived, m₂ where it is. The runs come back as *equivalent runs*: independent values whose mean is the extrapolation and
whose spread is that of both ensembles, so that every statistic of runs applies to them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def coefficients(d: float, low_d: float, order: int) -> tuple[float, float]:
    """(a, b): a·(mean at d) + b·(mean at low_d) has no bias of the given order in 1/d."""
    ratio = (low_d / d) ** order
    return 1 / (1 - ratio), -ratio / (1 - ratio)


def _ranks(n: int, like: np.ndarray) -> np.ndarray:
    return np.arange(1.0, n).reshape(-1, *[1] * (like.ndim - 1))


def contrasts(x: np.ndarray) -> np.ndarray:
    """(n − 1, ...) orthonormal contrasts of n runs (Helmert's): each run against the mean of those before it."""
    k, x = _ranks(len(x), x), x - x.mean(axis=0)
    return np.asarray((np.cumsum(x, axis=0)[:-1] - k * x[1:]) / np.sqrt(k * (k + 1)))


def from_contrasts(y: np.ndarray) -> np.ndarray:
    """The n runs of mean zero whose `contrasts` are the n − 1 given ones."""
    k = _ranks(len(y) + 1, y)
    y = y / np.sqrt(k * (k + 1))
    out = np.zeros((len(y) + 1, *y.shape[1:]))
    out[:-1] = np.cumsum(y[::-1], axis=0)[::-1]
    out[1:] -= k * y
    return out


def pooled(
    main: np.ndarray, low: np.ndarray, d: int, low_d: int, order: int, spread: ArrayLike, low_spread: ArrayLike
) -> np.ndarray:
    """Equivalent runs (n + m − 1, ...) of n runs at d and m at low_d, whose standard deviations are in a known proportion.

    Parameters
    ----------
    main, low : (n, ...), (m, ...)
        Less than two runs in ``low``: ``main`` as it is.
    order : int
        The order in 1/d that is extrapolated away.
    spread, low_spread : array_like
        Standard deviations of one run, up to a common factor for every number.
    """
    if len(low) < 2:
        return np.asarray(main)
    n, m = len(main), len(low)
    a, b = coefficients(d, low_d, order)
    estimate = a * main.mean(axis=0) + b * low.mean(axis=0)
    error = np.sqrt(a**2 * np.square(spread) / n + b**2 * np.square(low_spread) / m)
    residual = np.concatenate([contrasts(main) / spread, contrasts(low) / low_spread]) * error * np.sqrt(n + m - 1)
    return np.asarray(estimate + from_contrasts(residual))


def paired(main: np.ndarray, low: np.ndarray, d: int, low_d: int, order: int) -> np.ndarray:
    """Equivalent runs (n, ...) of n runs at d, each with its share of those at low_d: nothing is assumed about variances."""
    if len(low) < 2:
        return np.asarray(main)
    share = len(low) // len(main)
    a, b = coefficients(d, low_d, order)
    means = low[: share * len(main)].reshape(len(main), share, *low.shape[1:]).mean(axis=1)
    return np.asarray(a * main + b * means)
