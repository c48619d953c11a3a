"""Scores on a line: the empirical one, its piecewise-linear limit and the smoothed one, each with its flow map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from ..common.input.checks import InputError, fail, number
from .points import checked_points, half_spacing, midpoints, nearest, positive_time

# Beyond this many standard deviations a Gaussian tail (1e-21) is below the rounding of everything computed from it.
REACH = 9.6


class Score(ABC):
    """A score on the line, written through a posterior mean: s_t(x) = (m(x, t) − x)/t.

    A subclass gives `posterior_mean`; particles follow the probability-flow equation ẋ = −s_t(x)/2 from t down to 0, in
    λ = ½ ln t: dx/dλ = x − m(x, t), which is regular down to any t.
    """

    points: np.ndarray

    @abstractmethod
    def posterior_mean(self, x: Any, t: float) -> np.ndarray:
        """m(x, t), shape of ``x``."""

    def kinks(self, t: float) -> np.ndarray:
        """Positions where m(·, t) has a kink."""
        return np.empty(0)

    def relative_mean(self, near: np.ndarray, offset: np.ndarray, t: float) -> np.ndarray:
        """m(y_k + v, t) − y_k with k = ``near`` and v = ``offset``, which may be below the rounding of y_k."""
        y = self.points[near]
        return self.posterior_mean(y + offset, t) - y

    def relative_kinks(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """(k, v) of the kinks: nearest training point and offset from it."""
        kinks = self.kinks(t)
        k = nearest(self.points, kinks)
        return k, kinks - self.points[k]

    def __call__(self, x: Any, t: float) -> np.ndarray:
        """s_t(x) = (m(x, t) − x)/t at positions ``x`` (any shape) and one time ``t`` > 0."""
        x = np.asarray(x, dtype=np.float64)
        return (self.posterior_mean(x, t) - x) / positive_time("t", t)

    def flow(self, x: Any, start: float, end: float) -> np.ndarray:
        """Where particles at ``x`` at time ``start`` are at time ``end``; here by integrating dx/dλ = x − m (DOP853).

        Raises
        ------
        InputError
            If a time is not positive: the limit t → 0 needs a closed form.
        """
        from .numerical import integrate

        return integrate(self.posterior_mean, x, start, end)


class EmpiricalScore(Score):
    r"""The exact score of the noised training set, p_t = (1/n) Σ_k N(y_k, t).

    s_t(x) = ∂_x log p_t = (m_t(x) − x)/t, with m_t the softmax-weighted mean of the training points. Its flow preserves
    the CDF: x_s = F_s^{-1}(F_t(x_t)), so that it ends on the training points. Chen 2025 (arXiv 2502.19499).

    Parameters
    ----------
    points : int or sequence of float
        Increasing training points, any spacing.
    """

    def __init__(self, points: Any) -> None:
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

    def log_density(self, x: Any, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """log p_t(x) by log-sum-exp, shape of ``x``; ``near``: x are offsets from the training points of these indices."""
        distances, _ = self._distances(np.asarray(x, dtype=np.float64), positive_time("t", t), near)
        # Scaled before it is squared: a square may leave the floating-point numbers where its exponent does not.
        e = -((distances / np.sqrt(2 * t)) ** 2)
        top = e.max(axis=-1)
        return top + np.log(np.exp(e - top[..., None]).sum(axis=-1) / self.points.size) - 0.5 * np.log(2 * np.pi * t)

    def density(self, x: Any, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """p_t(x), shape of ``x``; ``near`` as in `log_density`."""
        return np.exp(self.log_density(x, t, near))

    def cdf(self, x: Any, t: float, near: np.ndarray | None = None) -> np.ndarray:
        """F_t(x) = (1/n) Σ_k Φ((x − y_k)/√t), shape of ``x`` (infinities allowed); ``near`` as in `log_density`."""
        distances, first = self._distances(np.asarray(x, dtype=np.float64), positive_time("t", t), near)
        return (first + ndtr(distances / np.sqrt(t)).sum(axis=-1)) / self.points.size

    def survival(self, x: Any, t: float, near: np.ndarray | None = None) -> np.ndarray:
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

    def posterior_mean(self, x: Any, t: float) -> np.ndarray:
        """m_t(x) = Σ_k y_k softmax_k(−(x − y_k)²/2t), shape of ``x``; Δ tanh(Δx/t) for two points ±Δ."""
        x = np.asarray(x, dtype=np.float64)
        y, _ = self._window(x, positive_time("t", t))
        e = -((x[..., None] - y) ** 2) / (2 * t)
        weight = np.exp(e - e.max(axis=-1, keepdims=True))
        return (weight * y).sum(axis=-1) / weight.sum(axis=-1)

    def quantile(self, u: Any, t: float) -> np.ndarray:
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

    def flow(self, x: Any, start: float, end: float) -> np.ndarray:
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

    def __init__(self, points: Any) -> None:
        self.points = checked_points(points)

    def posterior_mean(self, x: Any, t: float) -> np.ndarray:
        """y_NN(x), shape of ``x``."""
        return self.points[nearest(self.points, np.asarray(x, dtype=np.float64))]

    def flow(self, x: Any, start: float, end: float) -> np.ndarray:
        """y_NN + √(s/t)(x − y_NN), shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        centre = self.posterior_mean(x, start)
        return centre + np.sqrt(number("end", end, at_least=0.0) / positive_time("start", start)) * (x - centre)


