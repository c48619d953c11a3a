"""Generated laws in closed form: of the smoothed score, and of the exact one stopped early."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import choice, number
from ..points import checked_points, half_gaps, half_spacing
from ..processes import PROCESSES, contraction, expansion, exploding_time, own_time
from ..scores.empirical import EmpiricalScore
from ..scores.smoothed import SmoothedScore
from .law import Law


class GeneratedLaw(Law):
    r"""What the smoothed score generates from p_{t₀}: closed form for any number of uniform points.

    φ_{s|t₀} is affine on each gap and on each ball; for s → 0

    p̂₀ = Σ_k a_k δ_{y_k} + Σ_k r p_{t₀}(c_k + r (x − c_k)) on [y_k, y_{k+1}],  r = 1 − δ_{t₀}/Δ.

    Parameters
    ----------
    points : int or sequence of float
        Uniformly spaced, gap 2Δ.
    kappa : float
        δ_t = κ√t.
    start : float
        t₀ in (0, t_c), t_c = (Δ/κ)² (for the Ornstein–Uhlenbeck process the time whose e^{2t} − 1 is that).
    end : float
        s in [0, t₀].
    process : {"variance-exploding", "ornstein-uhlenbeck"}

    Raises
    ------
    InputError
        If an argument is outside these bounds.

    Notes
    -----
    Chen 2025 (arXiv 2502.19499). The interpolating part is a rescaled window of p_{t₀}: it is not uniform.
    """

    def __init__(
        self, points: ArrayLike, kappa: float, start: float, end: float = 0.0, process: str = "variance-exploding"
    ) -> None:
        self.score = SmoothedScore(points, kappa)
        self.points = self.score.points
        self.half_spacing = half_spacing(self.points)
        self.kappa = float(kappa)
        self.process = choice("process", process, PROCESSES)
        t0 = number("start_time", start, above=0.0, below=own_time(process, self.score.critical_time))
        s = number("end_time", end, at_least=0.0, at_most=t0)
        self.start, self.end = exploding_time(process, t0), exploding_time(process, s)
        self.scale, self.growth = contraction(process, s), expansion(process, s)
        self.empirical = EmpiricalScore(self.points)
        self.ball_start, self.ball_end = self.score.delta(self.start), self.score.delta(self.end)
        k = np.arange(self.points.size)
        self.breaks = np.tile(k, 2), np.repeat([-self.ball_start, self.ball_start], k.size)
        self.ratio = (self.half_spacing - self.ball_end) / (self.half_spacing - self.ball_start)
        self.shrink = float(np.sqrt(self.end / self.start))

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """δ_{t₀} and −δ_{t₀}."""
        ball = np.full(self.points.size - 1, self.ball_start)
        return ball, -ball

    def _outer(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Whether a position is beyond the first or the last point."""
        return ((k == 0) & (v < 0.0)) | ((k == self.points.size - 1) & (v > 0.0))

    def move(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """φ_{s|t₀}: in gaps the distance from the edge of the ball is stretched, in balls the distance from the point."""
        distance = np.abs(v)
        gap = np.copysign(self.ball_end + self.ratio * (distance - self.ball_start), v)
        return np.where((distance <= self.ball_start) | self._outer(k, v), self.shrink * v, gap)

    def rate(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(Δ − δ_s)/(Δ − δ_{t₀}) in gaps, √(s/t₀) in balls."""
        return np.where((np.abs(v) <= self.ball_start) | self._outer(k, v), self.shrink, self.ratio)

    def back(self, k: np.ndarray, w: np.ndarray, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
        """φ^{-1}, including the limit s → 0 where a ball has shrunk to its point."""
        distance = np.abs(w)
        gap = np.copysign(self.ball_start + (distance - self.ball_end) / self.ratio, w)
        if self.end > 0.0:
            return k, np.where((distance <= self.ball_end) | self._outer(k, w), w / self.shrink, gap)
        up = side == "right"
        v = np.where(w == 0.0, self.ball_start if up else -self.ball_start, gap)
        last = self.points.size - 1
        before = (k == 0) & ((w < 0.0) | ((w == 0.0) & (not up)))
        after = (k == last) & ((w > 0.0) | ((w == 0.0) & up))
        return k, np.where(before, -np.inf, np.where(after, np.inf, v))

    def density(self, x: ArrayLike) -> np.ndarray:
        """p̂_s(x); at s = 0 the continuous part, zero outside [y_1, y_n], its one-sided limit at y_1 and y_n."""
        if self.end > 0.0:
            return super().density(x)
        k, w = self._near(x)
        side = np.where((w == 0.0) & (k == self.points.size - 1), -1.0, np.copysign(1.0, w + 0.0))
        v = side * (self.ball_start + np.abs(w) / self.ratio)
        value = self.empirical.density(v, self.start, k) / self.ratio
        return np.where(self._outer(k, w), 0.0, value)


class EarlyStoppedLaw(Law):
    """The competing remedy: follow the exact empirical score and stop at t_s; the law is p_{t_s} itself.

    Parameters
    ----------
    points : int or sequence of float
        Any spacing.
    stop : float
        t_s > 0.
    process : {"variance-exploding", "ornstein-uhlenbeck"}
    """

    def __init__(self, points: ArrayLike, stop: float, process: str = "variance-exploding") -> None:
        self.points = checked_points(points)
        self.empirical = EmpiricalScore(self.points)
        number("stop", stop, above=0.0)
        choice("process", process, PROCESSES)
        self.start = self.end = exploding_time(process, stop)
        self.scale, self.growth = contraction(process, stop), expansion(process, stop)
        self.breaks = np.empty(0, dtype=np.int64), np.empty(0)
        self.has_gaps = False

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The midpoints: no gaps, every position belongs to its nearest training point."""
        half = half_gaps(self.points)
        return half, -half

    def move(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The identity."""
        return v

    def rate(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """One."""
        return np.ones(np.shape(v))

    def back(self, k: np.ndarray, w: np.ndarray, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
        """The identity."""
        return k, w
