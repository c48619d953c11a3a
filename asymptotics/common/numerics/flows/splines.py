"""Curves through given points in NumPy alone: a process that evaluates a few of them need not load SciPy for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def spline(x: np.ndarray, y: np.ndarray, at: ArrayLike) -> np.ndarray:
    """The cubic spline through the points (x, y), "not a knot" at both ends, at the places ``at``.

    C. de Boor, *A Practical Guide to Splines* (Springer 1978), ch. IV. Trailing axes of ``y`` are curves of their own; of two
    points the line, of three the parabola.
    """
    return _hermite(x, y, _smooth_slopes(np.diff(x), y), at)


def monotone(x: np.ndarray, y: np.ndarray, at: ArrayLike) -> np.ndarray:
    """A curve through the points (x, y) that makes no extremum between them, at the places ``at``: cubic, of continuous slope.

    F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300. Trailing axes of ``y`` are curves of their own.
    """
    return _hermite(x, y, _limited_slopes(np.diff(x), y), at)


def _hermite(x: np.ndarray, y: np.ndarray, slope: np.ndarray, at: ArrayLike) -> np.ndarray:
    at = np.asarray(at, dtype=np.float64)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    lead = (..., *(None,) * (y.ndim - 1))
    h, s = (x[k + 1] - x[k])[lead], (at - x[k])[lead]
    rise = (y[k + 1] - y[k]) / h
    bend = (slope[k] + slope[k + 1] - 2 * rise) / h
    return np.asarray(y[k] + s * (slope[k] + s * ((rise - slope[k]) / h - bend + s * bend / h)))


def _smooth_slopes(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    n = len(y)
    wide = h[(slice(None), *(None,) * (y.ndim - 1))]
    rise = np.diff(y, axis=0) / wide
    if n == 2:
        return np.stack([rise[0], rise[0]])
    if n == 3:
        bend = (rise[1] - rise[0]) / (h[0] + h[1])
        return np.stack([rise[0] - bend * h[0], rise[0] + bend * h[0], rise[1] + bend * h[1]])
    A, right = np.zeros((n, n)), np.empty_like(y, dtype=np.float64)
    inner = np.arange(1, n - 1)
    A[inner, inner - 1], A[inner, inner], A[inner, inner + 1] = h[1:], 2 * (h[1:] + h[:-1]), h[:-1]
    right[1:-1] = 3 * (wide[1:] * rise[:-1] + wide[:-1] * rise[1:])
    first, last = h[0] + h[1], h[-1] + h[-2]
    A[0, 0], A[0, 1], A[-1, -1], A[-1, -2] = h[1], first, h[-2], last
    right[0] = ((h[0] + 2 * first) * h[1] * rise[0] + h[0] ** 2 * rise[1]) / first
    right[-1] = (h[-1] ** 2 * rise[-2] + (2 * last + h[-1]) * h[-2] * rise[-1]) / last
    return np.asarray(np.linalg.solve(A, right.reshape(n, -1)).reshape(y.shape))


def _limited_slopes(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    n = len(y)
    wide = h[(slice(None), *(None,) * (y.ndim - 1))]
    rise = np.diff(y, axis=0) / wide
    if n == 2:
        return np.stack([rise[0], rise[0]])
    left, right = 2 * wide[1:] + wide[:-1], wide[1:] + 2 * wide[:-1]
    rising = np.sign(rise[1:]) * np.sign(rise[:-1]) > 0
    safe = [np.where(rising, r, 1.0) for r in (rise[:-1], rise[1:])]
    inner = np.where(rising, (left + right) / (left / safe[0] + right / safe[1]), 0.0)
    ends = [_end_slope(h[0], h[1], rise[0], rise[1]), _end_slope(h[-1], h[-2], rise[-1], rise[-2])]
    return np.concatenate([ends[0][None], inner, ends[1][None]])


def _end_slope(h: float, further: float, rise: np.ndarray, next_rise: np.ndarray) -> np.ndarray:
    slope = ((2 * h + further) * rise - h * next_rise) / (h + further)
    slope = np.where(np.sign(slope) != np.sign(rise), 0.0, slope)
    steep = (np.sign(rise) != np.sign(next_rise)) & (np.abs(slope) > 3 * np.abs(rise))
    return np.where(steep, 3 * rise, slope)
