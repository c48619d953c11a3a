r"""O(1) corrections to the deterministic equivalents, for real Gaussian data.

E ln|Σ₀+c| is its deterministic equivalent plus ½ ln(1 − df₂/n), up to O(1/n). Its derivatives give the corrections of the traces:

.. math:: \mathbb E\,\mathrm{Tr}(\Sigma_0+c)^{-1}=\partial_c\,\mathbb E\ln|\Sigma_0+c|,\qquad
          \mathbb E[(\Sigma_0+c)^{-1}]_{\nu\nu}=\frac1c\Big(1-\lambda_\nu\frac{\partial}{\partial\lambda_\nu}
          \mathbb E\ln|\Sigma_0+c|\Big),

and −∂_c of those the squared ones. Derivatives with respect to c are taken by a complex step, exact to rounding.
"""

from __future__ import annotations

import numpy as np

from .equivalents import Traces, degrees_of_freedom, deterministic_equivalents, effective_regularisation
from .orders import by_order

#: Relative imaginary step: its square is far below rounding, and no difference is taken.
STEP = 1e-30


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


def _moments(values: np.ndarray, n: int, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u_k = df_k/n for k = 2, 3, 4."""
    ratio = values / (values + kappa[..., None])
    square = ratio**2
    return square.sum(axis=-1) / n, (square * ratio).sum(axis=-1) / n, (square**2).sum(axis=-1) / n


def next_log_det(values: np.ndarray, n: int, kappa: np.ndarray) -> np.ndarray:
    r"""O(1/n) term of E ln|Σ₀+c|, beyond ½ ln(1 − df₂/n).

    .. math:: -\frac2n\Big\{\frac{5(u_2^2+u_4)}{8s^2}
              +\frac{\frac7{12}(u_2^3+u_3^2)-u_3(\frac12u_2+\frac23)}{s^3}\Big\},\qquad u_k=\mathrm{df}_k/n,\ s=1-u_2 :

    the two loops of the replica integral over symmetric matrices (derived in `derivations.linear_diffusion.finite_size`).
    """
    u2, u3, u4 = _moments(values, n, kappa)
    s = 1.0 - u2
    cubic = 7.0 / 12.0 * (u2**3 + u3**2) - u3 * (u2 / 2.0 + 2.0 / 3.0)
    result: np.ndarray = -2.0 / n * (0.625 * (u2**2 + u4) / s**2 + cubic / s**3)
    return result


def next_diagonal(values: np.ndarray, n: int, c: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """O(1/n) term, relative to the one of `diagonal_correction`, of the diagonal of E(Σ₀+c)⁻¹; same shapes.

    −(λ_ν/c) ∂_{λ_ν} of `next_log_det`, κ moving with λ_ν.
    """
    u2, u3, u4 = _moments(values, n, kappa)
    s = 1.0 - u2
    cubic = 7.0 / 12.0 * (u2**3 + u3**2) - u3 * (u2 / 2.0 + 2.0 / 3.0)
    slopes = (
        1.25 * u2 / s**2 + (1.25 * (u2**2 + u4) + 1.75 * u2**2 - u3 / 2.0) / s**3 + 3.0 * cubic / s**4,
        (7.0 / 6.0 * u3 - u2 / 2.0 - 2.0 / 3.0) / s**3,
        0.625 / s**2,
    )
    k = kappa[..., None]
    inverse = 1.0 / (values + k)
    kappa_by_lambda = (k * inverse) ** 2 / (n * s[..., None])
    total = np.zeros_like(inverse)
    power = inverse  # λ^{k−1}/(λ+κ)^k
    for order, slope in zip((2, 3, 4), slopes, strict=True):
        power = power * values * inverse
        by_kappa = -order * (power * values * inverse).sum(axis=-1)[..., None] / n
        total = total + slope[..., None] * (order * k * power * inverse / n + by_kappa * kappa_by_lambda)
    result: np.ndarray = 2.0 / n * values / c[..., None] * total
    return result


def diagonal_terms(values: np.ndarray, n: int, c: np.ndarray, kappa: np.ndarray, order: int) -> np.ndarray:
    """All terms up to ``order`` beyond the leading one of the diagonal of E(Σ₀+c)⁻¹; shape (..., d)."""
    total = diagonal_correction(values, n, c, kappa)
    return total + next_diagonal(values, n, c, kappa) if order > 1 else total


@by_order
def finite_size_corrections(
    eigenvalues: np.ndarray, samples: int, regularisation: np.ndarray | float, *, order: int = 1
) -> Traces:
    """The terms of one order at c > 0 (scalar or array): 1 for those of O(1), 2 for those of O(1/N).

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float or ndarray
        c > 0.
    order : {1, 2}
    """
    n, rho = degrees_of_freedom(samples)
    values = np.asarray(eigenvalues, dtype=float)
    c = np.asarray(regularisation, dtype=float)
    if values.size == 1:  # the averages are exact
        return Traces(*[np.zeros_like(c)] * 6)
    kappa = np.asarray(effective_regularisation(values, samples, c / rho))
    slope = 1.0 - np.square(values / (values + kappa[..., None])).sum(axis=-1) / n
    h = STEP * c
    # c → c + ih moves κ by κ′ ih/ϱ, κ′ = 1/(1 − df₂/n)
    at = c + 1j * h, kappa + 1j * h / (rho * slope)
    diagonal = (diagonal_correction if order == 1 else next_diagonal)(values, n, *at)
    trace, sigma = diagonal.sum(axis=-1), diagonal @ values
    trace_squared = -trace.imag / h
    return Traces(
        0.5 * np.log(slope) if order == 1 else next_log_det(values, n, kappa),
        trace.real,
        trace_squared,
        sigma.real,
        -sigma.imag / h,
        trace.real - c * trace_squared,
    )


def expansion(
    eigenvalues: np.ndarray, samples: int, regularisation: np.ndarray | float, order: int = 2
) -> list[Traces]:
    """The terms of all traces at c > 0 from the leading one (`Equivalents`) to that of ``order``."""
    terms: list[Traces] = [deterministic_equivalents(eigenvalues, samples, regularisation)]
    terms += [finite_size_corrections(eigenvalues, samples, regularisation, order=k + 1) for k in range(order)]
    return terms
