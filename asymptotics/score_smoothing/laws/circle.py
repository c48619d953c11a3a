"""Points on the unit circle with the window along the chord: the closed-form law on and around the inscribed polygon."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from ...common.input.checks import choice, number
from ...common.output.plotting import Drawn
from ..points import circle_points, positive_time
from ..scores.curves import WINDOWS, ClosedCurveScore, metastability_exponent
from ..scores.score import REACH
from .panels import spread

_NODES = 16
_FINE = 32


class CircleLaw(Drawn):
    r"""Generated law for n uniform points on the unit circle.

    In each sector (e_m towards the middle, e_c along the chord, α = π/n) the chord window acts on x·e_c as the smoothed score
    on a line with Δ = sin α, and x·e_m − cos α ∝ √t. Sectors are invariant, so that the law needs one sector and one
    quadrature over x·e_c. With the angular window samples memorise as t → 0 (`metastability_exponent`); only that limit is
    given here.

    Parameters
    ----------
    n : int
        n >= 3 points (cos 2πk/n, sin 2πk/n).
    kappa, start, end : float
        δ_t = κ√t; t₀ below t_c = (sin α/κ)² (chord) or (α/κ)² (angular); s in [0, t₀].
    window : {"chord", "angular"}

    Raises
    ------
    InputError
        If an argument is out of range, or the angular window is asked for at s > 0.
    """

    def __init__(self, n: int, kappa: float, start: float, end: float = 0.0, window: str = "chord") -> None:
        self.points = circle_points(n)
        self.count = int(n)
        self.window = choice("kernel", window, WINDOWS)
        self.kappa = number("kappa", kappa, above=0.0)
        self.alpha = np.pi / self.count
        self.sine, self.cosine = float(np.sin(self.alpha)), float(np.cos(self.alpha))
        width = self.sine if window == "chord" else self.alpha
        self.start = number("start_time", start, above=0.0, below=(width / self.kappa) ** 2)
        self.end = number("end_time", end, at_least=0.0, at_most=self.start)
        if window == "angular" and self.end > 0.0:
            number("end_time", end, at_least=0.0, at_most=0.0)
        self.ball_start, self.ball_end = self.kappa * np.sqrt(self.start), self.kappa * np.sqrt(self.end)
        angle = 2 * np.pi * np.arange(self.count) / self.count - self.alpha
        self._across, self._along = np.sin(angle), np.cos(angle)
        self.inner = self.sine - self.ball_start
        sigma = np.sqrt(self.start)
        last = 1.0 + REACH * sigma
        steps = np.arange(0.0, last, min(1.5 * sigma, 0.25))
        self._edges = np.unique(np.concatenate([steps, [last, self.sine], [max(self.inner, 0.0)]]))

    def marginal(self, u: ArrayLike, low: ArrayLike | None = None, high: ArrayLike | None = None) -> np.ndarray:
        """Density of x·e_c = u at t₀ within one sector (x·e_m > |u|/tan α), optionally with x·e_m in (low, high)."""
        u = np.asarray(u, dtype=np.float64)[..., None]
        sigma = np.sqrt(self.start)
        floor = np.abs(u) * self.cosine / self.sine
        bottom = floor if low is None else np.maximum(floor, np.asarray(low)[..., None])
        top = np.inf if high is None else np.maximum(bottom, np.asarray(high)[..., None])
        inside = ndtr((self._along - bottom) / sigma) - (0.0 if high is None else ndtr((self._along - top) / sigma))
        weight = np.exp(-((u - self._across) ** 2) / (2 * self.start)) / np.sqrt(2 * np.pi * self.start)
        return (weight * inside).mean(axis=-1)

    def _panels(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        edges = np.unique(np.concatenate([[low, high], self._edges[(self._edges > low) & (self._edges < high)]]))
        return edges, *spread(edges, _NODES)

    def gap_mass(self) -> float:
        """Total mass that ends between the vertices (t → 0)."""
        if self.window == "angular":
            return 0.0
        _, u, w = self._panels(0.0, self.inner)
        return float(2 * self.count * np.sum(w * self.marginal(u)))

    def ball_masses(self) -> np.ndarray:
        """Mass of the region of each vertex, shape (n,); all equal."""
        return np.full(self.count, (1.0 - self.gap_mass()) / self.count)

    def push(self, u: ArrayLike) -> np.ndarray:
        """x·e_c at s of a particle with x·e_c = u >= 0 at t₀."""
        u = np.asarray(u, dtype=np.float64)
        linear = u * (self.sine - self.ball_end) / self.inner
        return np.where(u <= self.inner, linear, self.sine + np.sqrt(self.end / self.start) * (u - self.sine))

    def flow(self, x: ArrayLike, end: float) -> np.ndarray:
        """Positions (..., 2) at time ``end`` of particles at ``x`` at t₀ (chord window: closed form; else integrated)."""
        x = np.asarray(x, dtype=np.float64)
        s = number("times", end, at_least=0.0, at_most=self.start)
        if self.window == "angular":
            score = ClosedCurveScore(self.points, self.kappa, "angular")
            return score.flow(x, self.start, positive_time("times", end))
        sector = np.floor(np.arctan2(x[..., 1], x[..., 0]) / (2 * self.alpha))
        middle = (2 * sector + 1) * self.alpha
        e_m = np.stack([np.cos(middle), np.sin(middle)], axis=-1)
        e_c = np.stack([-np.sin(middle), np.cos(middle)], axis=-1)
        across, along = np.sum(x * e_c, axis=-1), np.sum(x * e_m, axis=-1)
        root, delta = np.sqrt(s / self.start), self.kappa * np.sqrt(s)
        side = np.where(across < 0.0, -1.0, 1.0) * self.sine
        moved = np.where(
            np.abs(across) <= self.inner,
            across * (self.sine - delta) / self.inner,
            side + root * (across - side),
        )
        return e_c * moved[..., None] + e_m * (self.cosine + root * (along - self.cosine))[..., None]

    def density(self, x: ArrayLike) -> np.ndarray:
        """Continuous part for t → 0 per unit length of the polygon, at signed distance ``x`` from an edge's midpoint."""
        x = np.asarray(x, dtype=np.float64)
        if self.window == "angular":
            return np.zeros(x.shape)
        ratio = self.inner / self.sine
        return np.where(np.abs(x) <= self.sine, ratio * self.marginal(ratio * x), 0.0)

    def memorised(self, within: float = 0.1) -> float:
        """P(distance to the nearest vertex <= ``within``) at time s."""
        eps = number("within", within, at_least=0.0)
        if self.window == "angular":
            return 1.0
        root = np.sqrt(self.end / self.start)
        ratio = (self.sine - self.ball_end) / self.inner
        near = max(self.sine - eps, 0.0)
        first = (
            near / ratio if near <= self.sine - self.ball_end else self.sine - (self.sine - near) / max(root, 1e-300)
        )
        last = float(self._edges[-1]) if root == 0.0 else min(self.sine + eps / root, self._edges[-1])
        begin = max(first, 0.0)
        if last <= begin:
            return 0.0
        if root == 0.0:
            _, u, w = self._panels(begin, last)
            return float(2 * self.count * np.sum(w * self.marginal(u)))

        def reach(u: np.ndarray) -> np.ndarray:
            value: np.ndarray = np.sqrt(np.maximum(eps**2 - (self.sine - self.push(u)) ** 2, 0.0)) / root
            return value

        # Kinks where the disc around the vertex meets the walls of the sector.
        fine = np.linspace(begin, last, 2001)
        cuts = [np.array([begin, last, self.inner, self.sine]), self._edges]
        for sign in (-1.0, 1.0):

            def wall(u: np.ndarray, sign: float = sign) -> np.ndarray:
                return self.cosine + sign * reach(u) - u * self.cosine / self.sine

            value = wall(fine)
            for k in np.nonzero(np.sign(value[1:]) * np.sign(value[:-1]) < 0)[0]:
                cuts.append(np.array([brentq(wall, fine[k], fine[k + 1], xtol=1e-15)]))
        edges = np.unique(np.clip(np.concatenate(cuts), begin, last))
        g, v = np.polynomial.legendre.leggauss(_FINE)
        q = (g + 1.0) / 2
        total = 0.0
        for a, b in itertools.pairwise(edges):
            # The half-width vanishes as a square root at the ends: u = end ∓ q² removes that.
            for side in (a, b):
                u = side + ((a + b) / 2 - side) * q**2
                inside = self.marginal(u, self.cosine - reach(u), self.cosine + reach(u))
                total += float(np.sum(v * q * inside)) * (b - a) / 2
        return 2 * self.count * total

    def along_polygon(self) -> tuple[float, float]:
        """W₁ and W₂ at s = 0 to the uniform law on the polygon, with distance measured along the polygon.

        By symmetry no mass crosses a vertex or the middle of an edge, so that half an edge decides.
        """
        if self.end > 0.0:
            return float("nan"), float("nan")
        if self.window == "angular":
            return self.sine / 2, self.sine / float(np.sqrt(3.0))
        edges, u, w = self._panels(0.0, self._edges[-1])
        h = 2 * self.count * self.marginal(u)
        g = np.polynomial.legendre.leggauss(_NODES)[0]
        vander = np.polynomial.legendre.legvander(g, _NODES - 1)
        primitive = np.polynomial.legendre.legint(np.linalg.solve(vander, h.T).T, lbnd=-1, axis=1)
        half = np.diff(edges)[:, None] / 2
        before = np.concatenate([[0.0], np.cumsum(np.sum(w * h, axis=1))[:-1]])[:, None]
        cumulative = before + half * (primitive @ np.polynomial.legendre.legvander(g, _NODES).T)
        d = self.push(u) - self.sine * cumulative
        first = 0.0
        sub_g, sub_w = (g + 1.0) / 2, np.polynomial.legendre.leggauss(_NODES)[1] / 2
        for k in range(u.shape[0]):
            c = np.linalg.solve(vander, d[k])
            inner = np.polynomial.legendre.legroots(np.trim_zeros(c, "b")) if np.ptp(np.sign(d[k])) > 0 else np.empty(0)
            inner = np.real(inner[np.abs(np.imag(inner)) < 1e-10]) if inner.size else inner
            cuts = np.concatenate([[-1.0], np.sort(inner[(inner > -1.0) & (inner < 1.0)]), [1.0]])
            for a, b in itertools.pairwise(cuts):
                v = a + (b - a) * sub_g
                position = edges[k] + half[k, 0] * (v + 1.0)
                value = np.abs(np.polynomial.legendre.legval(v, c)) * 2 * self.count * self.marginal(position)
                first += float(np.sum(sub_w * value)) * (b - a) * half[k, 0]
        return first, float(np.sqrt(np.sum(w * h * d * d)))

    def metastability(self) -> float:
        """γ of `metastability_exponent` for this number of points."""
        return metastability_exponent(self.count)
