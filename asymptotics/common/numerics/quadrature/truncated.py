"""Gauss rules of the normal law on the two sides of a point, tabulated in the point.

For functions that are polynomial (or smooth) on both sides of a break: z ~ N(0, 1) is split there, and each side has the few nodes
of its own orthogonal polynomials (Golub and Welsch), which a table in the point of truncation gives by cubic interpolation.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ..code.compiled import njit

#: The table: points −FAR, …, FAR of truncation in steps of `SPACING`.
FAR, SPACING = 9.0, 0.05


@lru_cache(maxsize=16)
def half_rules(count: int) -> np.ndarray:
    """Nodes and weights (sum 1) of N(0, 1) above every point of the table, (points, 2, count)."""
    x, w = np.polynomial.legendre.leggauss(200)
    starts = -FAR + SPACING * np.arange(round(2 * FAR / SPACING) + 1)
    low, high = starts, np.maximum(starts, 0.0) + FAR
    z = low[:, None] + (high - low)[:, None] * (x + 1) / 2
    mass = w * (high - low)[:, None] / 2 * np.exp(-(z**2 - np.maximum(low, 0.0)[:, None] ** 2) / 2)
    mass /= mass.sum(axis=1, keepdims=True)
    before, p = np.zeros_like(z), np.ones_like(z)
    diagonal, beside = np.empty((len(starts), count)), np.empty((len(starts), count))
    norm = np.zeros(len(starts))
    for k in range(count):
        diagonal[:, k] = np.sum(mass * z * p * p, axis=1)
        q = (z - diagonal[:, k, None]) * p - norm[:, None] * before
        norm = np.sqrt(np.sum(mass * q * q, axis=1))
        beside[:, k] = norm
        before, p = p, q / norm[:, None]
    matrix = np.zeros((len(starts), count, count))
    index = np.arange(count)
    matrix[:, index, index] = diagonal
    matrix[:, index[1:], index[:-1]] = matrix[:, index[:-1], index[1:]] = beside[:, :-1]
    nodes, vectors = np.linalg.eigh(matrix)
    return np.ascontiguousarray(np.stack([nodes, vectors[:, 0] ** 2], axis=1))


@njit(cache=True, nogil=True, error_model="numpy")
def _side(t: float, table: np.ndarray, mass: float, sign: float, z: np.ndarray, w: np.ndarray, first: int) -> int:
    """Nodes of N(0, 1) above t (mirrored if sign is −1), with the weights times ``mass``."""
    u = (min(max(t, -FAR), FAR) + FAR) / SPACING
    i = min(max(int(u), 1), table.shape[0] - 3)
    f = u - i
    a, b = -f * (f - 1.0) * (f - 2.0) / 6.0, (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
    c, d = -(f + 1.0) * f * (f - 2.0) / 2.0, (f + 1.0) * f * (f - 1.0) / 6.0
    for j in range(table.shape[2]):
        z[first + j] = sign * (
            a * table[i - 1, 0, j] + b * table[i, 0, j] + c * table[i + 1, 0, j] + d * table[i + 2, 0, j]
        )
        w[first + j] = mass * (
            a * table[i - 1, 1, j] + b * table[i, 1, j] + c * table[i + 1, 1, j] + d * table[i + 2, 1, j]
        )
    return first + table.shape[2]


@njit(cache=True, nogil=True, error_model="numpy")
def split_axis(t: float, table: np.ndarray, negligible: float, z: np.ndarray, w: np.ndarray) -> int:
    """Nodes and weights of N(0, 1) split at t, without a side whose mass is negligible; their number."""
    above = 0.5 * math.erfc(t / math.sqrt(2.0))
    count = 0
    if above > negligible:
        count = _side(t, table, above, 1.0, z, w, count)
    if 1.0 - above > negligible:
        count = _side(-t, table, 1.0 - above, -1.0, z, w, count)
    return count
