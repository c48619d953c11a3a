"""How far a generated law is from the uniform law and from the training set; exact integrals over monotone maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..common.input.checks import integer, number
from .law import EarlyStoppedLaw, Law
from .points import checked_points, half_spacing, midpoints
from .scores import REACH

NODES = 12


@lru_cache(maxsize=4)
def _rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(count)
    return x, w


def _spread(edges: np.ndarray, nodes: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on every panel, shapes (panels, nodes)."""
    x, w = _rule(nodes)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (x + 1.0), half * w


def mass_edges(law: Law, extra: np.ndarray | None = None) -> np.ndarray:
    """Panels over which p_{t₀} and the map are smooth: two standard deviations wide around every training point, split
    at the kinks of the map, at the points and at the midpoints, up to where the tails are below rounding."""
    y, sigma = law.points, np.sqrt(law.start)
    steps = sigma * np.linspace(-REACH, REACH, 11)
    c = midpoints(y)
    low, high = np.concatenate([[-np.inf], c]), np.concatenate([c, [np.inf]])
    cell = y[:, None] + steps
    inside = cell[(cell > low[:, None]) & (cell < high[:, None])]
    parts = [inside, y, c, law.breaks] + ([] if extra is None else [extra])
    edges = np.unique(np.concatenate(parts))
    edges = edges[(edges >= y[0] - REACH * sigma) & (edges <= y[-1] + REACH * sigma)]
    return edges[np.concatenate([[True], np.diff(edges) > 1e-15 * (1.0 + np.abs(edges[1:]))])]


