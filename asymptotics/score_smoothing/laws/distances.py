"""How far a generated law is from the uniform law and from the training set; exact integrals over monotone maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import integer, number
from ..points import checked_points, half_gaps, half_spacing, locate, nearest
from .closed import EarlyStoppedLaw
from .law import Law
from .panels import Panels, mass_edges, mass_panels, panels_between


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


def _density_panels(law: Law, low: tuple[int, float], high: tuple[int, float]) -> Panels:
    """Panels from position ``low`` to ``high``, both (k, v)."""
    # log p_t bends over a width t/Δ at each midpoint: panels double in width from there.
    half = half_gaps(law.points)
    width = law.start / half_spacing(law.points)
    count = max(1, int(np.ceil(np.log2(max(2.0, 2 * half_spacing(law.points) / width)))))
    steps = np.concatenate([[0.0], width * 2.0 ** np.arange(count + 1)])
    steps = steps[steps < 2 * float(np.max(half))]
    k = np.repeat(np.arange(half.size), steps.size)
    graded = np.maximum(half[:, None] - steps, 0.0).ravel()
    # KL(p̂‖U) also needs p_{t₀} itself resolved.
    extra = np.concatenate([k, k + 1, [low[0], high[0]]]), np.concatenate([graded, -graded, [low[1], high[1]]])
    index, v = mass_edges(law, extra)
    after = (index > low[0]) | ((index == low[0]) & (v >= low[1]))
    before = (index < high[0]) | ((index == high[0]) & (v <= high[1]))
    return panels_between(index[after & before], v[after & before])


def divergences(law: Law) -> tuple[float, float, float]:
    """KL(U‖p̂) with the absolutely continuous part of p̂; KL between the laws conditioned on the gaps, both ways.

    U is uniform on [y_1, y_n]. The second number is KL(U‖p̂ | gaps), the third KL(p̂‖U | gaps). Given the gaps both laws
    move affinely together, so that these two do not depend on the end time; as s → 0 the gaps fill [y_1, y_n].

    KL(p̂‖U) itself is infinite: atoms at s = 0, mass outside [y_1, y_n] at s > 0.
    """
    y, t = law.points, law.start
    length, n = y[-1] - y[0], y.size
    ends = law.back(*law.unscaled(np.array([0, n - 1]), np.zeros(2)))
    low, high = ((int(k), float(v)) for k, v in zip(*ends, strict=True))
    if not np.isfinite(low[1] + high[1]) or law.end == 0.0:
        low, high = (0, law.ball_start), (n - 1, -law.ball_start)
    k, v, w = _density_panels(law, low, high).nodes()
    slope = law.rate(k, v)
    log_p = law.empirical.log_density(v, t, k)
    with np.errstate(divide="ignore"):
        log_slope = np.where(slope > 0.0, np.log(np.where(slope > 0.0, slope, 1.0)), 0.0)
    # dx = scale · slope dz, p̂ = p/(scale · slope).
    total = float(np.sum(w * slope * (log_slope - log_p)) * law.scale / length + np.log(law.scale / length))
    if not law.has_gaps:
        # No gaps: the whole law is the continuous part.
        return total, total, float("nan")
    left, right = law.edges()
    inside = (v > np.append(left, np.inf)[k]) | (v < np.append(-np.inf, right)[k])
    mass = law.gap_mass()
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
    y, n = law.points, law.points.size
    half, each = half_gaps(y), np.arange(n)
    high = np.minimum(eps, np.append(half, np.inf))
    low = -np.minimum(eps, np.append(np.inf, half))
    sigma = law.scale * np.sqrt(law.end)
    if dimension == 1 or sigma == 0.0:
        reaches = low == -eps
        upto, below = law.cdf_near(each, high), law.cdf_near(each, low, below=True)
        return float(np.sum(upto - np.where(reaches, below, law.cdf_near(each, low))))
    from scipy.special import gammainc

    # The probability starts as a power of the distance to the edge (a square root for d = 2): panels shrink towards it.
    approach = np.concatenate([[0.0], eps * 0.5 ** np.arange(1, 44)])
    ends = np.concatenate([low[:, None] + approach, high[:, None] - approach], axis=1)
    at = np.concatenate([np.repeat(each, ends.shape[1]), each[:-1]])
    cut = law.back(*law.unscaled(at, np.concatenate([ends.ravel(), half])))
    k, v, w = _subdivided(mass_panels(law, cut), law, sigma).nodes()
    _, gap = locate(y, np.broadcast_to(k, v.shape), law.offset(k, v))
    inside = gammainc((dimension - 1) / 2, np.maximum(eps**2 - gap**2, 0.0) / (2 * sigma**2))
    return float(np.sum(w * law.empirical.density(v, law.start, k) * inside))


def _subdivided(panels: Panels, law: Law, sigma: float) -> Panels:
    # In x the integrand varies over the normal width sigma, which may be finer than the panels.
    length = law.offset(panels.k, panels.high) - law.offset(panels.k, panels.low)
    counts = np.clip(np.ceil(length / (0.5 * sigma)), 1, 400).astype(np.int64)
    parts = [np.linspace(a, b, m + 1) for a, b, m in zip(panels.low, panels.high, counts, strict=True)]
    return Panels(
        np.repeat(panels.k, counts), np.concatenate([p[:-1] for p in parts]), np.concatenate([p[1:] for p in parts])
    )


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
