"""The smoothed piecewise-linear score, whose flow is in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, fail, number
from ..points import checked_points, half_spacing, midpoints, nearest, positive_time
from .score import Score


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
        self, points: ArrayLike, kappa: float | None = None, delta: Callable[[float], float] | float | None = None
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

    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """c_k + Δ clip((x − c_k)/(Δ − δ_t), −1, 1) for the gap k of x, shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        c = midpoints(self.points)
        k = np.clip(np.searchsorted(self.points, x, side="right") - 1, 0, c.size - 1)
        return c[k] + self.half_spacing * np.clip((x - c[k]) / (self.half_spacing - self.delta(t)), -1.0, 1.0)

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
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
