"""Gauss rules of the normal law on the two sides of a point, tabulated in the point.

For functions that are polynomial (or smooth) on both sides of a break: z ~ N(0, 1) is split there, and each side has the few nodes
of its own orthogonal polynomials (Golub and Welsch), which a table of polynomials in the point of truncation gives.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ..code.compiled import inlined

#: The table: points −FAR, …, FAR of truncation in steps of `SPACING`; its polynomials go through the points so far to both sides.
FAR, SPACING, BESIDE = 9.0, 0.05, 3


def half_rules(starts: np.ndarray, count: int) -> np.ndarray:
    """Nodes and weights (sum 1) of N(0, 1) above every one of some points, (points, 2, count)."""
    x, w = np.polynomial.legendre.leggauss(200)
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


@lru_cache(maxsize=16)
def split_table(count: int) -> np.ndarray:
    """Nodes, and weights times the mass above the point, between neighbouring points of truncation: (intervals, 6, 2 count).

    Coefficients of polynomials in the place within an interval, from −1/2 to 1/2.
    """
    points = -FAR + SPACING * np.arange(1 - BESIDE, round(2 * FAR / SPACING) + BESIDE)
    rules = half_rules(points, count)
    rules[:, 1] *= [[0.5 * math.erfc(t / math.sqrt(2.0))] for t in points]
    places = np.arange(2 * BESIDE) - BESIDE + 0.5
    windows = np.lib.stride_tricks.sliding_window_view(rules.reshape(len(points), -1), 2 * BESIDE, axis=0)
    inverse = np.linalg.inv(np.vander(places, increasing=True))
    return np.ascontiguousarray(np.einsum("kp,ijp->ikj", inverse, windows))


@inlined
def _side(t: float, table: np.ndarray, negligible: float, sign: float, z: np.ndarray, w: np.ndarray, first: int) -> int:
    """Nodes and weights of N(0, 1) above t (mirrored if sign is −1) after the ``first``; where these end, if their mass counts."""
    u = (min(max(t, -FAR), FAR) + FAR) * (1.0 / SPACING)
    i = min(int(u), table.shape[0] - 1)
    x, count, mass = u - i - 0.5, table.shape[2] // 2, 0.0
    for j in range(count):
        node, weight = table[i, 5, j], table[i, 5, count + j]
        for k in range(4, -1, -1):
            node, weight = node * x + table[i, k, j], weight * x + table[i, k, count + j]
        z[first + j], w[first + j] = sign * node, weight
        mass += weight
    return first + count if mass > negligible else first


@inlined
def split_axis(t: float, table: np.ndarray, negligible: float, z: np.ndarray, w: np.ndarray) -> int:
    """Nodes and weights of N(0, 1) split at t, without a side whose mass is negligible; their number."""
    return _side(-t, table, negligible, -1.0, z, w, _side(t, table, negligible, 1.0, z, w, 0))
