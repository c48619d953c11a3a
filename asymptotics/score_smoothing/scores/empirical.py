"""The exact score of the noised training set, with its law and quantiles, and its piecewise-linear limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ...common.input.checks import number
from ..points import checked_points, midpoints, nearest, positive_time
from .score import REACH, Score


class EmpiricalScore(Score):
    r"""The exact score of the noised training set, p_t = (1/n) Σ_k N(y_k, t).

    s_t(x) = ∂_x log p_t = (m_t(x) − x)/t, with m_t the softmax-weighted mean of the training points. Its flow preserves
    the CDF: x_s = F_s^{-1}(F_t(x_t)), so that it ends on the training points. Chen 2025 (arXiv 2502.19499).

    Parameters
    ----------
    points : int or sequence of float
        Increasing training points, any spacing.
    """

    def __init__(self, points: ArrayLike) -> None:
        self.points = checked_points(points)
        self._middles = midpoints(self.points)
        self._largest_gap = float(np.max(np.diff(self.points)))

    def _window(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Training points that matter at each position, shape (..., m), and the index of the first one."""
        y = self.points
        if y.size <= 8:
            return y, np.zeros(x.shape, dtype=np.int64)
        reach = REACH * np.sqrt(t) + self._largest_gap
        each = int(np.max(np.searchsorted(y, y + reach, side="right") - np.arange(y.size)))
        if 2 * each + 1 >= y.size:
            return y, np.zeros(x.shape, dtype=np.int64)
        first = np.clip(np.searchsorted(self._middles, x) - each, 0, y.size - (2 * each + 1))
        return y[first[..., None] + np.arange(2 * each + 1)], first

    def _distances(self, x: np.ndarray, t: float, near: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """x − y_j for the training points that matter, shape (..., m), and the index of the first of them.

        With ``near`` the positions are y_near + x: their own point's distance is then x itself, without cancellation.
        """
        if near is None:
            y, first = self._window(x, t)
            return x[..., None] - y, first
        base = self.points[near]
        y, first = self._window(base + x, t)
        return (base[..., None] - y) + x[..., None], first

    def log_density(self, x: ArrayLike, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """log p_t(x) by log-sum-exp, shape of ``x``; ``near``: x are offsets from the training points of these indices."""
        distances, _ = self._distances(np.asarray(x, dtype=np.float64), positive_time("t", t), near)
        # Scaled before it is squared: a square may leave the floating-point numbers where its exponent does not.
        e = -((distances / np.sqrt(2 * t)) ** 2)
        top = e.max(axis=-1)
        return top + np.log(np.exp(e - top[..., None]).sum(axis=-1) / self.points.size) - 0.5 * np.log(2 * np.pi * t)

    def density(self, x: ArrayLike, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """p_t(x), shape of ``x``; ``near`` as in `log_density`."""
        return np.exp(self.log_density(x, t, near))

    def cdf(self, x: ArrayLike, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """F_t(x) = (1/n) Σ_k Φ((x − y_k)/√t), shape of ``x`` (infinities allowed); ``near`` as in `log_density`."""
        distances, first = self._distances(np.asarray(x, dtype=np.float64), positive_time("t", t), near)
        return (first + ndtr(distances / np.sqrt(t)).sum(axis=-1)) / self.points.size

    def survival(self, x: ArrayLike, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """1 − F_t(x) without cancellation, shape of ``x``; ``near`` as in `log_density`."""
        distances, first = self._distances(np.asarray(x, dtype=np.float64), positive_time("t", t), near)
        after = self.points.size - first - distances.shape[-1]
        return (after + ndtr(-distances / np.sqrt(t)).sum(axis=-1)) / self.points.size

    def lacking(self, x: np.ndarray, t: float, near: np.ndarray, count: np.ndarray) -> np.ndarray:
        """count/n − F_t(y_near + x) without cancellation: what lies above of the first ``count`` points' mass, less what lies
        below of the others'."""
        distances, first = self._distances(x, t, near)
        own = first[..., None] + np.arange(distances.shape[-1]) < count[..., None]
        share = ndtr(np.where(own, -distances, distances) / np.sqrt(t))
        return np.where(own, share, -share).sum(axis=-1) / self.points.size

    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """m_t(x) = Σ_k y_k softmax_k(−(x − y_k)²/2t), shape of ``x``; Δ tanh(Δx/t) for two points ±Δ."""
        x = np.asarray(x, dtype=np.float64)
        y, _ = self._window(x, positive_time("t", t))
        e = -((x[..., None] - y) ** 2) / (2 * t)
        weight = np.exp(e - e.max(axis=-1, keepdims=True))
        return (weight * y).sum(axis=-1) / weight.sum(axis=-1)

    def quantile(self, u: ArrayLike, t: float) -> np.ndarray:
        """F_t^{-1}(u) for 0 < u < 1, by bisection and Newton steps, shape of ``u``."""
        u = np.asarray(u, dtype=np.float64)
        return self._invert(u, 1.0 - u, t)

    def _invert(self, below: np.ndarray, above: np.ndarray, t: float) -> np.ndarray:
        width = 40.0 * np.sqrt(t)
        low = np.full(below.shape, self.points[0] - width)
        high = np.full(below.shape, self.points[-1] + width)
        x = np.clip(np.interp(below, (np.arange(self.points.size) + 0.5) / self.points.size, self.points), low, high)
        tolerance = 2e-15 * (np.abs(self.points).max() + width)
        for _ in range(200):
            # The smaller of the two tails is the accurate one.
            excess = np.where(below < 0.5, self.cdf(x, t) - below, above - self.survival(x, t))
            low, high = np.where(excess < 0.0, x, low), np.where(excess > 0.0, x, high)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = x - excess / self.density(x, t)
            new = np.where((step > low) & (step < high), step, (low + high) / 2)
            new = np.where(excess == 0.0, x, new)
            done = np.all(np.abs(new - x) <= tolerance)
            x = new
            if done:
                break
        return x

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """x_s = F_s^{-1}(F_t(x_t)); for ``end`` = 0 the training point in whose share of the mass x_t lies."""
        x = np.asarray(x, dtype=np.float64)
        below, above = self.cdf(x, start), self.survival(x, start)
        if end == 0.0:
            n = self.points.size
            return self.points[np.clip(np.ceil(below * n - 1e-12).astype(np.int64) - 1, 0, n - 1)]
        return self._invert(below, above, positive_time("end", end))


class PiecewiseLinearScore(Score):
    """The limit t → 0 of the empirical score: s̄_t(x) = (y_NN(x) − x)/t with the nearest training point.

    Its flow x_s = y_NN + √(s/t)(x_t − y_NN) memorises. Chen 2025 (arXiv 2502.19499).
    """

    def __init__(self, points: ArrayLike) -> None:
        self.points = checked_points(points)

    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """y_NN(x), shape of ``x``."""
        return self.points[nearest(self.points, np.asarray(x, dtype=np.float64))]

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """y_NN + √(s/t)(x − y_NN), shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        centre = self.posterior_mean(x, start)
        return centre + np.sqrt(number("end", end, at_least=0.0) / positive_time("start", start)) * (x - centre)
