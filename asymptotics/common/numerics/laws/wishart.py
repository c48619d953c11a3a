"""Exact averages over Wishart matrices: logarithms of determinants, and divergences of a fitted Gaussian."""

from __future__ import annotations

import numpy as np

from ...input.checks import InputError, integer


def mean_log_det(dimension: int, degrees: int) -> float:
    r"""E ln|W| = Σ_{i=1}^d ψ((n+1−i)/2) + d ln 2 of a white Wishart matrix of d dimensions and n ≥ d degrees of freedom."""
    from scipy.special import digamma

    d, n = integer("dimension", dimension, at_least=0), integer("degrees", degrees, at_least=1)
    if n < d:
        raise InputError(f"degrees = {n}: must be at least the dimension, {d}: the determinant is 0")
    return float(digamma((n + 1 - np.arange(1, d + 1)) / 2).sum() + d * np.log(2))


def mean_log_det_ratio(dimension: int, samples: int) -> float:
    r"""E ln(|Σ₀|/|Σ|) = Σ_{i=1}^d ψ((N−i)/2) + d ln(2/N), N > d: of the empirical covariance, independent of Σ."""
    d, n = _more_samples(dimension, samples, 1)
    return mean_log_det(d, n - 1) - d * float(np.log(n))


def _more_samples(dimension: int, samples: int, excess: int) -> tuple[int, int]:
    d = integer("dimension", dimension, at_least=1)
    n = integer("samples", samples, at_least=2)
    if n < d + excess:
        raise InputError(
            f"samples = {n}: must be at least {d + excess} for dimension {d}; the mean without regularisation is infinite"
        )
    return d, n


def wishart_kl_generated_target(dimension: int, samples: int) -> float:
    """E KL(ρ_N‖ρ) = −ℓ/2 at c = 0, ℓ = E ln(|Σ₀|/|Σ|); N > d (else infinite: `InputError`)."""
    return -0.5 * mean_log_det_ratio(dimension, samples)


def wishart_kl_target_generated(dimension: int, samples: int) -> float:
    """E KL(ρ‖ρ_N) = ½[ℓ − d + d(N+1)/(N−d−2)] at c = 0; N > d + 2 (else infinite: `InputError`)."""
    d, n = _more_samples(dimension, samples, 3)
    return 0.5 * (mean_log_det_ratio(d, n) - d + d * (n + 1) / (n - d - 2))
