"""Training points on a line or a circle: checks, spacing, and where a position lies among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import array, fail, integer, number

#: Largest relative deviation of a gap from the mean gap that counts as uniform spacing (digits typed in a file).
UNIFORM = 1e-6
#: More training points than this are a slip of the pen.
MOST_POINTS = 1_000_000


def checked_points(value: ArrayLike, *, uniform: bool = False, name: str = "points") -> np.ndarray:
    """Return increasing positions y_1 < … < y_n as float64, n >= 2.

    Parameters
    ----------
    value : int or sequence of float
        An integer n stands for n uniformly spaced points on [−1, 1].
    uniform : bool
        Whether equal spacing 2Δ is required; it is then made exact.

    Raises
    ------
    InputError
        If the positions are not finite, fewer than two, unsorted, repeated, or not uniform where they must be.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return np.linspace(-1.0, 1.0, integer(name, value, at_least=2, at_most=MOST_POINTS))
    y = array(name, value, ndim=1)
    if y.size < 2:
        fail(name, value, "an integer >= 2 or a list of at least two positions")
    gaps = np.diff(y)
    if np.any(gaps == 0.0):
        fail(name, value, "distinct positions (one is repeated)")
    if np.any(gaps < 0.0):
        fail(name, value, "sorted in increasing order")
    if uniform:
        if not is_uniform(y):
            fail(name, value, "uniformly spaced (other spacings: kernel = box-numerical, gaussian or none)")
        return np.linspace(y[0], y[-1], y.size)
    return y


def circle_points(n: int) -> np.ndarray:
    """y_k = (cos 2πk/n, sin 2πk/n), shape (n, 2); n >= 3."""
    angle = 2 * np.pi * np.arange(integer("points", n, at_least=3)) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def is_uniform(points: np.ndarray) -> bool:
    """Whether all gaps are equal (to one part in 10⁶)."""
    gaps = np.diff(points)
    mean = (points[-1] - points[0]) / (points.size - 1)
    return bool(np.all(np.abs(gaps - mean) <= UNIFORM * mean))


def half_spacing(points: np.ndarray) -> float:
    """Δ, half of the smallest gap between neighbours (of every gap, if they are uniform)."""
    if is_uniform(points):
        return float((points[-1] - points[0]) / (2 * (points.size - 1)))
    return float(np.min(np.diff(points))) / 2


def midpoints(points: np.ndarray) -> np.ndarray:
    """c_k = (y_k + y_{k+1})/2, shape (n − 1,)."""
    return (points[:-1] + points[1:]) / 2


def half_gaps(points: np.ndarray) -> np.ndarray:
    """(y_{k+1} − y_k)/2, shape (n − 1,); exactly Δ for uniform points, whatever the rounding of the positions."""
    if is_uniform(points):
        return np.full(points.size - 1, half_spacing(points))
    return np.diff(points) / 2


def locate(points: np.ndarray, base: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, v): the training point nearest to y_base + offset, and the offset from it.

    Where that is y_base itself the offset is kept to the last digit: near a point it may be far below the rounding of y.
    """
    k = nearest(points, points[base] + offset)
    return k, (points[base] - points[k]) + offset


def nearest(points: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Index of the training point nearest to each position."""
    return np.searchsorted(midpoints(points), x)


def positive_time(name: str, value: object) -> float:
    """A time t > 0 as float, or fail naming it."""
    return number(name, value, above=0.0)
