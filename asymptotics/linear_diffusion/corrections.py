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


def diagonal_correction(values: np.ndarray, n: int, c: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """O(1) correction of the diagonal of E(Σ₀+c)⁻¹ in the eigenbasis of Σ, at real or complex c; shape (..., d).

    −(λ_ν/c) ∂_{λ_ν} ½ ln(1 − df₂/n), κ moving with λ_ν; ``c`` and ``kappa`` have the shape (...).
    """
    k = kappa[..., None]
    inverse = 1.0 / (values + k)
    ratio = values * inverse
    slope = 1.0 - (ratio**2).sum(axis=-1)[..., None] / n
    df2_by_kappa = -2.0 * (ratio**2 * inverse).sum(axis=-1)[..., None]
    kappa_by_lambda = (k * inverse) ** 2 / (n * slope)
    df2_by_lambda = 2.0 * k * values * inverse**3 + df2_by_kappa * kappa_by_lambda
    result: np.ndarray = values * df2_by_lambda / (2.0 * n * slope * c[..., None])
    return result


def finite_size_corrections(eigenvalues: np.ndarray, samples: int, regularisation: np.ndarray | float) -> Corrections:
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
    diagonal = diagonal_correction(values, n, c + 1j * h, kappa + 1j * h / (rho * slope))
    trace, sigma = diagonal.sum(axis=-1), diagonal @ values
    trace_squared = -trace.imag / h
    return Corrections(
        0.5 * np.log(slope),
        trace.real,
        trace_squared,
        sigma.real,
        -sigma.imag / h,
        trace.real - c * trace_squared,
    )
