"""Effective dimension, and how alike two models trained on disjoint data sets are to each other and to the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import array, integer, number
from ..resolvents.corrections import diagonal_terms
from ..resolvents.equivalents import degrees_of_freedom, effective_regularisation, one_eigenvalue
from ..resolvents.orders import by_order

#: Step of the trapezoidal rule in ln x, and how far it reaches below and above the scales of √(Σ₀+c).
STEP = 0.28
BELOW, ABOVE = 1e-6, 1e5
#: Gauss–Laguerre points of the average over Tr (Σ₀+c).
TILTS = 24


@dataclass(frozen=True)
class Agreement:
    """Cosines between generated samples, u = (Σ₀+c)^½ ε about the mean, from the same noise ε.

    Parameters
    ----------
    models : float
        Cosine between two models trained on disjoint sets of N samples each.
    truth : float
        Cosine between a model and Σ^½ ε.
    root_eigenvalues : ndarray, shape (d,)
        Eigenvalues f_ν of E(Σ₀+c)^½, which is diagonal where Σ is.
    """

    models: float
    truth: float
    root_eigenvalues: np.ndarray


def mean_square_root(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    *,
    order: int = 0,
) -> np.ndarray:
    r"""Eigenvalues of E(Σ₀+c)^½.

    .. math:: f_\nu=\frac2\pi\int_0^\infty\Big[1-x^2\,\frac{\varrho^{-1}\kappa/\hat c}{\lambda_\nu+\kappa}
        \Big]_{\hat c=(c+x^2)/\varrho}dx

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float
        c ≥ 0.
    order : {0, 1, 2}
        See `asymptotics.linear_diffusion.resolvents.orders`.

    Notes
    -----
    The integrand is [λ + κ c/(x²+c)]/(λ+κ), analytic in ln x for |Im ln x| < π/2: the trapezoidal rule in ln x converges as
    exp(−π²/step). It is constant for x → 0 and falls as x⁻² for x → ∞, so that both tails are geometric series.
    """
    values = np.asarray(eigenvalues, dtype=float)
    c = number("regularisation", regularisation, at_least=0)
    n, rho = degrees_of_freedom(samples)
    if values.size == 1:
        y, law = one_eigenvalue(values, samples)
        return np.array([law @ np.sqrt(y + c)])
    positive = values[values > 0]
    low = np.sqrt(max(positive.min(), 1e-9 * positive.max()) if c == 0 else min(c, positive.max()))
    high = np.sqrt(positive.max() + positive.sum() / n + c)
    u = np.arange(np.log(low * BELOW), np.log(high * ABOVE) + STEP, STEP)
    x = np.exp(u)
    kappa = np.asarray(effective_regularisation(values, samples, (c + x**2) / rho))[:, None]
    share = (c / (x**2 + c))[:, None]
    weights = STEP * x
    # tails of the trapezoidal sums: constant below (x e^{−jh}), x⁻² above (x⁻¹ e^{−jh})
    tail = 1.0 / np.expm1(STEP)
    weights[0] *= 1.0 + tail
    weights[-1] *= 1.0 + tail
    integrand = (values + kappa * share) / (values + kappa)
    if order:
        integrand -= (x**2)[:, None] * diagonal_terms(values, n, c + x**2, kappa[:, 0], order)
    result: np.ndarray = (2 / np.pi) * (weights @ integrand)
    return result


def model_agreement(eigenvalues: np.ndarray, samples: int, regularisation: float) -> Agreement:
    r"""Cosine of two models and of a model with the truth.

    Σ f_ν²/(ϱ Tr Σ + cd) and Σ f_ν √λ_ν/√((ϱ Tr Σ + cd) Tr Σ), up to O(1/d).

    References
    ----------
    Merger and Goldt 2025 (arXiv 2505.24769), comparison with a reference model.
    """
    values = np.asarray(eigenvalues, dtype=float)
    _, rho = degrees_of_freedom(samples)
    f = mean_square_root(values, samples, regularisation)
    if values.size == 1:  # two positive factors of one noise
        return Agreement(1.0, 1.0, f)
    power = rho * values.sum() + regularisation * values.size
    return Agreement(float(f @ f / power), float(f @ np.sqrt(values) / np.sqrt(power * values.sum())), f)


@by_order
def corrected_cosines(
    eigenvalues: np.ndarray, samples: int, regularisation: float, *, order: int = 1
) -> tuple[float, float]:
    r"""Mean cosines (two models; model and truth), averaged over the noise, for real Gaussian data of any N.

    Two data sets are independent, so that the mean cosine of two models is Σ_ν h_ν², h_ν = E[A_νν/√Tr A²], A = (Σ₀+c)^½,
    and that with the truth Σ h_ν √λ_ν/√Tr Σ. With the law of Tr A² = Tr Σ₀ + cd tilted into that of the data,

    .. math:: h_\nu=\frac1{\sqrt\pi}\int_0^\infty\frac{ds}{\sqrt s}\,e^{-scd}
              \prod_\mu\Big(1+\frac{2s\lambda_\mu}N\Big)^{-n/2} f_\nu(\Sigma_s),\qquad \Sigma_s^{-1}=\Sigma^{-1}+\frac{2s}N,

    is exact; f includes the terms up to ``order`` (1 or 2).
    """
    from scipy.special import roots_genlaguerre

    values = np.asarray(eigenvalues, dtype=float)
    n, rho = degrees_of_freedom(samples)
    if values.size == 1:
        return 1.0, 1.0
    power = rho * float(values.sum()) + regularisation * values.size
    nodes, weights = roots_genlaguerre(TILTS, -0.5)
    h = np.zeros_like(values)
    for t, weight in zip(nodes, weights, strict=True):
        shrink = 1.0 + 2.0 * t / power * values / samples
        log_law = t - t * regularisation * values.size / power - 0.5 * n * float(np.log(shrink).sum())
        scale = weight * np.exp(log_law)
        if scale < 1e-14:
            break
        f = mean_square_root(values / shrink, samples, regularisation, order=order)
        h += scale * f
    h /= np.sqrt(np.pi * power)
    return float(h @ h), float(h @ np.sqrt(values) / np.sqrt(values.sum()))


def effective_dimension(eigenvalues: np.ndarray, fourth_moment: float | None = None) -> float:
    r"""d_eff: the relative squared distance of covariances is E‖Σ−Σ₀‖²/‖Σ‖² ≃ d_eff/N.

    1 + (Tr Σ)²/Tr Σ² for Gaussian data; (E‖x−μ‖⁴ − Tr Σ²)/Tr Σ² for any data with that fourth moment.
    """
    values = array("eigenvalues", eigenvalues, ndim=1)
    second = float(np.square(values).sum())
    if fourth_moment is None:
        return 1.0 + float(values.sum()) ** 2 / second
    return (number("fourth_moment", fourth_moment, at_least=second) - second) / second


def covariance_distance(eigenvalues: np.ndarray, samples: int, estimator: str = "centred") -> float:
    """E‖Σ−Σ₀‖²_F/‖Σ‖²_F for Gaussian data, exactly.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    estimator : {"centred", "unbiased", "known_mean"}
        (1/N) Σ (x−μ₀)(x−μ₀)ᵀ as in this room; the same over N − 1; with the true mean.
    """
    n = integer("samples", samples, at_least=2)
    p = effective_dimension(eigenvalues) - 1.0
    if estimator == "known_mean":
        return (1 + p) / n
    if estimator == "unbiased":
        return (1 + p) / (n - 1)
    return (1 + p * (1 - 1 / n)) / n


def null_directions(eigenvalues: np.ndarray, samples: int) -> int:
    """Number of directions of non-zero variance that a data set of N samples does not span: rank − (N − 1), or 0."""
    rank = int(np.count_nonzero(np.asarray(eigenvalues)))
    return max(0, rank - degrees_of_freedom(samples)[0])
