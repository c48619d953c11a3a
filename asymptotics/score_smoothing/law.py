"""The generated law on the line: exact noised training law at t₀, pushed to time s by a monotone flow; closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..common.input.checks import choice, number
from ..common.output.plotting import Drawn
from .points import checked_points, half_gaps, half_spacing, locate, nearest
from .scores import EmpiricalScore, SmoothedScore

PROCESSES = ("variance-exploding", "ornstein-uhlenbeck")


def exploding_time(process: str, t: float) -> float:
    """The variance-exploding time of time ``t``: t itself, or τ = e^{2t} − 1 for dx = −x dt + √2 dW."""
    return float(np.expm1(2 * t)) if choice("process", process, PROCESSES) == "ornstein-uhlenbeck" else float(t)


def contraction(process: str, t: float) -> float:
    """The factor e^{−t} by which the Ornstein–Uhlenbeck process is smaller than the exploding one (1 for the latter)."""
    return float(np.exp(-t)) if choice("process", process, PROCESSES) == "ornstein-uhlenbeck" else 1.0


def expansion(process: str, t: float) -> float:
    """1/`contraction` − 1, without cancellation at small times."""
    return float(np.expm1(t)) if choice("process", process, PROCESSES) == "ornstein-uhlenbeck" else 0.0


class Law(Drawn, ABC):
    """A law on the line that is p_{t₀} pushed forward by a monotone map z → x(z): all metrics need no more than this.

    Positions are pairs (k, v): a training point's index and the offset from it, y_k + v. Everything that happens near a
    training point happens on the scale √t, which may be far below the rounding of y_k itself.

    A subclass sets the attributes below and gives `move`, `rate`, `back` and `edges`.

    Attributes
    ----------
    points : ndarray, shape (n,)
        Training points y_k.
    empirical : EmpiricalScore
    start, end : float
        Variance-exploding times t₀ and s.
    scale, growth : float
        Factor of all positions (1, or e^{−s} for the Ornstein–Uhlenbeck process), and 1/scale − 1.
    breaks : (ndarray, ndarray)
        Positions (k, v) where the map has kinks (the edges of balls and gaps).
    has_gaps : bool
        Whether there are gaps between the balls.
    ball_start, ball_end : float
        Ball radii δ at t₀ and s (where the map has balls).
    """

    points: np.ndarray
    empirical: EmpiricalScore
    start: float
    end: float
    scale: float = 1.0
    growth: float = 0.0
    breaks: tuple[np.ndarray, np.ndarray]
    has_gaps: bool = True
    ball_start: float = 0.0
    ball_end: float = 0.0

    @abstractmethod
    def move(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """w such that the particle that was at y_k + v at t₀ is at y_k + w at s (not scaled)."""

    @abstractmethod
    def rate(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """dw/dv between the kinks (zero where the map collapses a ball to an atom)."""

    @abstractmethod
    def back(self, k: np.ndarray, w: np.ndarray, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
        """(k', v) that ends at y_k + w; at an atom its upper (``right``) or lower (``left``) end."""

    @abstractmethod
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets at t₀ of a gap's left end from y_k and of its right end from y_{k+1}; two arrays of shape (n − 1,)."""

    def push(self, z: Any) -> np.ndarray:
        """x(z), not scaled: where the particle that was at ``z`` at t₀ is at s."""
        k, v = self._near(z)
        return self.points[k] + self.move(k, v)

    def slope(self, z: Any) -> np.ndarray:
        """dx/dz between the kinks (zero where the map collapses a ball to an atom)."""
        return self.rate(*self._near(z))

    def pull(self, x: Any, side: str = "right") -> np.ndarray:
        """The inverse map; at an atom its upper (``right``) or lower (``left``) end."""
        k, v = self.back(*self._near(x), side)
        return self.points[k] + v

    def _near(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x, dtype=np.float64)
        k = nearest(self.points, x)
        return k, x - self.points[k]

    def unscaled(self, k: np.ndarray, offset: Any) -> tuple[np.ndarray, np.ndarray]:
        """(k', w) of the position y_k + ``offset`` before it is scaled."""
        return locate(self.points, k, self.points[k] * self.growth + np.asarray(offset) * (1.0 + self.growth))

    def offset(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Scaled position at s, minus y_k, of the particle that was at y_k + v at t₀."""
        moved = self.scale * self.move(k, v)
        return moved if self.growth == 0.0 else moved - self.points[k] * (self.growth * self.scale)

    def cdf(self, x: Any, *, below: bool = False) -> np.ndarray:
        """P(X <= x), or P(X < x) with ``below``; shape of ``x``."""
        k, offset = self._near(x)
        return self.cdf_near(k, offset, below=below)

    def cdf_near(self, k: np.ndarray, offset: Any, *, below: bool = False) -> np.ndarray:
        """`cdf` at y_k + ``offset``."""
        index, v = self.back(*self.unscaled(k, offset), "left" if below else "right")
        return self.empirical.cdf(v, self.start, index)

    def density(self, x: Any) -> np.ndarray:
        """Density of the absolutely continuous part at ``x`` (it integrates to one minus the mass of the atoms)."""
        k, v = self.back(*self.unscaled(*self._near(x)))
        slope = self.rate(k, v)
        moving = slope > 0.0
        value = self.empirical.density(v, self.start, k) / np.where(moving, slope, 1.0)
        return np.where(moving, value, 0.0) / self.scale

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right ends, at t₀, of the gaps between the balls; two arrays of shape (n − 1,)."""
        left, right = self.edges()
        return self.points[:-1] + left, self.points[1:] + right

    def ball_masses(self) -> np.ndarray:
        """a_k = F_{t₀}(y_k + δ_{t₀}) − F_{t₀}(y_k − δ_{t₀}), open at both ends of the line; shape (n,)."""
        left, right = self.edges()
        k = np.arange(self.points.size)
        low, high = np.concatenate([[-np.inf], right]), np.concatenate([left, [np.inf]])
        result: np.ndarray = self.empirical.cdf(high, self.start, k) - self.empirical.cdf(low, self.start, k)
        return result

    def gap_mass(self) -> float:
        """Mass of the gaps, summed directly (no cancellation when it is small)."""
        left, right = self.edges()
        k, t, p = np.arange(self.points.size - 1), self.start, self.empirical
        parts = p.cdf(right, t, k + 1) - p.cdf(left, t, k)
        tails = p.survival(left, t, k) - p.survival(right, t, k + 1)
        return float(np.sum(np.where(parts < tails, parts, tails)))


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
        self, points: Any, kappa: float, start: float, end: float = 0.0, process: str = "variance-exploding"
    ) -> None:
        self.score = SmoothedScore(points, kappa)
        self.points = self.score.points
        self.half_spacing = half_spacing(self.points)
        self.kappa = float(kappa)
        critical = self.score.critical_time
        limit = critical if process == PROCESSES[0] else 0.5 * float(np.log1p(critical))
        t0 = number("start_time", start, above=0.0)
        if t0 >= limit:
            number("start_time", start, above=0.0, below=limit)
        s = number("end_time", end, at_least=0.0, at_most=t0)
        self.process = choice("process", process, PROCESSES)
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

    def density(self, x: Any) -> np.ndarray:
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

    def __init__(self, points: Any, stop: float, process: str = "variance-exploding") -> None:
        self.points = checked_points(points)
        self.empirical = EmpiricalScore(self.points)
        number("stop", stop, above=0.0)
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
