"""Sums of Gaussian kernels over pairs of points, in the log domain: what overlaps of kernel estimates are made of."""

from __future__ import annotations

import math

import numpy as np

TILE = 512  # pairs are worked on in square tiles that stay in cache
LARGEST_SPREAD = 1e5  # of |x|²/h²: beyond, |x|² + |y|² − 2xy would lose more than 1e-11 of the exponent


def kernel_variance(count: int, dimension: int) -> float:
    r"""h² = n^{−2/d} in units of σ²: the width at which the n self-overlaps of a kernel estimate add up to ∫ p²."""
    return math.exp(-2.0 / dimension * math.log(count))


def log_pair_sum(
    left: np.ndarray, variance: float, right: np.ndarray | None = None, *, enough: float = math.inf
) -> float:
    r"""ln Σ_{ij} exp(−|x_i − y_j|²/(2v)); with one set of points the pairs i ≠ j only.

    Parameters
    ----------
    left : ndarray, shape (n, d)
        x.
    variance : float
        v, the sum of the two kernel variances.
    right : ndarray, shape (m, d), optional
        y; without it the sum runs over ordered pairs i ≠ j of ``left``.
    enough : float, optional
        Stop as soon as the partial sum, a lower bound, exceeds e^enough, and return that.

    Returns
    -------
    float
        −∞ if there are no pairs.

    Notes
    -----
    Squared distances come from matrix products of points shifted to their common centre, where rounding is then below
    1e-11 of the exponent; else from differences of coordinates. The second pass is for sums below e^{−300}.
    """
    centre = left.mean(axis=0)
    x = (left - centre) / math.sqrt(variance)
    y = x if right is None else (right - centre) / math.sqrt(variance)
    spread = max(float(np.max(np.einsum("ij,ij->i", v, v), initial=0.0)) for v in (x, y))
    direct = spread > LARGEST_SPREAD
    limit = math.exp(enough) if -300.0 < enough < 700.0 else math.inf
    total = _sum_tiles(x, y, right is None, direct, limit, shifted=False)
    return total if total > -300.0 else _sum_tiles(x, y, right is None, direct, math.inf, shifted=True)


def _sum_tiles(x: np.ndarray, y: np.ndarray, same: bool, direct: bool, limit: float, *, shifted: bool) -> float:
    x_half = 0.5 * np.einsum("ij,ij->i", x, x)
    y_half = x_half if same else 0.5 * np.einsum("ij,ij->i", y, y)
    buffer = np.empty((TILE, TILE))
    peak, sums = (-math.inf if shifted else 0.0), 0.0
    for i in range(0, len(x), TILE):
        rows = x[i : i + TILE]
        for j in range(i if same else 0, len(y), TILE):
            columns = y[j : j + TILE]
            tile = buffer[: len(rows), : len(columns)]
            if direct:
                tile[...] = 0.0
                for k in range(x.shape[1]):
                    tile -= 0.5 * (rows[:, k, None] - columns[None, :, k]) ** 2
            else:
                np.matmul(rows, columns.T, out=tile)
                tile -= x_half[i : i + TILE, None]
                tile -= y_half[j : j + TILE]
            if same and i == j:
                np.fill_diagonal(tile, -math.inf)
            if shifted:
                top = float(tile.max())
                if top == -math.inf:
                    continue
                if top > peak:
                    sums, peak = sums * math.exp(peak - top), top
                tile -= peak
            np.exp(tile, out=tile)
            sums += (2.0 if same and i != j else 1.0) * float(tile.sum())
            if sums > limit:
                return math.log(sums)
    return peak + math.log(sums) if sums > 0.0 else -math.inf


def log_kernel_excess(points: np.ndarray, *, enough: float = math.inf) -> float:
    r"""ln[∫ p² − 1] of a kernel estimate in units of (4πσ²)^{−d/2}: ln (1/n) Σ_{i≠j} exp(−|x_i − x_j|²/4h²).

    The self-overlaps give h^{−d}/n = 1 exactly, whatever n: they are never computed.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    enough : float, optional
        Stop as soon as the result is known to exceed this, and return the lower bound that does.
    """
    n, d = points.shape
    return log_pair_sum(points, 2.0 * kernel_variance(n, d), enough=enough + math.log(n)) - math.log(n)


def log_kernel_excess_bound(points: np.ndarray, coordinates: int) -> float:
    r"""A rigorous upper bound on `log_kernel_excess` at half its cost or less.

    Distances in the first ``coordinates`` coordinates are not larger than the full ones. They are evaluated in single
    precision, and the result is raised by a bound on all rounding: an exponent x·y − |x|²/2 − |y|²/2 of k terms errs by
    at most (k + 4) u (2 max|x|²), u = 2^{−24}; exponentials and their sums by far less than 1e-3 of themselves; and
    one that underflows is below 2^{−126}.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    coordinates : int
        1 … d.

    Returns
    -------
    float
        Infinite where rounding is too large for a bound.
    """
    n, d = points.shape
    x = (points - points.mean(axis=0))[:, :coordinates] / math.sqrt(2.0 * kernel_variance(n, d))
    squares = np.einsum("ij,ij->i", x, x)
    rounding = (coordinates + 4) * 2.0**-24 * 2.0 * float(squares.max())
    if rounding > 0.1:
        return math.inf
    half = -0.5 * squares[:, None]
    left = np.hstack([x, half, np.ones_like(half)]).astype(np.float32)
    right = np.hstack([x, np.ones_like(half), half]).astype(np.float32)
    buffer = np.empty((TILE, TILE), dtype=np.float32)
    total = 0.0
    for i in range(0, n, TILE):
        rows = left[i : i + TILE]
        for j in range(i, n, TILE):
            columns = right[j : j + TILE]
            tile = buffer[: len(rows), : len(columns)]
            np.matmul(rows, columns.T, out=tile)
            if i == j:
                np.fill_diagonal(tile, -math.inf)
            np.exp(tile, out=tile)
            total += (1.0 if i == j else 2.0) * float(tile.sum())
    return rounding + 1e-3 + math.log(total + float(n) * n * 2.0**-126) - math.log(n)