def _roots(g: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One root in each bracket, by the Illinois rule, vectorised (∫|g| feels the square of the error of a root)."""
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
        if np.all((moved <= 1e-9 * (1.0 + np.abs(x))) | (f == 0.0)):
            break
    return x


@dataclass(frozen=True)
class _Grid:
    """The law on Gauss-Legendre panels: edges, nodes, positions x, F_{t₀} and weights times density at the nodes."""

    law: Law
    edges: np.ndarray
    z: np.ndarray
    x: np.ndarray
    u: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, law: Law, extra: np.ndarray | None = None) -> _Grid:
        edges = mass_edges(law, extra)
        z, w = _spread(edges)
        weight = w * law.empirical.density(z, law.start)
        return cls(law, edges, z, law.scale * law.push(z), law.empirical.cdf(z, law.start), weight)


def _transport(grid: _Grid, quantile: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    law, edges, z = grid.law, grid.edges, grid.z

    def difference(at: np.ndarray) -> np.ndarray:
        return law.scale * law.push(at) - quantile(law.empirical.cdf(at, law.start))

    d = grid.x - quantile(grid.u)
    square = float(np.sum(grid.weight * d * d))
    total = np.sum(grid.weight * np.abs(d), axis=1)
    row, column = np.nonzero(np.diff(np.sign(d), axis=1) != 0.0)
    # A change of sign between the outermost node and the edge is looked for just inside the edge.
    shift = 1e-12 * np.diff(edges)
    ends = difference(np.stack([edges[:-1] + shift, edges[1:] - shift]))
    left = np.nonzero(np.sign(ends[0]) != np.sign(d[:, 0]))[0]
    right = np.nonzero(np.sign(ends[1]) != np.sign(d[:, -1]))[0]
    a = np.concatenate([z[row, column], (edges[:-1] + shift)[left], z[right, -1]])
    b = np.concatenate([z[row, column + 1], z[left, 0], (edges[1:] - shift)[right]])
    if a.size:
        panels = np.concatenate([row, left, right])
        roots = _roots(difference, a, b)
        split = np.unique(panels)
        pieces = [np.concatenate([[edges[p]], np.sort(roots[panels == p]), [edges[p + 1]]]) for p in split]
        low = np.concatenate([piece[:-1] for piece in pieces])
        high = np.concatenate([piece[1:] for piece in pieces])
        x, v = _rule(NODES)
        half = (high - low)[:, None] / 2
        nodes = low[:, None] + half * (x + 1.0)
        total[split] = 0.0
        more = float(np.sum(half * v * law.empirical.density(nodes, law.start) * np.abs(difference(nodes))))
    else:
        more = 0.0
    return float(np.sum(total)) + more, float(np.sqrt(square))


def transport(law: Law) -> tuple[float, float, float, float]:
    r"""W₁ and W₂ to the uniform law on [y_1, y_n], then W₁ and W₂ to the training set (mass 1/n on each point).

    W_p^p = ∫ |scale · x(z) − Q(F_{t₀}(z))|^p p_{t₀}(z) dz with the quantile function Q of the other law, exact since both
    maps are monotone. The panels are split at the kinks of x(z), at the jumps of Q∘F_{t₀}, and for p = 1 where the
    difference changes sign.
    """
    y, n = law.points, law.points.size
    jumps = law.empirical.quantile(np.arange(1, n) / n, law.start)
    grid = _Grid.of(law, jumps)
    low, length = y[0], y[-1] - y[0]
    uniform = _transport(grid, lambda u: low + length * u)
    training = _transport(grid, lambda u: y[np.clip(np.floor(u * n).astype(np.int64), 0, n - 1)])
    return *uniform, *training


def expectation(law: Law, function: Callable[[np.ndarray], np.ndarray]) -> float:
    """E f(X) along the line, by the same panels; f may have kinks at the training points and their midpoints."""
    grid = _Grid.of(law)
    return float(np.sum(grid.weight * function(grid.x)))


def to_uniform(law: Law) -> tuple[float, float]:
    """W₁ and W₂ between the law and the uniform law on [y_1, y_n]; as `transport`."""
    low, length = law.points[0], law.points[-1] - law.points[0]
    return _transport(_Grid.of(law), lambda u: low + length * u)


def memorised_atoms(points: np.ndarray) -> tuple[float, float]:
    """W₁ and W₂ between the training set itself (mass 1/n on each point) and the uniform law: closed form."""
    n = points.size
    low, length = points[0], points[-1] - points[0]
    edges = low + length * np.arange(n + 1) / n
    right, left = edges[1:] - points, edges[:-1] - points
    w1 = np.sum((right * np.abs(right) - left * np.abs(left)) / 2) / length
    w2 = np.sum((right**3 - left**3) / 3) / length
    return float(w1), float(np.sqrt(w2))


def _density_edges(law: Law, low: float, high: float) -> np.ndarray:
    # log p_t bends over a width t/Δ at each midpoint: panels double in width from there.
    c, delta = midpoints(law.points), half_spacing(law.points)
    width = law.start / delta
    count = max(1, int(np.ceil(np.log2(max(2.0, 2 * delta / width)))))
    steps = np.concatenate([[0.0], width * 2.0 ** np.arange(count + 1)])
    steps = steps[steps < float(np.max(np.diff(law.points)))]
    graded = (c[:, None] + np.concatenate([-steps[::-1], steps])).ravel()
    # KL(p̂‖U) also needs p_{t₀} itself resolved.
    edges = np.unique(np.concatenate([graded, mass_edges(law), [low, high]]))
    return edges[(edges >= low) & (edges <= high)]


def divergences(law: Law) -> tuple[float, float, float]:
    """KL(U‖p̂) with the absolutely continuous part of p̂; KL between the laws conditioned on the gaps, both ways.

    U is uniform on [y_1, y_n]. The second number is KL(U‖p̂ | gaps), the third KL(p̂‖U | gaps). Given the gaps both laws
    move affinely together, so that these two do not depend on the end time; as s → 0 the gaps fill [y_1, y_n].

    KL(p̂‖U) itself is infinite: atoms at s = 0, mass outside [y_1, y_n] at s > 0.
    """
    y, t = law.points, law.start
    length = y[-1] - y[0]
    low, high = law.pull(np.array([y[0], y[-1]]) / law.scale)
    if not np.isfinite(low + high) or law.end == 0.0:
        low, high = y[0] + law.ball_start, y[-1] - law.ball_start
    z, w = _spread(_density_edges(law, low, high))
    slope = law.slope(z)
    log_p = law.empirical.log_density(z, t)
    with np.errstate(divide="ignore"):
        log_slope = np.where(slope > 0.0, np.log(np.where(slope > 0.0, slope, 1.0)), 0.0)
    # dx = scale · slope dz, p̂ = p/(scale · slope).
    total = float(np.sum(w * slope * (log_slope - log_p)) * law.scale / length + np.log(law.scale / length))
    left, right = law.gaps()
    k = np.searchsorted(left, z, side="right") - 1
    inside = (k >= 0) & (z < right[np.maximum(k, 0)])
    mass = law.gap_mass()
    if not np.any(right > left):
        # No gaps: the whole law is the continuous part.
        return total, total, float("nan")
    if not np.any(inside) or not mass > 0.0:
        return total, float("nan"), float("nan")
    dz, dx, log_q = w[inside], (w * slope)[inside], (log_p - log_slope)[inside]
    shift = np.log(np.sum(dx)) - np.log(mass)
    reverse = np.sum(dz * np.exp(log_p[inside]) * (log_q + shift)) / mass
    forward = -np.sum(dx * (log_q + shift)) / np.sum(dx)
    return total, max(float(forward), 0.0), max(float(reverse), 0.0)


def memorised(law: Law, within: float = 0.1, dimension: int = 1) -> float:
    """P(distance to the nearest training point <= ``within``), the law being on a line in R^dimension.

    The normal coordinates are N(0, s I) (scaled like the rest), independent of the tangential one.
    """
    eps = number("within", within, at_least=0.0)
    y, c = law.points, midpoints(law.points)
    low = np.concatenate([[y[0] - eps], np.maximum(y[1:] - eps, c)])
    high = np.concatenate([np.minimum(y[:-1] + eps, c), [y[-1] + eps]])
    sigma = law.scale * np.sqrt(law.end)
    if dimension == 1 or sigma == 0.0:
        reaches = np.concatenate([[True], y[1:] - eps > c])
        return float(np.sum(law.cdf(high) - np.where(reaches, law.cdf(low, below=True), law.cdf(low))))
    from scipy.special import gammainc

    # The probability starts as a power of the distance to the edge (a square root for d = 2): panels shrink towards it.
    approach = np.concatenate([[0.0], eps * 0.5 ** np.arange(1, 44)])
    ends = np.concatenate([(low[:, None] + approach).ravel(), (high[:, None] - approach).ravel(), c])
    cut = law.pull(ends / law.scale)
    z, w = _spread(_subdivided(mass_edges(law, cut), law, sigma))
    x = law.scale * law.push(z)
    gap = np.abs(x - y[np.searchsorted(c, x)])
    inside = gammainc((dimension - 1) / 2, np.maximum(eps**2 - gap**2, 0.0) / (2 * sigma**2))
    return float(np.sum(w * law.empirical.density(z, law.start) * inside))


def _subdivided(edges: np.ndarray, law: Law, sigma: float) -> np.ndarray:
    # In x the integrand varies over the normal width sigma, which may be finer than the panels.
    x = law.scale * law.push(edges)
    counts = np.clip(np.ceil(np.diff(x) / (0.5 * sigma)), 1, 400).astype(np.int64)
    parts = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    return np.concatenate([*parts, edges[-1:]])


@dataclass(frozen=True)
class Metrics:
    """Distances of one generated law; fields as in `metrics`."""

    w1: float
    w2: float
    w1_training: float
    w2_training: float
    kl_uniform_total: float
    kl_uniform_continuous: float
    kl_continuous_uniform: float
    memorised: float
    interpolated_mass: float


def metrics(law: Law, within: float = 0.1, dimension: int = 1) -> Metrics:
    r"""All distances of a law on a line in R^dimension from the uniform law on [y_1, y_n] and from the training set.

    In R^d the normal part N(0, s I) adds (d − 1)s to W₂². W₁ does not split: it is NaN for d > 1 and s > 0, as is KL(U‖p̂),
    which is infinite there (a line is a null set of a law with a density).

    Returns
    -------
    Metrics
        w1, w2 to the uniform law, w1_training, w2_training to the training set; kl_uniform_total, kl_uniform_continuous,
        kl_continuous_uniform as in `divergences`; memorised; interpolated_mass, the mass of the gaps.
    """
    d = integer("dimension", dimension, at_least=1)
    normal = (d - 1) * law.scale**2 * law.end
    w1, w2, t1, t2 = transport(law)
    total, forward, reverse = divergences(law)
    thick = normal > 0.0
    return Metrics(
        w1=float("nan") if thick else w1,
        w2=float(np.sqrt(w2**2 + normal)),
        w1_training=float("nan") if thick else t1,
        w2_training=float(np.sqrt(t2**2 + normal)),
        kl_uniform_total=float("nan") if thick else total,
        kl_uniform_continuous=forward,
        kl_continuous_uniform=reverse,
        memorised=memorised(law, within, d),
        interpolated_mass=law.gap_mass(),
    )


def early_stopping(points: Any, stop: float, dimension: int = 1) -> tuple[float, float]:
    """(W₁ of the tangential law, W₂ in R^dimension) to the uniform law when the exact flow is stopped at t_s = ``stop``."""
    w1, w2 = to_uniform(EarlyStoppedLaw(points, stop))
    return w1, float(np.sqrt(w2**2 + (integer("dimension", dimension, at_least=1) - 1) * stop))


def best_early_stopping(points: Any, dimension: int = 1) -> tuple[float, float]:
    """(t_s, W₂): the stopping time with the least W₂ to the uniform law in R^dimension, and that W₂.

    W₂² = W₂²(tangent) + (d − 1) t_s; the optimum is searched over log t_s.
    """
    from scipy.optimize import minimize_scalar

    y = checked_points(points)
    span = 2 * half_spacing(y)

    def cost(log_time: float) -> float:
        return early_stopping(y, float(np.exp(log_time)), dimension)[1]

    grid = np.log(span**2) + np.linspace(-14.0, 2.0, 33)
    best = int(np.argmin([cost(v) for v in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)])
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x)), float(found.fun)
