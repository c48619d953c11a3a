r"""Deterministic equivalents: averages over data sets of traces of the empirical covariance, any spectrum, any N/d.

N Gaussian samples with covariance Σ give Σ₀ (divided by N, centred), which has n = N − 1 degrees of freedom:
Σ₀ = ϱ S_n, ϱ = n/N. With ĉ = c/ϱ the effective regularisation κ is the root of

    ĉ = κ (1 − df₁(κ)/n),   df_j(κ) = Σ_ν (λ_ν/(λ_ν + κ))^j,

and every average is an explicit function of κ. Relative errors are O(1/d) and smaller.

References: Merger and Goldt 2025 (arXiv 2505.24769); Silverstein and Choi 1995 (uniqueness of the root).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import array, fail, integer
from ...common.numerics.laws.chi_square import chi_square_grid
from ...common.numerics.laws.sample_covariance import ITERATIONS, Population, SolveError


@dataclass(frozen=True)
class Traces:
    """Averages of traces over data sets, or one term of their expansion in 1/N; arrays of the shape of c.

    Parameters
    ----------
    log_det : ndarray
        ln|Σ₀ + c|.
    trace_inverse, trace_inverse_squared : ndarray
        Tr(Σ₀+c)⁻¹, Tr(Σ₀+c)⁻².
    trace_sigma_inverse, trace_sigma_inverse_squared : ndarray
        Tr Σ(Σ₀+c)⁻¹, Tr Σ(Σ₀+c)⁻².
    trace_empirical_inverse_squared : ndarray
        Tr Σ₀(Σ₀+c)⁻².
    """

    log_det: np.ndarray
    trace_inverse: np.ndarray
    trace_inverse_squared: np.ndarray
    trace_sigma_inverse: np.ndarray
    trace_sigma_inverse_squared: np.ndarray
    trace_empirical_inverse_squared: np.ndarray

    @property
    def gap_trace(self) -> np.ndarray:
        """Tr (Σ − Σ₀)(Σ₀+c)⁻²."""
        return self.trace_sigma_inverse_squared - self.trace_empirical_inverse_squared


@dataclass(frozen=True)
class Equivalents(Traces):
    """The leading order in d of `Traces`, and what it is made of.

    Parameters
    ----------
    log_det_correction : ndarray
        ½ ln(1 − df₂/n): the O(1) correction of ``log_det`` for real Gaussian data.
    samples : int
    regularisation : ndarray
        c.
    kappa : ndarray
        κ(ĉ).
    df1, df2 : ndarray
        Degrees of freedom df₁(κ), df₂(κ).
    """

    log_det_correction: np.ndarray
    samples: int
    regularisation: np.ndarray
    kappa: np.ndarray
    df1: np.ndarray
    df2: np.ndarray


def degrees_of_freedom(samples: int) -> tuple[int, float]:
    """n = N − 1 (the mean is removed) and ϱ = n/N; N < 2 is an `InputError`."""
    n = integer("samples", samples, at_least=2) - 1
    return n, n / (n + 1)


def effective_regularisation(eigenvalues: np.ndarray, samples: int, c_hat: np.ndarray | float) -> np.ndarray:
    """κ > 0 with ĉ = κ(1 − df₁(κ)/n) for real ĉ > 0 (array of any shape), to rounding."""
    n, _ = degrees_of_freedom(samples)
    values = np.asarray(eigenvalues, dtype=float)
    target = np.atleast_1d(np.asarray(c_hat, dtype=float))
    if not np.all((target > 0) & np.isfinite(target)):
        fail("regularisation", c_hat, "> 0 for deterministic equivalents")
    kappa = Population(values, np.ones(values.size), float(n)).real(target.ravel())
    return kappa.reshape(target.shape) if np.ndim(c_hat) else kappa[0]


def critical_kappa(eigenvalues: np.ndarray, samples: int) -> float:
    """κ₀ = lim_{c→0} κ: the root of df₁(κ₀) = n if n is below the rank of Σ, else 0."""
    n, _ = degrees_of_freedom(samples)
    values = np.asarray(eigenvalues, dtype=float)
    values = values[values > 0]
    if n >= values.size:
        return 0.0
    kappa = values.sum() / n
    for _ in range(ITERATIONS):
        ratio = values / (values + kappa)
        # Newton's method on the convex κ(1 − df₁/n) = 0 from above, as for ĉ > 0
        step = kappa * (1.0 - ratio.sum() / n) / (1.0 - ratio @ ratio / n)
        kappa -= step
        if step <= 4e-16 * kappa:
            return float(kappa)
    raise SolveError("the critical effective regularisation did not converge")


def deterministic_equivalents(eigenvalues: np.ndarray, samples: int, regularisation: np.ndarray | float) -> Equivalents:
    r"""All averages at c > 0 (scalar or array); cost proportional to d.

    .. math:: \ln|\Sigma_0+c| \simeq d\ln c+\sum_\nu\ln(1+\lambda_\nu/\kappa)+n[\ln(\kappa/\hat c)+\hat c/\kappa-1]

    and, with κ' = 1/(1 − df₂/n) and A = κ' Σ λ/(λ+κ)²,

    - Tr(Σ₀+c)⁻¹ ≃ (κ/ϱĉ) Σ 1/(λ+κ),  Tr Σ(Σ₀+c)⁻¹ ≃ (κ/ϱĉ) df₁,
    - Tr Σ(Σ₀+c)⁻² ≃ (κ/ϱĉ)² A,  Tr Σ₀(Σ₀+c)⁻² ≃ A/ϱ,
    - Tr(Σ₀+c)⁻² = −∂_c Tr(Σ₀+c)⁻¹.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
        λ_ν ≥ 0 of Σ.
    samples : int
        N ≥ 2.
    regularisation : float or ndarray
        c > 0.
    """
    n, rho = degrees_of_freedom(samples)
    values = np.asarray(eigenvalues, dtype=float)
    c = array("regularisation", regularisation)
    c_hat = c / rho
    kappa = np.asarray(effective_regularisation(values, samples, c_hat))
    k = kappa[..., None]
    inverse = 1.0 / (values + k)
    ratio = values * inverse
    df1, df2 = ratio.sum(axis=-1), np.square(ratio).sum(axis=-1)
    g = c_hat / kappa  # 1 − df₁/n
    spread = (ratio * inverse).sum(axis=-1)  # Σ λ/(λ+κ)²
    slope = g + kappa * spread / n  # 1 − df₂/n, a sum of positive terms
    trace_inverse = inverse.sum(axis=-1) / (rho * g)
    a = spread / slope
    trace_inverse_squared = (
        (np.square(inverse).sum(axis=-1) / g + inverse.sum(axis=-1) * spread / (n * g**2)) / slope / rho**2
    )
    log_det = values.size * np.log(c) + np.log1p(values / k).sum(axis=-1) + n * (g - 1.0 - np.log(g))
    first = rho * g
    found = [
        log_det,
        trace_inverse,
        trace_inverse_squared,
        df1 / first,
        a / first**2,
        a / rho,
        0.5 * np.log(slope),
    ]
    if values.size == 1:
        found = _one_dimension(values, samples, c)
    everything: list[Any] = [*found, samples, c, kappa, df1, df2]
    return Equivalents(*everything)


def one_eigenvalue(eigenvalues: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The law of Σ₀ in one dimension, λ χ²_n/N: nodes and probabilities."""
    n, rho = degrees_of_freedom(samples)
    u, weights = chi_square_grid(n)
    return float(eigenvalues[0]) * rho * np.exp(u), weights


def _one_dimension(values: np.ndarray, samples: int, c: np.ndarray) -> list[np.ndarray]:
    """The averages in one dimension, exact, in the order of the fields of `Equivalents`; there is nothing to correct."""
    y, weights = one_eigenvalue(values, samples)
    total = y + c[..., None]
    first, second = (1.0 / total) @ weights, (1.0 / total**2) @ weights
    size = float(values[0])
    log_det = np.log(total) @ weights
    inverses = (first, second, size * first, size * second, (y / total**2) @ weights)
    return [log_det, *inverses, np.zeros_like(log_det)]


def null_space_mass(eigenvalues: np.ndarray, samples: int) -> float:
    """E Tr Σ P_null ≃ n κ₀: the variance of the target in the directions that the data set does not see."""
    n, _ = degrees_of_freedom(samples)
    return n * critical_kappa(eigenvalues, samples)
