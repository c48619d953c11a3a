"""Local averaging of a score along the line: box, Gaussian or any symmetric kernel, any spacing of the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ...common.input.checks import choice, fail, number
from ..points import checked_points, half_gaps, half_spacing, midpoints, nearest, positive_time
from .empirical import EmpiricalScore
from .score import REACH, Score

SOURCES = ("empirical", "piecewise-linear")


@dataclass(frozen=True)
class Kernel:
    """A symmetric averaging kernel of unit width: density K(u), CDF C(u), and the u beyond which K vanishes.

    Parameters
    ----------
    name : str
    density, cdf : callable
        Vectorised over arrays.
    reach : float
        K(u) = 0 (to rounding) for |u| > reach.

    Raises
    ------
    InputError
        If the CDF is not the integral of the density, or the density is not symmetric.
    """

    name: str
    density: Callable[[np.ndarray], np.ndarray]
    cdf: Callable[[np.ndarray], np.ndarray]
    reach: float

    def __post_init__(self) -> None:
        number("reach", self.reach, above=0.0)
        u = np.linspace(0.0, 0.999, 7) * self.reach
        x, w = np.polynomial.legendre.leggauss(64)
        half = u[:, None] * (x + 1.0) / 2
        integral = np.sum(w * self.density(half), axis=1) * u / 2
        if not np.allclose(self.cdf(u) - self.cdf(np.zeros_like(u)), integral, atol=1e-6):
            fail("cdf", self.name, "the integral of the density")
        if not np.allclose(self.density(u), self.density(-u), atol=1e-12) or abs(
            float(self.cdf(np.zeros(1))[0]) - 0.5
        ) > (1e-9):
            fail("density", self.name, "symmetric with integral 1")


BOX = Kernel(
    "box",
    lambda u: np.where(np.abs(u) <= 1.0, 0.5, 0.0),
    lambda u: np.clip((np.asarray(u) + 1.0) / 2, 0.0, 1.0),
    1.0,
)
GAUSSIAN = Kernel("gaussian", lambda u: np.exp(-(np.asarray(u) ** 2) / 2) / np.sqrt(2 * np.pi), ndtr, REACH)
KERNELS = {"box": BOX, "gaussian": GAUSSIAN}


class AveragedScore(Score):
    r"""A score averaged over a window: s̃_t(x) = ∫ K(u) s_t(x − w_t u) du.

    For the piecewise-linear score the posterior mean is y_1 + Σ_k (y_{k+1} − y_k) C((x − c_k)/w), with the CDF C of the kernel.
    The box average of the exact score is a finite difference, s̃_t(x) = [log p_t(x + w) − log p_t(x − w)]/(2w); for other
    kernels the exact score is split into the piecewise-linear one and a remainder that lives within O(t/Δ) of the midpoints.

    Parameters
    ----------
    points : int or sequence of float
        Any spacing.
    width : float or callable
        w, or w(t): half width of the box, standard deviation of the Gaussian.
    kernel : str or Kernel
        "box", "gaussian" or a `Kernel` of the user.
    of : {"empirical", "piecewise-linear"}
        Which score is averaged.
    margin : callable, optional
        Δ − w(t) where it is known without cancellation: the radius that the box leaves alone around the points.

    Notes
    -----
    A box with w = Δ has posterior-mean slope exactly 1 on the gaps (a continuum of fixed points: interpolation). A Gaussian of
    bandwidth h has isolated ones; for two points they bifurcate at h = √(2/π) Δ: above, all mass of the gap falls to the
    midpoint. Chen 2025 (arXiv 2502.19499) for the box.
    """

    def __init__(
        self,
        points: ArrayLike,
        width: float | Callable[[float], float],
        kernel: str | Kernel = "box",
        of: str = "empirical",
        margin: Callable[[float], float] | None = None,
    ) -> None:
        self.points = checked_points(points)
        self.kernel = kernel if isinstance(kernel, Kernel) else KERNELS[choice("kernel", kernel, KERNELS)]
        self.of = choice("of", of, SOURCES)
        self._width = width if callable(width) else number("width", width, above=0.0)
        self.empirical = EmpiricalScore(self.points)
        self._half, self._margin = half_gaps(self.points), margin

    def margin(self, t: float) -> float:
        """Δ − w_t."""
        return half_spacing(self.points) - self.width(t) if self._margin is None else float(self._margin(t))

    def width(self, t: float) -> float:
        """w_t, checked to be positive."""
        return number("width(t)", self._width(t) if callable(self._width) else self._width, above=0.0)

    def kinks(self, t: float) -> np.ndarray:
        """c_k ± w_t for the box average of the piecewise-linear score; none otherwise."""
        if self.kernel is not BOX or self.of == "empirical":
            return np.empty(0)
        c, w = midpoints(self.points), self.width(t)
        return np.sort(np.concatenate([c - w, c + w]))

    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """m̃(x, t) = x + t s̃_t(x), shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        w = self.width(t)
        if self.of == "empirical" and self.kernel is BOX:
            p = self.empirical
            return x + positive_time("t", t) * (p.log_density(x + w, t) - p.log_density(x - w, t)) / (2 * w)
        gaps = np.diff(self.points)
        mean = self.points[0] + (gaps * self.kernel.cdf((x[..., None] - midpoints(self.points)) / w)).sum(axis=-1)
        if self.of == "empirical":
            nodes, remainder = self._remainder(w, positive_time("t", t))
            mean = mean + (self.kernel.density((x[..., None] - nodes) / w) * remainder).sum(axis=-1) / w
        return mean

    def relative_mean(self, near: np.ndarray, offset: np.ndarray, t: float) -> np.ndarray:
        """m̃(y_k + v, t) − y_k without cancellation, the steps at the midpoints counted from y_k on both sides."""
        if self.of == "empirical":
            return super().relative_mean(near, offset, t)
        w, c, gaps = self.width(t), midpoints(self.points), np.arange(self._half.size)
        right = gaps >= near[..., None]
        away = np.abs(self.points[near][..., None] - c)
        side = np.where(right, offset[..., None], -offset[..., None])
        if self.kernel is BOX:
            # (1 + (v − |c − y|)/w)/2 with w = Δ − margin; |c − y| − Δ vanishes next to the point.
            excess = np.where(
                (gaps == near[..., None]) | (gaps == near[..., None] - 1), self._half, away
            ) - half_spacing(self.points)
            share = np.clip((side - excess - self.margin(t)) / (2 * w), 0.0, 1.0)
        else:
            share = self.kernel.cdf((side - away) / w)
        return (np.where(right, 1.0, -1.0) * 2 * self._half * share).sum(axis=-1)

    def relative_kinks(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The kinks on both sides of every point."""
        if self.kernel is not BOX or self.of == "empirical":
            return super().relative_kinks(t)
        edge = (self._half - half_spacing(self.points)) + self.margin(t)
        k = np.arange(edge.size)
        return np.concatenate([k, k + 1]), np.concatenate([edge, -edge])

    def _remainder(self, w: float, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Quadrature nodes and (m_t − y_NN) times weights: panels double in width away from each midpoint, capped at w."""
        c, delta = midpoints(self.points), half_spacing(self.points)
        scale = t / delta
        far = min(45.0 * scale, float(self.points[-1] - self.points[0]) + REACH * np.sqrt(t) + 45.0 * scale)
        steps = [0.0]
        while steps[-1] < far:
            steps.append(steps[-1] + min(max(scale / 2, steps[-1]), w / 2, 2 * delta))
        grid = np.array(steps)
        edges = (c[:, None] + np.concatenate([-grid[::-1], grid])).ravel()
        edges = np.unique(np.concatenate([edges, c]))
        g, v = np.polynomial.legendre.leggauss(12)
        half = np.diff(edges)[:, None] / 2
        nodes = (edges[:-1, None] + half * (g + 1.0)).ravel()
        inner = self.empirical.posterior_mean(nodes, t) - self.points[nearest(self.points, nodes)]
        return nodes, inner * (half * v).ravel()