class SmoothedScore(Score):
    r"""The smoothed piecewise-linear score: linear across each gap, untouched in a ball of radius δ_t around each point.

    On |x − c_k| < Δ − δ_t: ŝ_t(x) = δ_t/(Δ − δ_t) · (x − c_k)/t; elsewhere ŝ_t = (y_NN(x) − x)/t. It equals the average of
    the piecewise-linear score over [x − w, x + w] with w = Δ − δ_t. Chen 2025 (arXiv 2502.19499).

    Parameters
    ----------
    points : int or sequence of float
        Uniformly spaced training points with gap 2Δ.
    kappa : float, optional
        δ_t = κ√t (smaller κ: more smoothing).
    delta : callable or float, optional
        Any other δ(t) instead of ``kappa``; the flow is then integrated numerically.

    Raises
    ------
    InputError
        If κ <= 0, the points are not uniform, or neither or both of ``kappa`` and ``delta`` are given. At use: if δ_t is not
        inside (0, Δ), that is t >= t_c = (Δ/κ)².
    """

    def __init__(
        self, points: Any, kappa: float | None = None, delta: Callable[[float], float] | float | None = None
    ) -> None:
        self.points = checked_points(points, uniform=True)
        self.half_spacing = half_spacing(self.points)
        if (kappa is None) == (delta is None):
            raise InputError(f"kappa = {kappa}, delta = {delta}: exactly one of the two must be given")
        self.kappa = None if kappa is None else number("kappa", kappa, above=0.0)
        self._delta = delta

    @property
    def critical_time(self) -> float:
        """t_c = (Δ/κ)², where δ reaches Δ and the smoothing ends; NaN for a general δ(t)."""
        return float("nan") if self.kappa is None else (self.half_spacing / self.kappa) ** 2

    def delta(self, t: float) -> float:
        """δ_t, checked to lie in (0, Δ); 0 is allowed at t = 0."""
        if self.kappa is not None:
            value = self.kappa * np.sqrt(number("t", t, at_least=0.0))
            if value >= self.half_spacing:
                fail("t", float(t), f"< t_c = (spacing/2/kappa)^2 = {self.critical_time:.6g}")
            return float(value)
        raw = self._delta(t) if callable(self._delta) else self._delta
        return number("delta(t)", raw, at_least=0.0, below=self.half_spacing)

    def kinks(self, t: float) -> np.ndarray:
        """c_k ± (Δ − δ_t)."""
        c, w = midpoints(self.points), self.half_spacing - self.delta(t)
        return np.sort(np.concatenate([c - w, c + w]))

    def posterior_mean(self, x: Any, t: float) -> np.ndarray:
        """c_k + Δ clip((x − c_k)/(Δ − δ_t), −1, 1) for the gap k of x, shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        c = midpoints(self.points)
        k = np.clip(np.searchsorted(self.points, x, side="right") - 1, 0, c.size - 1)
        return c[k] + self.half_spacing * np.clip((x - c[k]) / (self.half_spacing - self.delta(t)), -1.0, 1.0)

    def flow(self, x: Any, start: float, end: float) -> np.ndarray:
        """φ_{s|t}(x): straight lines in the plane (x, √t), shape of ``x``; either direction of time, ``end`` = 0 allowed."""
        if self.kappa is None:
            return super().flow(x, start, end)
        x = np.asarray(x, dtype=np.float64)
        before, after = self.delta(positive_time("start", start)), self.delta(end)
        c = midpoints(self.points)
        k = np.clip(np.searchsorted(self.points, x, side="right") - 1, 0, c.size - 1)
        inside = np.abs(x - c[k]) <= self.half_spacing - before
        centre = self.points[nearest(self.points, x)]
        linear = c[k] + (x - c[k]) * (self.half_spacing - after) / (self.half_spacing - before)
        return np.where(inside, linear, centre + np.sqrt(end / start) * (x - centre))
