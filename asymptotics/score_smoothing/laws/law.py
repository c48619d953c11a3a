"""A law on the line: the exact noised training law at t₀, pushed to time s by a monotone flow."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from ...common.output.plotting import Drawn
from ..points import locate, nearest
from ..scores.empirical import EmpiricalScore


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

    def push(self, z: ArrayLike) -> np.ndarray:
        """x(z), not scaled: where the particle that was at ``z`` at t₀ is at s."""
        k, v = self._near(z)
        return self.points[k] + self.move(k, v)

    def slope(self, z: ArrayLike) -> np.ndarray:
        """dx/dz between the kinks (zero where the map collapses a ball to an atom)."""
        return self.rate(*self._near(z))

    def pull(self, x: ArrayLike, side: str = "right") -> np.ndarray:
        """The inverse map; at an atom its upper (``right``) or lower (``left``) end."""
        k, v = self.back(*self._near(x), side)
        return self.points[k] + v

    def _near(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x, dtype=np.float64)
        k = nearest(self.points, x)
        return k, x - self.points[k]

    def unscaled(self, k: np.ndarray, offset: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """(k', w) of the position y_k + ``offset`` before it is scaled."""
        return locate(self.points, k, self.points[k] * self.growth + np.asarray(offset) * (1.0 + self.growth))

    def offset(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Scaled position at s, minus y_k, of the particle that was at y_k + v at t₀."""
        moved = self.scale * self.move(k, v)
        return moved if self.growth == 0.0 else moved - self.points[k] * (self.growth * self.scale)

    def cdf(self, x: ArrayLike, *, below: bool = False) -> np.ndarray:
        """P(X <= x), or P(X < x) with ``below``; shape of ``x``."""
        k, offset = self._near(x)
        return self.cdf_near(k, offset, below=below)

    def cdf_near(self, k: np.ndarray, offset: ArrayLike, *, below: bool = False) -> np.ndarray:
        """`cdf` at y_k + ``offset``."""
        index, v = self.back(*self.unscaled(k, offset), "left" if below else "right")
        return self.empirical.cdf(v, self.start, index)

    def density(self, x: ArrayLike) -> np.ndarray:
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
