"""Exact averages over data sets without regularisation: those of the Wishart distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import integer, number
from ...common.numerics.laws.wishart import mean_log_det_ratio as mean_log_det_ratio
from ...common.numerics.laws.wishart import wishart_kl_generated_target as wishart_kl_generated_target
from ...common.numerics.laws.wishart import wishart_kl_target_generated as wishart_kl_target_generated
from ...common.output.records import Record


@dataclass(frozen=True)
class KlLimits(Record):
    """At c = 0 and γ = d/N < 1: both divergences per dimension for d → ∞, and γ/4."""

    generated_target_per_dimension: float | None
    target_generated_per_dimension: float | None
    leading_order_per_dimension: float


@dataclass(frozen=True)
class WishartAverages:
    """Exact averages over data sets at c = 0; None where the mean is infinite.

    Parameters
    ----------
    log_det : float or None
        E ln|Σ₀|, for N > d.
    trace_inverse, trace_sigma_inverse : float or None
        E Tr Σ₀⁻¹ = N Tr Σ⁻¹/(N−d−2), E Tr ΣΣ₀⁻¹ = N d/(N−d−2), for N > d + 2.
    trace_inverse_squared, trace_sigma_inverse_squared, gap_trace : float or None
        E Tr Σ₀⁻², E Tr ΣΣ₀⁻² and E Tr (Σ−Σ₀)Σ₀⁻², for N > d + 4.
    """

    log_det: float | None
    trace_inverse: float | None
    trace_sigma_inverse: float | None
    trace_inverse_squared: float | None
    trace_sigma_inverse_squared: float | None
    gap_trace: float | None

    @property
    def trace_empirical_inverse_squared(self) -> float | None:
        """E Tr Σ₀Σ₀⁻², which is E Tr Σ₀⁻¹."""
        return self.trace_inverse


def wishart_averages(eigenvalues: np.ndarray, samples: int) -> WishartAverages:
    """Exact averages at c = 0 (see the class); Σ must have an inverse, else all are None."""
    values = np.asarray(eigenvalues, dtype=float)
    d, big = values.size, integer("samples", samples, at_least=2)
    n = big - 1
    if np.any(values == 0) or big <= d:
        return WishartAverages(None, None, None, None, None, None)
    inverse = 1.0 / values
    log_det = float(np.log(values).sum()) + mean_log_det_ratio(d, big)
    if big <= d + 2:
        return WishartAverages(log_det, None, None, None, None, None)
    first = big / (n - d - 1)
    if big <= d + 4:
        return WishartAverages(log_det, first * inverse.sum(), first * d, None, None, None)
    # E G⁻¹AG⁻¹ = c₂[(n − d − 1) A + I Tr A] for a white Wishart matrix G with n degrees of freedom and symmetric A
    second = big**2 / ((n - d) * (n - d - 1) * (n - d - 3))
    trace_squared = second * ((n - d - 1) * np.square(inverse).sum() + inverse.sum() ** 2)
    sigma_squared = second * (n - 1) * inverse.sum()
    return WishartAverages(
        log_det,
        float(first * inverse.sum()),
        float(first * d),
        float(trace_squared),
        float(sigma_squared),
        float(sigma_squared - first * inverse.sum()),
    )


def limits_per_dimension(gamma: float) -> tuple[float, float]:
    r"""Both divergences at c = 0 divided by d, for d → ∞ at γ = d/N < 1.

    φ/2 and ½[γ/(1−γ) − φ] with φ = 1 + (1−γ)/γ ln(1−γ); both start as γ/4 (so that the totals are ~ d²/4N).
    """
    g = number("gamma", gamma, above=0, below=1)
    # Below 0.05 the closed form cancels; φ = Σ_{k≥1} γ^k/(k(k+1))
    phi = sum(g**k / (k * (k + 1)) for k in range(1, 14)) if g < 0.05 else 1 + (1 - g) / g * np.log1p(-g)
    return float(phi / 2), float((g / (1 - g) - phi) / 2)
