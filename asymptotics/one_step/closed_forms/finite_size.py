r"""E ln|Σ_G| of the one-step model at finite d and n: an exact asymptotic series with its error, and two exact cases.

Σ_G/σ² = (ŝ/s) K Kᵀ, K = √q (1 + √w H), w = (1 − q)/q, H = G V^{−1/2} with a Gaussian G and a Wishart matrix V of n − 1 degrees
of freedom. H keeps its law when it is rotated from one side, so that the power sums of its eigenvalues have Schur-function
averages: odd ones vanish and

.. math:: \mathbb E\,\mathrm{Tr}\,H^{2k} = \prod_{j=0}^{k-1} \frac{d + 2j}{n - d - 2 - 2j} .

Hence E ln|K Kᵀ| = d ln q − Σ_k (wᵏ/k) E Tr H^{2k}, an asymptotic series: it is cut at its smallest term, which is its error.
"""

from __future__ import annotations

import math

import numpy as np

from ...common.numerics.laws.chi_square import chi_square_grid

#: Largest error of a stated mean, as a part of the variance part of KL(G‖O).
TOLERANCE = 0.02


def logarithm(q: float) -> float:
    """ln q, through 1 − q where q is near 1: it is subtracted from q − 1."""
    return math.log(q) if q < 0.5 else math.log1p(-(1.0 - q))


def mean_log_start(q: float, dimension: int, samples: int) -> float:
    """E ln(ŝ/s), ŝ/s = 1 − q + q χ²_k/k with k = (n − 1) d: about −q²/k."""
    u, weights = chi_square_grid((samples - 1.0) * dimension)
    return float(weights @ np.log1p(q * np.expm1(u)))


def _one_dimension(q: float, samples: int) -> float:
    """E ln r² of the sample correlation r of n pairs with squared correlation q: digammas under a Poisson mixture."""
    from scipy.special import digamma, gammaln

    half = 0.5 * (samples - 1)
    # number of terms k: negative binomial of mean half·q/(1 − q)
    centre, spread = half * q / (1.0 - q), math.sqrt(half * q) / (1.0 - q)
    low, high = max(0.0, centre - 12.0 * spread), centre + 12.0 * spread + 60.0 / max(1.0 - q, 1e-300)
    if not high < 1e6:
        return math.nan
    k = np.arange(math.floor(low), math.ceil(high) + 1.0)
    log_weight = gammaln(half + k) - gammaln(k + 1.0) + k * math.log(q)
    weights = np.exp(log_weight - log_weight.max())
    return float(weights @ (digamma(0.5 + k) - digamma(half + k)) / weights.sum())


def log_det_series(q: float, dimension: int, samples: int) -> tuple[float, float]:
    """E ln|K Kᵀ| and its error from the series; without a term (n ≤ d + 2) the error is infinite."""
    d, room = dimension, samples - dimension - 2
    w = (1.0 - q) / q
    moment, total, smallest = 1.0, 0.0, math.inf
    for j in range(max(0, (room + 1) // 2)):
        moment *= w * (d + 2.0 * j) / (room - 2.0 * j)
        term = moment / (j + 1.0)
        if term >= smallest:
            break
        total, smallest = total + term, term
        if term <= 1e-17 * (total + 1.0):
            smallest = 0.0  # converged to rounding
            break
    return d * logarithm(q) - total, smallest


def mean_log_det(q: float, dimension: int, samples: int) -> tuple[float, float]:
    r"""E ln(|Σ_G|/σ^{2d}) and its error, for n > d.

    Exact for d = 1 and, where the regression interpolates (n = d + 1), for any d: then |K| has the law of a ratio of
    determinants of two square Gaussian matrices.

    Parameters
    ----------
    q : float
        Signal fraction.
    dimension, samples : int
        d and n > d.

    Returns
    -------
    value, error : float
        NaN and the error of the series where that is above 2 % of the variance part of KL(G‖O): near and beyond d/n = q.
    """
    d, n = dimension, samples
    start = d * mean_log_start(q, d, n)
    if n == d + 1:
        return start, 0.0
    value, error = log_det_series(q, d, n)
    if d == 1:
        exact = _one_dimension(q, n)
        if math.isfinite(exact):
            return exact + start, 0.0
    spread = (1.0 - q) * d / (n - d - 2) if n > d + 2 else math.inf
    variance = 0.5 * (d * (spread - (1.0 - q)) - value - start)
    # beyond d/n = q the power sums grow, and their series is no longer that of the mean
    converges = spread < q and 0.5 * error <= TOLERANCE * variance
    if not converges or not math.isfinite(variance):
        return math.nan, error
    return value + start, error


def mean_log_overlap(q: float, samples: int) -> float:
    r"""E ln BC of the generated and the underlying Gaussian in one dimension, by quadrature over the three sums it depends on.

    These are V = Σ y², the standard normal g of K = √q + √((1 − q)/V) g, and the rest (1 − q) χ² of Σ x²; the mean's error is
    Gaussian given them.
    """
    degrees = samples - 1
    u, first = chi_square_grid(degrees, 200)
    v = degrees * np.exp(u)[:, None, None]
    g, second = np.polynomial.hermite_e.hermegauss(120)
    if degrees > 1:
        rest, third = chi_square_grid(degrees - 1, 100)
        chi = (degrees - 1) * np.exp(rest)
    else:
        chi, third = np.zeros(1), np.ones(1)
    square = (math.sqrt(q) + np.sqrt((1.0 - q) / v) * g[:, None]) ** 2
    width = square * (1.0 - q + q * (square * v + (1.0 - q) * chi) / degrees)
    smooth = -0.5 * np.log(0.5 * (1.0 + width)) - 0.25 / samples * (1.0 + (1.0 - q) * square) / (1.0 + width)
    mean = np.einsum("ijk,i,j,k->", smooth, first, second / second.sum(), third)
    return 0.25 * mean_log_det(q, 1, samples)[0] + float(mean)
