"""Squared L² distances between training, underlying and generated density, in the log domain; and the comparison of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from ..common.input.checks import fail
from .denoiser import BLOCK, Generated

TILE = 512  # pairs are worked on in square tiles that stay in cache
LARGEST_SPREAD = 1e5  # of |x|²/h²: beyond, |x|² + |y|² − 2xy would lose more than 1e-11 of the exponent


@dataclass(frozen=True)
class Underlying:
    r"""The underlying density in units of σ around its mean: N(0, 1), or a kernel estimate of fresh samples of it.

    Parameters
    ----------
    points : ndarray of shape (n_O, d), optional
        Centres of the kernel estimate, whose kernel has the variance n_O^{−2/d}; None for the exact Gaussian.
    """

    points: np.ndarray | None = None


def kernel_variance(count: int, dimension: int) -> float:
    r"""h² = n^{−2/d} in units of σ²: the width at which the n self-overlaps of a kernel estimate add up to ∫ p²."""
    return math.exp(-2.0 / dimension * math.log(count))


def log_pair_sum(
    left: np.ndarray, variance: float, right: np.ndarray | None = None, *, enough: float = math.inf
) -> float:
    r"""ln Σ_{ij} exp(−|x_i − y_j|²/(2v)); with one set of points the pairs i ≠ j only.

    Parameters
    ----------
    left : ndarray, shape (n, d)
        x.
    variance : float
        v, the sum of the two kernel variances.
    right : ndarray, shape (m, d), optional
        y; without it the sum runs over ordered pairs i ≠ j of ``left``.
    enough : float, optional
        Stop as soon as the partial sum, a lower bound, exceeds e^enough, and return that.

    Returns
    -------
    float
        −∞ if there are no pairs.

    Notes
    -----
    Squared distances come from matrix products of points shifted to their common centre, where rounding is then below
    1e-11 of the exponent; else from differences of coordinates. The second pass is for sums below e^{−300}.
    """
    centre = left.mean(axis=0)
    x = (left - centre) / math.sqrt(variance)
    y = x if right is None else (right - centre) / math.sqrt(variance)
    spread = max(float(np.max(np.einsum("ij,ij->i", v, v), initial=0.0)) for v in (x, y))
    direct = spread > LARGEST_SPREAD
    limit = math.exp(enough) if -300.0 < enough < 700.0 else math.inf
    total = _sum_tiles(x, y, right is None, direct, limit, shifted=False)
    return total if total > -300.0 else _sum_tiles(x, y, right is None, direct, math.inf, shifted=True)


def _sum_tiles(x: np.ndarray, y: np.ndarray, same: bool, direct: bool, limit: float, *, shifted: bool) -> float:
    x_half = 0.5 * np.einsum("ij,ij->i", x, x)
    y_half = x_half if same else 0.5 * np.einsum("ij,ij->i", y, y)
    buffer = np.empty((TILE, TILE))
    peak, sums = (-math.inf if shifted else 0.0), 0.0
    for i in range(0, len(x), TILE):
        rows = x[i : i + TILE]
        for j in range(i if same else 0, len(y), TILE):
            columns = y[j : j + TILE]
            tile = buffer[: len(rows), : len(columns)]
            if direct:
                tile[...] = 0.0
                for k in range(x.shape[1]):
                    tile -= 0.5 * (rows[:, k, None] - columns[None, :, k]) ** 2
            else:
                np.matmul(rows, columns.T, out=tile)
                tile -= x_half[i : i + TILE, None]
                tile -= y_half[j : j + TILE]
            if same and i == j:
                np.fill_diagonal(tile, -math.inf)
            if shifted:
                top = float(tile.max())
                if top == -math.inf:
                    continue
                if top > peak:
                    sums, peak = sums * math.exp(peak - top), top
                tile -= peak
            np.exp(tile, out=tile)
            sums += (2.0 if same and i != j else 1.0) * float(tile.sum())
            if sums > limit:
                return math.log(sums)
    return peak + math.log(sums) if sums > 0.0 else -math.inf


def log_kernel_excess(points: np.ndarray, *, enough: float = math.inf) -> float:
    r"""ln[∫ p² − 1] of a kernel estimate in units of (4πσ²)^{−d/2}: ln (1/n) Σ_{i≠j} exp(−|x_i − x_j|²/4h²).

    The self-overlaps give h^{−d}/n = 1 exactly, whatever n: they are never computed.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    enough : float, optional
        Stop as soon as the result is known to exceed this, and return the lower bound that does.
    """
    n, d = points.shape
    return log_pair_sum(points, 2.0 * kernel_variance(n, d), enough=enough + math.log(n)) - math.log(n)


def log_kernel_excess_bound(points: np.ndarray, coordinates: int) -> float:
    r"""A rigorous upper bound on `log_kernel_excess` at half its cost or less.

    Distances in the first ``coordinates`` coordinates are not larger than the full ones. They are evaluated in single
    precision, and the result is raised by a bound on all rounding: an exponent x·y − |x|²/2 − |y|²/2 of k terms errs by
    at most (k + 4) u (2 max|x|²), u = 2^{−24}; exponentials and their sums by far less than 1e-3 of themselves; and
    one that underflows is below 2^{−126}.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    coordinates : int
        1 … d.

    Returns
    -------
    float
        Infinite where rounding is too large for a bound.
    """
    n, d = points.shape
    x = (points - points.mean(axis=0))[:, :coordinates] / math.sqrt(2.0 * kernel_variance(n, d))
    squares = np.einsum("ij,ij->i", x, x)
    rounding = (coordinates + 4) * 2.0**-24 * 2.0 * float(squares.max())
    if rounding > 0.1:
        return math.inf
    half = -0.5 * squares[:, None]
    left = np.hstack([x, half, np.ones_like(half)]).astype(np.float32)
    right = np.hstack([x, np.ones_like(half), half]).astype(np.float32)
    buffer = np.empty((TILE, TILE), dtype=np.float32)
    total = 0.0
    for i in range(0, n, TILE):
        rows = left[i : i + TILE]
        for j in range(i, n, TILE):
            columns = right[j : j + TILE]
            tile = buffer[: len(rows), : len(columns)]
            np.matmul(rows, columns.T, out=tile)
            if i == j:
                np.fill_diagonal(tile, -math.inf)
            np.exp(tile, out=tile)
            total += (1.0 if i == j else 2.0) * float(tile.sum())
    return rounding + 1e-3 + math.log(total + float(n) * n * 2.0**-126) - math.log(n)


def log_overlap(generated: Generated, points: np.ndarray | None) -> float:
    r"""ln ∫ p G in units of (4πσ²)^{−d/2}, for a kernel estimate p (``points``) or the exact N(0, 1) (None).

    .. math:: \tfrac d2 \ln 2 - \tfrac12 \ln|Σ_G + h^2| - \ln n
              + \ln\sum_i e^{-\frac12 (x_i - μ_G)^\top (Σ_G + h^2)^{-1} (x_i - μ_G)} .
    """
    d = len(generated.mean)
    centres = np.zeros((1, d)) if points is None else points
    h2 = 1.0 if points is None else kernel_variance(len(points), d)
    lower = np.linalg.cholesky(generated.covariance + h2 * np.eye(d))
    log_det = 2.0 * float(np.sum(np.log(np.diag(lower))))
    exponents = np.empty(len(centres))
    for start in range(0, len(centres), BLOCK):
        rows = slice(start, start + BLOCK)
        white = solve_triangular(lower, (centres[rows] - generated.mean).T, lower=True, check_finite=False)
        exponents[rows] = -0.5 * np.einsum("ij,ij->j", white, white)
    top = float(exponents.max())
    mean = top + math.log(float(np.mean(np.exp(exponents - top))))
    return 0.5 * d * math.log(2.0) - 0.5 * log_det + mean


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


def gaussian_divergences(generated: Generated) -> dict[str, float]:
    r"""KL both ways, Hellinger distance and the moments of N(μ_G, Σ_G) against N(0, 1); infinite where Σ_G is singular."""
    values, vectors = generated.spectrum()
    shift = (vectors.T @ generated.mean) ** 2
    d, singular = len(values), values[-1] <= 0.0
    log_det = -math.inf if singular else float(np.sum(np.log(values)))
    result = {
        "log_det_rate": log_det / d,
        "trace_rate": float(values.sum()) / d,
        "kl_generated_target": math.inf,
        "kl_generated_target_variance": math.inf,
        "kl_generated_target_mean": 0.5 * float(shift.sum()),
        "kl_target_generated": math.inf,
        "log_bhattacharyya": -math.inf,
        "hellinger_squared": 1.0,
    }
    if singular:
        return result
    # v − 1 − ln v without cancellation at v near 1
    forward = 0.5 * float(np.sum((values - 1.0) - np.log1p(values - 1.0)))
    inverse = 1.0 / values
    backward = 0.5 * float(np.sum((inverse - 1.0) - np.log1p(inverse - 1.0)) + np.sum(shift * inverse))
    # ln[2√v/(1 + v)] = −½ ln[1 + (v − 1)²/(4v)]
    overlap = -0.25 * float(np.sum(np.log1p((values - 1.0) ** 2 * (0.25 * inverse))) + np.sum(shift / (1.0 + values)))
    result["kl_generated_target"] = forward + result["kl_generated_target_mean"]
    result["kl_generated_target_variance"] = forward
    result["kl_target_generated"] = backward
    result["log_bhattacharyya"] = overlap
    result["hellinger_squared"] = -math.expm1(overlap)
    return result


def _log_distance(first: float, second: float, cross: float) -> float:
    """ln(e^first + e^second − 2 e^cross); the coefficients add up to 0, so expm1 keeps what is near 1."""
    top = max(first, second, cross)
    if top < 30.0:
        value, top = math.fsum((math.expm1(first), math.expm1(second), -2.0 * math.expm1(cross))), 0.0
    else:
        value = math.fsum((math.exp(first - top), math.exp(second - top), -2.0 * math.exp(cross - top)))
    return top + math.log(value) if value > 0.0 else -math.inf


def distances(points: np.ndarray, generated: Generated, underlying: Underlying, std: float = 1.0) -> dict[str, Any]:
    r"""All pairwise distances of one data set: E_XY = ∫(p_X − p_Y)² for T, O, G, with Hellinger and KL against N(μ, σ²).

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Training set in units of σ around μ.
    generated : Generated
        In the same units.
    underlying : Underlying
    std : float
        σ, which sets the units (4πσ²)^{−d/2} of the E.

    Returns
    -------
    dict
        ``E_TG, E_OG, E_TO``, their logarithms ``log_E_TG``…, ``hellinger_squared``, ``kl_generated_target``,
        ``kl_target_generated``, ``log_bhattacharyya``, ``closer_to_target``; None where there is no finite value, with the
        reason in ``notes``.

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
    g2 = -0.5 * d * gaussian["log_det_rate"]
    logs = {"E_TO": _log_distance(t2, o2, log_cross(points, underlying))}
    if math.isfinite(g2):
        logs["E_TG"] = _log_distance(t2, g2, log_overlap(generated, points))
        logs["E_OG"] = _log_distance(o2, g2, log_overlap(generated, underlying.points))
    unit = -0.5 * d * math.log(4.0 * math.pi * std**2)
    notes, values = [], {}
    for name in ("E_TG", "E_OG", "E_TO"):
        log_value = logs.get(name, math.inf) + unit
        values[f"log_{name}"] = log_value if math.isfinite(log_value) else None
        fits = -708.0 < log_value < 709.0
        values[name] = math.exp(log_value) if fits else None
        if log_value == math.inf:
            notes.append(f"{name}: infinite, because the generated covariance is singular for n <= d")
        elif not fits:
            notes.append(f"{name}: outside the range of floating point; see log_{name}")
    for name in ("hellinger_squared", "kl_generated_target", "kl_target_generated", "log_bhattacharyya"):
        values[name] = gaussian[name] if math.isfinite(gaussian[name]) else None
        if values[name] is None:
            notes.append(f"{name}: infinite, because the generated covariance is singular for n <= d")
    closer = closer_to_target(points, generated, underlying, excess=excess)
    return {**values, "closer_to_target": closer, "notes": notes}
