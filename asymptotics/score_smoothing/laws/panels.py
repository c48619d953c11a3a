"""Quadrature over a law on the line: panels at offsets from the training points, on which everything is smooth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..points import half_gaps
from ..scores.score import REACH
from .law import Law

NODES = 12


@lru_cache(maxsize=4)
def _rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(count)
    return x, w


def spread(edges: np.ndarray, nodes: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on every panel, shapes (panels, nodes)."""
    x, w = _rule(nodes)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (x + 1.0), half * w


@dataclass(frozen=True)
class Panels:
    """Intervals y_k + (low, high): training point k, two offsets from it, each of shape (panels,)."""

    k: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def nodes(self, count: int = NODES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k of shape (panels, 1), Gauss-Legendre offsets and weights of shape (panels, nodes)."""
        x, w = _rule(count)
        half = (self.high - self.low)[:, None] / 2
        return self.k[:, None], self.low[:, None] + half * (x + 1.0), half * w


def panels_between(k: np.ndarray, v: np.ndarray) -> Panels:
    """The panels between neighbouring edges y_k + v of the same training point."""
    order = np.lexsort((v, k))
    k, v = k[order], v[order]
    # Two edges that differ by rounding have nothing between them.
    real = (k[1:] == k[:-1]) & (v[1:] - v[:-1] > 4e-16 * np.maximum(np.abs(v[1:]), np.abs(v[:-1])))
    return Panels(k[:-1][real], v[:-1][real], v[1:][real])


def mass_edges(law: Law, extra: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Edges (k, v) of panels over which p_{t₀} and the map are smooth: two standard deviations wide around every training
    point, split at the kinks of the map, at the points and at the midpoints, up to where the tails are below rounding."""
    n, sigma = law.points.size, np.sqrt(law.start)
    half, far = half_gaps(law.points), np.array([REACH * sigma])
    low, high = -np.concatenate([far, half]), np.concatenate([half, far])
    each = np.arange(n)
    steps = sigma * np.linspace(-REACH, REACH, 11)
    k = [np.repeat(each, steps.size), each, each, each, law.breaks[0]]
    v = [np.tile(steps, n), np.zeros(n), low, high, law.breaks[1]]
    if extra is not None:
        k, v = [*k, extra[0].ravel()], [*v, extra[1].ravel()]
    index, offset = np.concatenate(k), np.concatenate(v)
    inside = (offset >= low[index]) & (offset <= high[index])
    return index[inside], offset[inside]


def mass_panels(law: Law, extra: tuple[np.ndarray, np.ndarray] | None = None) -> Panels:
    """The panels between `mass_edges`."""
    return panels_between(*mass_edges(law, extra))
