"""Wasserstein distances and expectations of a law on the line: exact integrals over its monotone map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..points import nearest
from .law import Law
from .panels import Panels, mass_panels, panels_between


def _roots(g: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One root in each bracket, by the Illinois rule, vectorised (∫|g| feels the square of the error of a root)."""
    width = np.abs(b - a)
    fa, fb = g(a), g(b)
    x = a
    for _ in range(100):
        with np.errstate(divide="ignore", invalid="ignore"):
            x = b - fb * (b - a) / (fb - fa)
        x = np.where(np.isfinite(x), np.clip(x, np.minimum(a, b), np.maximum(a, b)), (a + b) / 2)
        f = g(x)
        crossed = np.sign(f) != np.sign(fb)
        a, fa = np.where(crossed, b, a), np.where(crossed, fb, fa / 2)
        moved = np.abs(x - b)
        b, fb = x, f
        if np.all((moved <= 1e-9 * width) | (f == 0.0)):
            break
    return x


#: The quantile function of another law at F_{t₀}(y_k + v), minus y_k, as a function of (k, v).
Quantile = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Grid:
    """The law on Gauss-Legendre panels: offsets v at t₀ and x at s from the points k, weights times density at the nodes."""

    law: Law
    panels: Panels
    k: np.ndarray
    v: np.ndarray
    x: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, law: Law, extra: tuple[np.ndarray, np.ndarray] | None = None) -> _Grid:
        panels = mass_panels(law, extra)
        k, v, w = panels.nodes()
        return cls(law, panels, k, v, law.offset(k, v), w * law.empirical.density(v, law.start, k))


def _transport(grid: _Grid, quantile: Quantile) -> tuple[float, float]:
    law, panels, v = grid.law, grid.panels, grid.v

    def difference(k: np.ndarray, at: np.ndarray) -> np.ndarray:
        return law.offset(k, at) - quantile(k, at)

    d = grid.x - quantile(grid.k, v)
    square = float(np.sum(grid.weight * d * d))
    total = np.sum(grid.weight * np.abs(d), axis=1)
    row, column = np.nonzero(np.diff(np.sign(d), axis=1) != 0.0)
    # A change of sign between the outermost node and the edge is looked for just inside the edge.
    shift = 1e-12 * (panels.high - panels.low)
    first, last = panels.low + shift, panels.high - shift
    left = np.nonzero(np.sign(difference(panels.k, first)) != np.sign(d[:, 0]))[0]
    right = np.nonzero(np.sign(difference(panels.k, last)) != np.sign(d[:, -1]))[0]
    a = np.concatenate([v[row, column], first[left], v[right, -1]])
    b = np.concatenate([v[row, column + 1], v[left, 0], last[right]])
    more = 0.0
    if a.size:
        at = np.concatenate([row, left, right])
        roots = _roots(lambda x: difference(panels.k[at], x), a, b)
        split = np.unique(at)
        pieces = panels_between(
            np.concatenate([at, split, split]), np.concatenate([roots, panels.low[split], panels.high[split]])
        )
        # The pieces are numbered by panel; their nodes belong to that panel's point.
        index, nodes, weights = pieces.nodes()
        k = panels.k[index]
        total[split] = 0.0
        more = float(np.sum(weights * law.empirical.density(nodes, law.start, k) * np.abs(difference(k, nodes))))
    return float(np.sum(total)) + more, float(np.sqrt(square))


def _to_uniform(law: Law) -> Quantile:
    """y_1 + (y_n − y_1) F, minus y_k."""
    low, length = law.points[0], law.points[-1] - law.points[0]
    return lambda k, v: (low - law.points[k]) + length * law.empirical.cdf(v, law.start, k)


def _to_training(law: Law) -> Quantile:
    """The training point in whose share of the mass F lies, minus y_k."""
    y, p, t, n = law.points, law.empirical, law.start, law.points.size

    def quantile(k: np.ndarray, v: np.ndarray) -> np.ndarray:
        k = np.broadcast_to(k, v.shape)
        index = np.clip(np.floor(p.cdf(v, t, k) * n).astype(np.int64), 0, n - 1)
        # Where the shares of neighbours meet in a void, F rounds to their limit: the small tails say on which side of it F is.
        above, under = index == k + 1, index == k - 1
        back = (above & (p.lacking(v, t, k, k + 1) > 0)) | (under & (p.lacking(v, t, k, k) <= 0))
        return y[np.where(back, k, index)] - y[k]

    return quantile


def transport(law: Law) -> tuple[float, float, float, float]:
    r"""W₁ and W₂ to the uniform law on [y_1, y_n], then W₁ and W₂ to the training set (mass 1/n on each point).

    W_p^p = ∫ |scale · x(z) − Q(F_{t₀}(z))|^p p_{t₀}(z) dz with the quantile function Q of the other law, exact since both
    maps are monotone. The panels are split at the kinks of x(z), at the jumps of Q∘F_{t₀}, and for p = 1 where the
    difference changes sign.
    """
    y, n = law.points, law.points.size
    jumps = law.empirical.quantile(np.arange(1, n) / n, law.start)
    k = nearest(y, jumps)
    grid = _Grid.of(law, (k, jumps - y[k]))
    return *_transport(grid, _to_uniform(law)), *_transport(grid, _to_training(law))


def expectation(law: Law, function: Callable[[np.ndarray], np.ndarray]) -> float:
    """E f(X) along the line, by the same panels; f may have kinks at the training points and their midpoints."""
    grid = _Grid.of(law)
    return float(np.sum(grid.weight * function(law.points[grid.k] + grid.x)))


def to_uniform(law: Law) -> tuple[float, float]:
    """W₁ and W₂ between the law and the uniform law on [y_1, y_n]; as `transport`."""
    return _transport(_Grid.of(law), _to_uniform(law))


def memorised_atoms(points: np.ndarray) -> tuple[float, float]:
    """W₁ and W₂ between the training set itself (mass 1/n on each point) and the uniform law: closed form."""
    n = points.size
    low, length = points[0], points[-1] - points[0]
    edges = low + length * np.arange(n + 1) / n
    right, left = edges[1:] - points, edges[:-1] - points
    w1 = np.sum((right * np.abs(right) - left * np.abs(left)) / 2) / length
    w2 = np.sum((right**3 - left**3) / 3) / length
    return float(w1), float(np.sqrt(w2))
