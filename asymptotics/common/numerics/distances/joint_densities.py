r"""Squared L² distances between densities in all d dimensions, Gaussian or kernel estimates, in the log domain.

Overlaps ∫ p_X p_Y of such densities are closed: one Gaussian value, a sum over points, or a sum over pairs of points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from .coordinate_densities import Gaussian
from .pair_sums import log_pair_sum

BLOCK = 8192  # points that are worked on at once


@dataclass(frozen=True)
class Kernels:
    """A kernel estimate: the mean of N(x_i, variance) over points, shape (n, d)."""

    points: np.ndarray
    variance: float


Law = Gaussian | Kernels


def log_mean_gaussian(points: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    r"""ln (1/n) Σ_i N(x_i; mean, covariance), the density at points averaged, shape (n, d)."""
    lower = np.linalg.cholesky(covariance)
    log_det = 2.0 * float(np.sum(np.log(np.diag(lower))))
    exponents = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        white = solve_triangular(lower, (points[rows] - mean).T, lower=True, check_finite=False)
        exponents[rows] = -0.5 * np.einsum("ij,ij->j", white, white)
    top = float(exponents.max())
    mean_value = top + math.log(float(np.mean(np.exp(exponents - top))))
    return mean_value - 0.5 * len(mean) * math.log(2.0 * math.pi) - 0.5 * log_det


def log_overlap(one: Law, other: Law) -> float:
    """ln ∫ p q; infinite for two Gaussians whose covariances have a singular sum. (∫ p² of one estimate: `log_square`.)"""
    if isinstance(one, Kernels) and isinstance(other, Kernels):
        (n, d), m, v = one.points.shape, len(other.points), one.variance + other.variance
        unit = -0.5 * d * math.log(2.0 * math.pi * v)
        pairs = log_pair_sum(one.points, v, other.points)
        return unit + pairs - math.log(n) - math.log(m)
    if isinstance(one, Kernels):
        return log_overlap(other, one)
    d = len(one.mean)
    if isinstance(other, Kernels):
        return log_mean_gaussian(other.points, one.mean, one.covariance + other.variance * np.eye(d))
    covariance = one.covariance + other.covariance
    sign, _ = np.linalg.slogdet(covariance)
    if sign <= 0 or np.linalg.matrix_rank(covariance, hermitian=True) < d:
        return math.inf
    return log_mean_gaussian(other.mean[None], one.mean, covariance)


def log_distance(first: float, second: float, cross: float) -> float:
    """ln(e^first + e^second − 2e^cross), of overlaps; the coefficients add up to 0, so expm1 keeps what is near the largest."""
    if math.inf in (first, second):
        return math.inf
    top = max(first, second, cross)
    # Overlaps in units of a common one are near 1, and e^x − 1 then keeps what x has.
    top = 0.0 if abs(top) < 1.0 else top
    value = math.fsum((math.expm1(first - top), math.expm1(second - top), -2.0 * math.expm1(cross - top)))
    return top + math.log(value) if value > 0.0 else -math.inf


def log_square(law: Law) -> tuple[float, float]:
    """ln ∫ p² in two parts that add up: n self-overlaps of a kernel estimate, or a Gaussian; and the pairs of different points."""
    if isinstance(law, Gaussian):
        return log_overlap(law, law), -math.inf
    n, d = law.points.shape
    unit = -0.5 * d * math.log(4.0 * math.pi * law.variance)
    return unit - math.log(n), unit + log_pair_sum(law.points, 2.0 * law.variance) - 2.0 * math.log(n)


#: Squares that differ by less, relative to their logarithm, are equal but for rounding.
EQUAL = 1e-12


@dataclass(frozen=True)
class LogDistances:
    """ln E_TG, ln E_OG, ln E_TO (in units of length^{−d}) and whether E_OG < E_TG, which the common ∫ p_G² does not enter."""

    log_E_TG: float
    log_E_OG: float
    log_E_TO: float
    generalises: bool


def log_distances(generated: Law, training: Law, original: Law) -> LogDistances:
    """All distances of one data set.

    In many dimensions everything else is far below the self-overlaps of the kernels; where they are those of the original too
    (h² = σ²n^{−2/d} of both), they cancel in the comparison before anything is rounded away.
    """
    (t_self, t_pairs), (o_self, o_pairs) = log_square(training), log_square(original)
    t, o = float(np.logaddexp(t_self, t_pairs)), float(np.logaddexp(o_self, o_pairs))
    g = float(np.logaddexp(*log_square(generated)))
    tg, og, to = log_overlap(generated, training), log_overlap(generated, original), log_overlap(training, original)
    two = math.log(2.0)
    left, right = float(np.logaddexp(t_pairs, two + og)), float(np.logaddexp(o_pairs, two + tg))
    if abs(t_self - o_self) > EQUAL * max(1.0, abs(t_self)):
        left, right = float(np.logaddexp(left, t_self)), float(np.logaddexp(right, o_self))
    return LogDistances(log_distance(t, g, tg), log_distance(o, g, og), log_distance(t, o, to), left > right)
