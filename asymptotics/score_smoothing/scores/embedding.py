"""A line in R^d, and the Ornstein–Uhlenbeck process: maps that carry every one-dimensional statement over."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array, fail
from ..points import positive_time
from .score import Score


class Flow(Protocol):
    """Anything with a score and a flow."""

    def __call__(self, x: ArrayLike, t: float) -> np.ndarray:
        """The score at positions ``x`` and time ``t``."""
        ...

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """Positions at ``end`` of particles at ``x`` at ``start``."""
        ...


class LineInSpace:
    r"""A one-dimensional score along a line in R^d; exact −x_⊥/t in the normal directions.

    The softmax weights of data on a line depend on the tangential coordinate u = e·(x − origin) alone, so that the empirical
    score splits exactly: s_t(x) = s_t(u) e − x_⊥/t, and x_⊥(s) = √(s/t) x_⊥(t). Smoothing acts along e only: the line is
    recovered, the points on it are not repeated.

    Parameters
    ----------
    score : Score
        Score along the line.
    origin, direction : sequence of float, shape (d,)
        The line; ``direction`` is normalised.
    """

    def __init__(self, score: Score, origin: ArrayLike, direction: ArrayLike) -> None:
        self.score = score
        self.origin = array("origin", origin, ndim=1)
        e = array("direction", direction, shape=(self.origin.size,))
        length = float(np.linalg.norm(e))
        if length == 0.0:
            fail("direction", direction, "a vector that is not zero")
        self.direction = e / length

    @staticmethod
    def coordinates(vectors: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(positions, origin, direction) of points in R^d that lie on one line, shape (n, d); positions in given order.

        Raises
        ------
        InputError
            If the points are not collinear (to 1e-9 of their extent).
        """
        v = array("vectors", vectors, ndim=2)
        centre = v.mean(axis=0)
        e = v[-1] - v[0]
        extent = float(np.linalg.norm(e))
        if v.shape[0] < 2 or extent == 0.0:
            fail("vectors", vectors, "at least two points, the first and last distinct")
        e = e / extent
        u = (v - centre) @ e
        if np.max(np.abs(v - centre - u[:, None] * e)) > 1e-9 * extent:
            fail("vectors", vectors, "points on one line")
        return u, centre, e

    def decompose(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Tangential coordinate, shape (...), and normal vector, shape (..., d), of positions of shape (..., d)."""
        from_origin = np.asarray(x, dtype=np.float64) - self.origin
        u = from_origin @ self.direction
        return u, from_origin - u[..., None] * self.direction

    def _join(self, u: np.ndarray, normal: np.ndarray) -> np.ndarray:
        return u[..., None] * self.direction + normal

    def __call__(self, x: ArrayLike, t: float) -> np.ndarray:
        """s_t(x), shape (..., d)."""
        u, normal = self.decompose(x)
        return self._join(self.score(u, t), -normal / positive_time("t", t))

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """Tangential flow of the score, normal part times √(end/start); shape (..., d)."""
        u, normal = self.decompose(x)
        return self.origin + self._join(self.score.flow(u, start, end), np.sqrt(end / start) * normal)


class OrnsteinUhlenbeck:
    r"""The same score for dx = −x dt + √2 dW instead of the variance-exploding process.

    With τ = e^{2t} − 1: x_t^{OU} = e^{−t} x_τ^{VE}, s^{OU}(x, t) = e^t s^{VE}(e^t x, τ), flow e^{−s} φ_{τ_s|τ_t}(e^t x); a
    δ = κ√τ becomes κ√(1 − e^{−2t}) = κσ_t.

    Parameters
    ----------
    score : Score or LineInSpace
        The variance-exploding score.
    """

    def __init__(self, score: Flow) -> None:
        self.score = score

    def __call__(self, x: ArrayLike, t: float) -> np.ndarray:
        """s_t^{OU}(x), shape of ``x``."""
        grow = float(np.exp(positive_time("t", t)))
        return grow * self.score(grow * np.asarray(x, dtype=np.float64), float(np.expm1(2 * t)))

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """e^{−s} φ_{τ_s|τ_t}(e^t x), shape of ``x``; ``end`` = 0 where the score allows it."""
        x = float(np.exp(start)) * np.asarray(x, dtype=np.float64)
        return float(np.exp(-end)) * self.score.flow(x, float(np.expm1(2 * start)), float(np.expm1(2 * end)))
