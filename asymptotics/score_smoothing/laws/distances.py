"""How far a generated law is from the uniform law and from the training set: all metrics together, early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import integer, number
from ..points import checked_points, half_gaps, half_spacing, locate
from .closed import EarlyStoppedLaw
from .law import Law
from .panels import Panels, mass_edges, mass_panels, panels_between
from .transport import to_uniform, transport


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


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How far a generated law is from the uniform law on [y_1, y_n] and from the training set; NaN: there is no such number.

    Parameters
    ----------
    interpolated_mass : float
        Mass of the gaps.
    memorised : float
        P(distance to the training set <= within).
    w1, w2, w1_training, w2_training : float
        Wasserstein distances to the uniform law and to the training set (mass 1/n each), in R^dimension.
    kl_uniform_total : float
        KL(U‖p̂) with the absolutely continuous part of p̂.
    kl_uniform_continuous, kl_continuous_uniform : float
        KL(U‖q) and KL(q‖U), q the normalised continuous (interpolating) part; both laws given the gaps if end_time > 0.
    """

    interpolated_mass: float
    memorised: float
    w1: float
    w2: float
    w1_training: float = math.nan
    w2_training: float = math.nan
    kl_uniform_total: float = math.nan
    kl_uniform_continuous: float = math.nan
    kl_continuous_uniform: float = math.nan


def metrics(law: Law, within: float = 0.1, dimension: int = 1) -> Metrics:
    r"""All distances of a law on a line in R^dimension from the uniform law on [y_1, y_n] and from the training set.

    In R^d the normal part N(0, s I) adds (d − 1)s to W₂². W₁ does not split: it is NaN for d > 1 and s > 0, as is KL(U‖p̂),
    which is infinite there (a line is a null set of a law with a density).
    """
    d = integer("dimension", dimension, at_least=1)
    normal = (d - 1) * law.scale**2 * law.end
    w1, w2, t1, t2 = transport(law)
    total, forward, reverse = divergences(law)
    thick = normal > 0.0
    return Metrics(
        w1=math.nan if thick else w1,
        w2=float(np.sqrt(w2**2 + normal)),
        w1_training=math.nan if thick else t1,
        w2_training=float(np.sqrt(t2**2 + normal)),
        kl_uniform_total=math.nan if thick else total,
        kl_uniform_continuous=forward,
        kl_continuous_uniform=reverse,
        memorised=memorised(law, within, d),
        interpolated_mass=law.gap_mass(),
    )


def early_stopping(points: ArrayLike, stop: float, dimension: int = 1) -> tuple[float, float]:
    """(W₁ of the tangential law, W₂ in R^dimension) to the uniform law when the exact flow is stopped at t_s = ``stop``."""
    w1, w2 = to_uniform(EarlyStoppedLaw(points, stop))
    return w1, float(np.sqrt(w2**2 + (integer("dimension", dimension, at_least=1) - 1) * stop))


def best_early_stopping(points: ArrayLike, dimension: int = 1) -> tuple[float, float]:
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
