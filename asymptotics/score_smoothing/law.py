"""The generated law on the line: exact noised training law at t₀, pushed to time s by a monotone flow; closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..common.input.checks import choice, number
from ..common.output.plotting import Drawn
from .points import checked_points, half_spacing, midpoints
from .scores import EmpiricalScore, SmoothedScore

PROCESSES = ("variance-exploding", "ornstein-uhlenbeck")


def exploding_time(process: str, t: float) -> float:
    """The variance-exploding time of time ``t``: t itself, or τ = e^{2t} − 1 for dx = −x dt + √2 dW."""
    return float(np.expm1(2 * t)) if choice("process", process, PROCESSES) == "ornstein-uhlenbeck" else float(t)


def contraction(process: str, t: float) -> float:
    """The factor e^{−t} by which the Ornstein–Uhlenbeck process is smaller than the exploding one (1 for the latter)."""
    return float(np.exp(-t)) if choice("process", process, PROCESSES) == "ornstein-uhlenbeck" else 1.0


class Law(Drawn, ABC):
    """A law on the line that is p_{t₀} pushed forward by a monotone map z → x(z): all metrics need no more than this.

    A subclass sets the attributes below and gives `push`, `slope` and `pull`.

    Attributes
    ----------
    points : ndarray, shape (n,)
        Training points y_k.
    empirical : EmpiricalScore
    start, end : float
        Variance-exploding times t₀ and s.
    scale : float
        Factor of all positions (1, or e^{−s} for the Ornstein–Uhlenbeck process).
    breaks : ndarray
        Positions z where the map has kinks (the edges of balls and gaps).
    ball_start, ball_end : float
        Ball radii δ at t₀ and s (where the map has balls).
    """

    points: np.ndarray
    empirical: EmpiricalScore
    start: float
    end: float
    scale: float = 1.0
    breaks: np.ndarray
    ball_start: float = 0.0
    ball_end: float = 0.0

    @abstractmethod
    def push(self, z: np.ndarray) -> np.ndarray:
        """x(z), not scaled: where the particle that was at ``z`` at t₀ is at s."""

    @abstractmethod
    def slope(self, z: np.ndarray) -> np.ndarray:
        """dx/dz between the kinks (zero where the map collapses a ball to an atom)."""

    @abstractmethod
    def pull(self, x: np.ndarray, side: str = "right") -> np.ndarray:
        """The inverse map; at an atom its upper (``right``) or lower (``left``) end."""

    def cdf(self, x: Any, *, below: bool = False) -> np.ndarray:
        """P(X <= x), or P(X < x) with ``below``; shape of ``x``."""
        x = np.asarray(x, dtype=np.float64) / self.scale
        return self.empirical.cdf(self.pull(x, "left" if below else "right"), self.start)

    def density(self, x: Any) -> np.ndarray:
        """Density of the absolutely continuous part at ``x`` (it integrates to one minus the mass of the atoms)."""
        x = np.asarray(x, dtype=np.float64) / self.scale
        z = self.pull(x)
        slope = self.slope(z)
        moving = slope > 0.0
        value = self.empirical.density(z, self.start) / np.where(moving, slope, 1.0)
        return np.where(moving, value, 0.0) / self.scale

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right ends, at t₀, of the gaps between the balls; two arrays of shape (n − 1,)."""
        return self.points[:-1] + self.ball_start, self.points[1:] - self.ball_start

    def ball_masses(self) -> np.ndarray:
        """a_k = F_{t₀}(y_k + δ_{t₀}) − F_{t₀}(y_k − δ_{t₀}), open at both ends of the line; shape (n,)."""
        left, right = self.gaps()
        low, high = np.concatenate([[-np.inf], right]), np.concatenate([left, [np.inf]])
        result: np.ndarray = self.empirical.cdf(high, self.start) - self.empirical.cdf(low, self.start)
        return result

    def gap_mass(self) -> float:
        """Mass of the gaps, summed directly (no cancellation when it is small)."""
        left, right = self.gaps()
        parts = self.empirical.cdf(right, self.start) - self.empirical.cdf(left, self.start)
        tails = self.empirical.survival(left, self.start) - self.empirical.survival(right, self.start)
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
        self.scale = contraction(process, s)
        self.empirical = EmpiricalScore(self.points)
        self.ball_start, self.ball_end = self.score.delta(self.start), self.score.delta(self.end)
        self.breaks = np.concatenate([self.points - self.ball_start, self.points + self.ball_start])
        self.ratio = (self.half_spacing - self.ball_end) / (self.half_spacing - self.ball_start)
        self.shrink = float(np.sqrt(self.end / self.start))

    def _gap(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        k = np.clip(np.searchsorted(self.points, x, side="right") - 1, 0, self.points.size - 2)
        c = midpoints(self.points)[k]
        return k, c, np.where(x > c, self.points[k + 1], self.points[k])

    def push(self, z: Any) -> np.ndarray:
        """φ_{s|t₀}(z), not scaled."""
        return self.score.flow(np.asarray(z, dtype=np.float64), self.start, self.end)

    def slope(self, z: Any) -> np.ndarray:
        """(Δ − δ_s)/(Δ − δ_{t₀}) in gaps, √(s/t₀) in balls."""
        z = np.asarray(z, dtype=np.float64)
        _, c, _ = self._gap(z)
        return np.where(np.abs(z - c) <= self.half_spacing - self.ball_start, self.ratio, self.shrink)

    def pull(self, x: Any, side: str = "right") -> np.ndarray:
        """φ^{-1}, including the limit s → 0 where a ball has shrunk to its point."""
        x = np.asarray(x, dtype=np.float64)
        _, c, y = self._gap(x)
        inside = np.abs(x - c) <= self.half_spacing - self.ball_end
        linear = c + (x - c) / self.ratio
        if self.end > 0.0:
            return np.where(inside, linear, y + (x - y) / self.shrink)
        edge = y - self.ball_start if side == "left" else y + self.ball_start
        first, last = self.points[0], self.points[-1]
        before, after = (x <= first, x > last) if side == "left" else (x < first, x >= last)
        return np.where(before, -np.inf, np.where(after, np.inf, np.where(x == y, edge, linear)))

    def density(self, x: Any) -> np.ndarray:
        """p̂_s(x); at s = 0 the continuous part, zero outside [y_1, y_n], its one-sided limit at y_1 and y_n."""
        if self.end > 0.0:
            return super().density(x)
        x = np.asarray(x, dtype=np.float64)
        _, c, _ = self._gap(x)
        value = self.empirical.density(c + (x - c) / self.ratio, self.start) / self.ratio
        return np.where((x >= self.points[0]) & (x <= self.points[-1]), value, 0.0)


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
        self.scale = contraction(process, stop)
        self.breaks = np.empty(0)

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """No gaps: every position belongs to its nearest training point."""
        return midpoints(self.points), midpoints(self.points)

    def push(self, z: Any) -> np.ndarray:
        """The identity."""
        return np.asarray(z, dtype=np.float64)

    def slope(self, z: Any) -> np.ndarray:
        """One."""
        return np.ones(np.shape(z))

    def pull(self, x: Any, side: str = "right") -> np.ndarray:
        """The identity."""
        return np.asarray(x, dtype=np.float64)
