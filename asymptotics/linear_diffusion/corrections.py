r"""O(1) corrections to the deterministic equivalents, for real Gaussian data.

E ln|Σ₀+c| is its deterministic equivalent plus ½ ln(1 − df₂/n), up to O(1/n). Its derivatives give the corrections of the traces:

.. math:: \mathbb E\,\mathrm{Tr}(\Sigma_0+c)^{-1}=\partial_c\,\mathbb E\ln|\Sigma_0+c|,\qquad
          \mathbb E[(\Sigma_0+c)^{-1}]_{\nu\nu}=\frac1c\Big(1-\lambda_\nu\frac{\partial}{\partial\lambda_\nu}
          \mathbb E\ln|\Sigma_0+c|\Big),

and −∂_c of those the squared ones. Derivatives with respect to c are taken by a complex step, exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .equivalents import degrees_of_freedom, effective_regularisation

#: Relative imaginary step: its square is far below rounding, and no difference is taken.
STEP = 1e-30


@dataclass(frozen=True)
class Corrections:
    """What to add to the fields of the same names of `Equivalents`; arrays of the shape of c."""

    log_det: np.ndarray
    trace_inverse: np.ndarray
    trace_inverse_squared: np.ndarray
    trace_sigma_inverse: np.ndarray
    trace_sigma_inverse_squared: np.ndarray
    trace_empirical_inverse_squared: np.ndarray


def corrections(eigenvalues: np.ndarray, samples: int, regularisation: np.ndarray | float) -> Corrections:
    """O(1) corrections at c > 0 (scalar or array).

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float or ndarray
        c > 0.
    """
    n, rho = degrees_of_freedom(samples)
    values = np.asarray(eigenvalues, dtype=float)
    c = np.asarray(regularisation, dtype=float)
    kappa = np.asarray(effective_regularisation(values, samples, c / rho))
    slope = 1.0 - np.square(values / (values + kappa[..., None])).sum(axis=-1) / n
    h = STEP * c
    # c → c + ih moves κ by κ′ ih/ϱ, κ′ = 1/(1 − df₂/n)
    moved = kappa + 1j * h / (rho * slope)
    log_det, trace, sigma = _first_order(values, n, c + 1j * h, moved, rho)
    trace_squared, sigma_squared = -trace.imag / h, -sigma.imag / h
    return Corrections(
        log_det.real,
        trace.real,
        trace_squared,
        sigma.real,
        sigma_squared,
        trace.real - c * trace_squared,
    )


def _first_order(
    values: np.ndarray, n: int, c: np.ndarray, kappa: np.ndarray, rho: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corrections of ln|Σ₀+c|, Tr(Σ₀+c)⁻¹ and Tr Σ(Σ₀+c)⁻¹ at complex c."""
    k = kappa[..., None]
    inverse = 1.0 / (values + k)
    ratio = values * inverse
    slope = 1.0 - (ratio**2).sum(axis=-1) / n
    df2_by_kappa = -2.0 * (ratio**2 * inverse).sum(axis=-1)
    # ½ ln(1 − df₂/n): by κ, and by λ_ν at fixed κ
    prefactor = -0.5 / (n * slope)
    by_c = prefactor * df2_by_kappa / (slope * rho)
    kappa_by_lambda = (k * inverse) ** 2 / (n * slope[..., None])
    by_lambda = prefactor[..., None] * (2.0 * k * values * inverse**3 + df2_by_kappa[..., None] * kappa_by_lambda)
    return 0.5 * np.log(slope), by_c, -(values**2 * by_lambda).sum(axis=-1) / c
