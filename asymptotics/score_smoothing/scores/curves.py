"""Closed curves given by points: smoothing along the polygon through them, by a window along the chord or in polar angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array, choice, fail, integer, number
from ..points import positive_time
from .score import integrate

WINDOWS = ("chord", "angular")


def metastability_exponent(n: int) -> float:
    """γ = (tan α/α − 1)/2, α = π/n: under the angular window offsets from an edge's midpoint grow as (t₀/t)^γ.

    The polygon is then only metastable: for t → 0 every sample but the exact midpoints falls to a vertex.
    """
    alpha = np.pi / integer("points", n, at_least=3)
    return float((np.tan(alpha) / alpha - 1) / 2)


def polygon_distance(x: ArrayLike, vertices: ArrayLike) -> np.ndarray:
    """Distance of positions (..., 2) to the closed polygon through ``vertices`` (n, 2), shape (...)."""
    x, v = np.asarray(x, dtype=np.float64), np.asarray(vertices, dtype=np.float64)
    best = np.full(x.shape[:-1], np.inf)
    for start, stop in zip(v, np.roll(v, -1, axis=0), strict=True):
        edge = stop - start
        along = np.clip(((x - start) @ edge) / (edge @ edge), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(x - start - along[..., None] * edge, axis=-1))
    return best


def vertex_distance(x: ArrayLike, vertices: ArrayLike) -> np.ndarray:
    """Distance of positions (..., 2) to the nearest vertex, shape (...)."""
    x, v = np.asarray(x, dtype=np.float64), np.asarray(vertices, dtype=np.float64)
    return np.min(np.linalg.norm(x[..., None, :] - v, axis=-1), axis=-1)


class ClosedCurveScore:
    r"""Smoothed score for points in order along a closed planar curve.

    Position x belongs to the edge between its nearest vertex and the nearer neighbour of that. With the edge's midpoint c,
    half length Δ_e and unit chord e, the smoothed posterior mean is c + Δ_e clip(z, −1, 1) e, where

    - chord window: z = (x − c)·e/(Δ_e − κ√t): on each edge the flow on a line;
    - angular window (points of a regular polygon around 0): z = φ/(α − κ√t), with the polar angle φ from the edge's middle.

    Both put samples on the inscribed *polygon*, not on the curve. Chen 2025 (arXiv 2502.19499) smooths in polar angle.

    Parameters
    ----------
    vertices : array, shape (n, 2)
        In order, n >= 3, distinct neighbours.
    kappa : float
        κ > 0, δ_t = κ√t.
    window : {"chord", "angular"}

    Raises
    ------
    InputError
        If ``window`` is angular and the vertices are not a regular polygon on the unit circle; at use, if κ√t reaches the
        half width of an edge.
    """

    def __init__(self, vertices: ArrayLike, kappa: float, window: str = "chord") -> None:
        self.vertices = array("vertices", vertices, shape=(None, 2))
        n = self.vertices.shape[0]
        if n < 3:
            fail("vertices", vertices, "at least three points")
        self.kappa = number("kappa", kappa, above=0.0)
        self.window = choice("window", window, WINDOWS)
        following = np.roll(self.vertices, -1, axis=0)
        self.middle = (self.vertices + following) / 2
        lengths = np.linalg.norm(following - self.vertices, axis=1)
        if np.any(lengths == 0.0):
            fail("vertices", vertices, "distinct neighbours")
        self.half = lengths / 2
        self.chord = (following - self.vertices) / lengths[:, None]
        self.alpha = np.pi / n
        if window == "angular":
            radii, angles = np.hypot(*self.vertices.T), np.unwrap(np.arctan2(*self.vertices.T[::-1]))
            regular = np.allclose(radii, 1.0, atol=1e-9) and np.allclose(np.diff(angles), 2 * self.alpha, atol=1e-9)
            if not regular:
                fail("vertices", vertices, "a regular polygon on the unit circle, anticlockwise (angular window)")

    @property
    def critical_time(self) -> float:
        """The time at which κ√t reaches the half width of the narrowest edge."""
        width = self.alpha if self.window == "angular" else float(np.min(self.half))
        return float((width / self.kappa) ** 2)

    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """Smoothed m(x, t) for positions (..., 2)."""
        x = np.asarray(x, dtype=np.float64)
        if not number("t", t, at_least=0.0) < self.critical_time:
            number("t", t, at_least=0.0, below=self.critical_time)
        distance = np.linalg.norm(x[..., None, :] - self.vertices, axis=-1)
        k = np.argmin(distance, axis=-1)
        n = self.vertices.shape[0]
        before = np.take_along_axis(distance, ((k - 1) % n)[..., None], axis=-1)[..., 0]
        after = np.take_along_axis(distance, ((k + 1) % n)[..., None], axis=-1)[..., 0]
        edge = np.where(after <= before, k, (k - 1) % n)
        delta = self.kappa * np.sqrt(t)
        along = np.sum((x - self.middle[edge]) * self.chord[edge], axis=-1)
        if self.window == "chord":
            z = along / (self.half[edge] - delta)
        else:
            z = np.arctan2(along, np.sum(x * self.middle[edge], axis=-1) / np.cos(self.alpha)) / (self.alpha - delta)
        return self.middle[edge] + (self.half[edge] * np.clip(z, -1.0, 1.0))[..., None] * self.chord[edge]

    def __call__(self, x: ArrayLike, t: float) -> np.ndarray:
        """s_t(x) = (m − x)/t for positions (..., 2)."""
        x = np.asarray(x, dtype=np.float64)
        return (self.posterior_mean(x, positive_time("t", t)) - x) / t

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """Positions at ``end`` > 0, by integrating dx/dλ = x − m; shape (..., 2)."""
        return integrate(self.posterior_mean, x, start, end)
