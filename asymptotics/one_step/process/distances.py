"""Squared L² distances between training, underlying and generated density, in the log domain; and the comparison of two."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...common.input.checks import fail
from ...common.numerics.distances.joint_densities import log_distance, log_mean_gaussian
from ...common.numerics.distances.pair_sums import (
    kernel_variance,
    log_kernel_excess,
    log_kernel_excess_bound,
    log_pair_sum,
)
from ...common.output.records import Record
from .denoiser import Generated


@dataclass(frozen=True)
class Underlying:
    r"""The underlying density in units of σ around its mean: N(0, 1), or a kernel estimate of fresh samples of it.

    Parameters
    ----------
    points : ndarray of shape (n_O, d), optional
        Centres of the kernel estimate, whose kernel has the variance n_O^{−2/d}; None for the exact Gaussian.
    """

    points: np.ndarray | None = None


@dataclass(frozen=True)
class GaussianDivergences(Record):
    """A generated Gaussian against N(0, 1), in units of σ; infinite where its covariance is singular.

    Parameters
    ----------
    log_det_rate, trace_rate : float
        (1/d) ln|Σ_G|, (1/d) Tr Σ_G.
    kl_generated_target, kl_generated_target_variance, kl_generated_target_mean : float
        KL(G‖O) and its two parts.
    kl_target_generated : float
    log_bhattacharyya, hellinger_squared : float
    """

    log_det_rate: float
    trace_rate: float
    kl_generated_target: float
    kl_generated_target_variance: float
    kl_generated_target_mean: float
    kl_target_generated: float
    log_bhattacharyya: float
    hellinger_squared: float


@dataclass(frozen=True)
class Distances(Record):
    """All distances of one data set; None where there is no finite value.

    Parameters
    ----------
    log_E_TG, E_TG, log_E_OG, E_OG, log_E_TO, E_TO : float
        E_XY = ∫(p_X − p_Y)² for T, O, G, and logarithms.
    hellinger_squared, kl_generated_target, kl_target_generated, log_bhattacharyya : float
        Against N(μ, σ²).
    closer_to_target : bool
        E_OG < E_TG.
    notes : list of str
        ``name: reason`` for each None.
    """

    log_E_TG: float | None
    E_TG: float | None
    log_E_OG: float | None
    E_OG: float | None
    log_E_TO: float | None
    E_TO: float | None
    hellinger_squared: float | None
    kl_generated_target: float | None
    kl_target_generated: float | None
    log_bhattacharyya: float | None
    closer_to_target: bool
    notes: list[str] = field(default_factory=list)


def log_overlap(generated: Generated, points: np.ndarray | None) -> float:
    r"""ln ∫ p G in units of (4πσ²)^{−d/2}, for a kernel estimate p (``points``) or the exact N(0, 1) (None).

    .. math:: \tfrac d2 \ln 2 - \tfrac12 \ln|Σ_G + h^2| - \ln n
              + \ln\sum_i e^{-\frac12 (x_i - μ_G)^\top (Σ_G + h^2)^{-1} (x_i - μ_G)} .
    """
    d = len(generated.mean)
    centres = np.zeros((1, d)) if points is None else points
    h2 = 1.0 if points is None else kernel_variance(len(points), d)
    mean = log_mean_gaussian(centres, generated.mean, generated.covariance + h2 * np.eye(d))
    return 0.5 * d * math.log(4.0 * math.pi) + mean


def log_cross(points: np.ndarray, underlying: Underlying) -> float:
    r"""ln ∫ p_T p_O in units of (4πσ²)^{−d/2}."""
    n, d = points.shape
    h2 = kernel_variance(n, d)
    if underlying.points is None:
        v = 1.0 + h2
        sums = log_pair_sum(points, v, np.zeros((1, d))) - math.log(n)
    else:
        other = underlying.points
        v = h2 + kernel_variance(len(other), d)
        sums = log_pair_sum(points, v, other) - math.log(n) - math.log(len(other))
    return 0.5 * d * (math.log(2.0) - math.log(v)) + sums


def _log_add(a: float, b: float) -> float:
    return float(np.logaddexp(a, b))


def closer_to_target(
    points: np.ndarray, generated: Generated, underlying: Underlying, *, excess: float | None = None
) -> bool:
    r"""Whether E_OG < E_TG: the generated density is nearer to the underlying than to the training density.

    ∫G² is common to both sides, and so are the self-overlaps of the kernels (and ∫ p_O² of the exact Gaussian), all 1:

    .. math:: E_{OG} < E_{TG} \iff \ln(T' + 2\,OG) > \ln(O' + 2\,TG),

    with T', O' the sums over pairs of different points. O' costs the most. It is left out where TG alone decides; an upper
    bound, `log_kernel_excess_bound`, is tried where it can decide; and the sum stops where its lower bound decides.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Training set, in units of σ around μ.
    generated : Generated
        In the same units.
    underlying : Underlying
    excess : float, optional
        ln O', if known.

    Notes
    -----
    Halder 2024 (arXiv 2411.17807), eqs. 3.6–3.8.
    """
    og = log_overlap(generated, underlying.points)
    tg = log_overlap(generated, points)
    left = _log_add(log_kernel_excess(points), math.log(2.0) + og)
    right = math.log(2.0) + tg
    if left <= right or underlying.points is None:
        return left > right
    if excess is None:
        room = left + math.log(-math.expm1(right - left))  # O' must stay below e^room
        count, d = underlying.points.shape
        # With independent Gaussian points each coordinate lowers ln O' by this much on average.
        rate = 0.5 * math.log1p(1.0 / kernel_variance(count, d))
        coordinates = max(1, math.ceil((math.log(count) + 1.5 - room) / rate))
        if coordinates <= d and log_kernel_excess_bound(underlying.points, coordinates) < room:
            return True
        # a hair above room, so that a partial sum that stops decides as the whole would
        excess = log_kernel_excess(underlying.points, enough=room + 1e-9)
    return left > _log_add(excess, right)


def gaussian_divergences(generated: Generated) -> GaussianDivergences:
    r"""KL both ways, Hellinger distance and the moments of N(μ_G, Σ_G) against N(0, 1); infinite where Σ_G is singular."""
    values, vectors = generated.spectrum()
    shift = (vectors.T @ generated.mean) ** 2
    d, singular = len(values), values[-1] <= 0.0
    trace, mean = float(values.sum()) / d, 0.5 * float(shift.sum())
    if singular:
        return GaussianDivergences(-math.inf, trace, math.inf, math.inf, mean, math.inf, -math.inf, 1.0)
    # v − 1 − ln v without cancellation at v near 1
    forward = 0.5 * float(np.sum((values - 1.0) - np.log1p(values - 1.0)))
    inverse = 1.0 / values
    backward = 0.5 * float(np.sum((inverse - 1.0) - np.log1p(inverse - 1.0)) + np.sum(shift * inverse))
    # ln[2√v/(1 + v)] = −½ ln[1 + (v − 1)²/(4v)]
    overlap = -0.25 * float(np.sum(np.log1p((values - 1.0) ** 2 * (0.25 * inverse))) + np.sum(shift / (1.0 + values)))
    log_det = float(np.sum(np.log(values)))
    return GaussianDivergences(
        log_det / d, trace, forward + mean, forward, mean, backward, overlap, -math.expm1(overlap)
    )


def distances(points: np.ndarray, generated: Generated, underlying: Underlying, std: float = 1.0) -> Distances:
    r"""All pairwise distances of one data set, with Hellinger and KL against N(μ, σ²).

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Training set in units of σ around μ.
    generated : Generated
        In the same units.
    underlying : Underlying
    std : float
        σ, which sets the units (4πσ²)^{−d/2} of the E.

    Raises
    ------
    InputError
        If the dimensions differ.
    """
    d = points.shape[1]
    if len(generated.mean) != d or (underlying.points is not None and underlying.points.shape[1] != d):
        fail("points", points.shape, "of the dimension of the generated and underlying density")
    excess = -math.inf if underlying.points is None else log_kernel_excess(underlying.points)
    t2, o2 = math.log1p(math.exp(log_kernel_excess(points))), math.log1p(math.exp(excess))
    gaussian = gaussian_divergences(generated)
    g2 = -0.5 * d * gaussian.log_det_rate
    logs = {"E_TO": log_distance(t2, o2, log_cross(points, underlying))}
    if math.isfinite(g2):
        logs["E_TG"] = log_distance(t2, g2, log_overlap(generated, points))
        logs["E_OG"] = log_distance(o2, g2, log_overlap(generated, underlying.points))
    unit = -0.5 * d * math.log(4.0 * math.pi * std**2)
    notes: list[str] = []
    values: dict[str, Any] = {}
    for name in ("E_TG", "E_OG", "E_TO"):
        log_value = logs.get(name, math.inf) + unit
        fits = -708.0 < log_value < 709.0
        values[f"log_{name}"] = log_value if math.isfinite(log_value) else None
        values[name] = math.exp(log_value) if fits else None
        if log_value == math.inf:
            notes.append(f"{name}: infinite, because the generated covariance is singular for n <= d")
        elif not fits:
            notes.append(f"{name}: outside the range of floating point; see log_{name}")
    for name in ("hellinger_squared", "kl_generated_target", "kl_target_generated", "log_bhattacharyya"):
        value = getattr(gaussian, name)
        values[name] = value if math.isfinite(value) else None
        if values[name] is None:
            notes.append(f"{name}: infinite, because the generated covariance is singular for n <= d")
    closer = closer_to_target(points, generated, underlying, excess=excess)
    return Distances(**values, closer_to_target=closer, notes=notes)
