r"""Exact asymptotics of the flow learned from n = Θ(1) samples of a binary Gaussian mixture, d → ∞.

With ξ = Σ s^μ x₀^μ, η = Σ s^μ (x₁^μ − s^μ μ) and s = sign(v·X), a generated point is

.. math:: X_t = s\,(M_t\,\mu + Q^\xi_t\,\xi + Q^\eta_t\,\eta) + X^\perp_t ,

and for every interpolant (Cui, Krzakala, Vanden-Eijnden, Zdeborová, arXiv 2310.03575; closed solution derived in
`derivations.mixture_flow.equations`)

.. math:: M = \frac{N\beta}{N+\lambda},\quad Q^\eta = \frac{K\beta}{N+\lambda},\quad Q^\xi = \frac{\alpha-E}{N+\lambda},
   \quad X^\perp = E X_0^\perp,\quad E = \sqrt{\alpha^2+\sigma_g^2\beta^2},\quad N = nK .

All functions broadcast over arrays of their arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...common.numerics.interpolants import Interpolant
from ...common.output.records import Record
from ..settings import MixtureFlow

FloatArray = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Transported:
    """M, Q_ξ, Q_η and perp: a generated point is s(M μ + Q_ξ ξ + Q_η η) + perp X₀^⊥."""

    M: FloatArray
    Q_xi: FloatArray
    Q_eta: FloatArray
    perp: FloatArray


@dataclass(frozen=True, kw_only=True)
class OrderParameters(Transported):
    """Also the denoiser, b and v = w/√d = w_m μ + w_ξ ξ + w_η η; Q = ‖X‖²/d, and the cosine of a generated point with ±μ."""

    b: FloatArray
    w_m: FloatArray
    w_xi: FloatArray
    w_eta: FloatArray
    Q: FloatArray
    cosine: FloatArray


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What is measured of the generated density at t = 1.

    Parameters
    ----------
    mean_error, mean_cosine : ndarray
        ‖μ̂−μ‖²/d and cos(μ̂, μ).
    sigma_generated : ndarray
        σ_g, standard deviation of a generated cluster.
    mw2_squared : ndarray
        MW₂²/d, the mixture-Wasserstein distance of Delon and Desolneux.
    data_overlap, noise_overlap : ndarray
        Memorisation: (s X₁ − μ)·(s^μ x₁^μ − μ)/d and s X₁·s^μ x₀^μ/d.
    training_distance : ndarray
        ‖s X₁ − s^μ x₁^μ‖²/d.
    """

    mean_error: FloatArray
    mean_cosine: FloatArray
    sigma_generated: FloatArray
    mw2_squared: FloatArray
    data_overlap: FloatArray
    noise_overlap: FloatArray
    training_distance: FloatArray


@dataclass(frozen=True, kw_only=True)
class FinalState(Generated, Record):
    """`Generated` as the theory has it, and the baselines.

    Parameters
    ----------
    sample_cosine : ndarray
        Of a generated point with ±μ.
    bayes_error, bayes_cosine : ndarray
        Prior N(0, m² I) on μ.
    pca_error, pca_cosine : ndarray
        Leading direction of the samples, unshrunk.
    no_skip_error, no_skip_mw2_squared, fresh_noise_error : ndarray
        Without the skip connection; with K noises redrawn all the time.
    fresh_distance : ndarray
        As ``training_distance``, to an unseen sample.
    """

    sample_cosine: FloatArray
    bayes_error: FloatArray
    bayes_cosine: FloatArray
    pca_error: FloatArray
    pca_cosine: FloatArray
    no_skip_error: FloatArray
    no_skip_mw2_squared: FloatArray
    fresh_noise_error: FloatArray
    fresh_distance: FloatArray


#: What is measured along t, and once at t = 1.
ALONG = tuple(f.name for f in fields(OrderParameters))
FINAL = tuple(f.name for f in fields(Generated))


def schedule(interpolant: Interpolant, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(α_t, β_t), with the boundary values exact at t = 0 and t = 1 whatever the rounding of the expressions."""
    t = np.asarray(t, dtype=np.float64)
    alpha = np.where(t == 0, 1.0, np.where(t == 1, 0.0, interpolant.alpha(t)))
    beta = np.where(t == 0, 0.0, np.where(t == 1, 1.0, interpolant.beta(t)))
    return alpha, beta


class Data(NamedTuple):
    """n, σ, λ, m, K, as arrays that broadcast."""

    n: FloatArray
    sigma: FloatArray
    lam: FloatArray
    m: FloatArray
    k: FloatArray

    @classmethod
    def of(cls, *values: ArrayLike) -> Data:
        """From numbers or arrays, in this order."""
        return cls(*(np.asarray(x, dtype=np.float64) for x in values))

    def generated_std(self, skip: bool) -> FloatArray:
        """See `generated_std`."""
        n, sigma, lam, m, k = self
        total = n * k
        variance = (lam * m**2 + (total - k + lam) * sigma**2) / (total - 1 + lam)
        return np.sqrt(variance) if skip else np.zeros_like(variance)


def generated_std(
    samples: ArrayLike,
    cluster_std: ArrayLike,
    ridge: ArrayLike,
    centroid_norm: ArrayLike = 1.0,
    noises: ArrayLike = 1,
    skip: bool = True,
) -> FloatArray:
    r"""Standard deviation σ_g of a generated cluster in every direction.

    .. math:: \sigma_g^2 = \frac{\lambda m^2 + (N+\lambda-K)\,\sigma^2}{N+\lambda-1},\qquad N = nK ;

    for K = 1 it is σ² + λ m²/(λ + n − 1). Without the skip connection the clusters are points.

    Parameters
    ----------
    samples, cluster_std, ridge, centroid_norm, noises : array_like
        n, σ, λ, m, K.
    skip : bool
        Whether the skip connection is learned.

    Returns
    -------
    ndarray of the broadcast shape.
    """
    return Data.of(samples, cluster_std, ridge, centroid_norm, noises).generated_std(skip)


def order_parameters(
    alpha: ArrayLike,
    beta: ArrayLike,
    *,
    samples: ArrayLike,
    cluster_std: ArrayLike,
    ridge: ArrayLike,
    centroid_norm: ArrayLike = 1.0,
    noises: ArrayLike = 1,
    fresh_noise: bool = False,
    skip: bool = True,
) -> OrderParameters:
    r"""Order parameters and denoiser where the interpolant has the values (α, β).

    .. math:: b = \frac{\beta\sigma_g^2}{E^2},\qquad
       v = \frac{1}{N+\lambda}\Big[\frac{\alpha^2}{E^2}\,K(n\mu+\eta) - \frac{\alpha\beta\sigma_g^2}{E^2}\,\xi\Big],\qquad
       \cos = \frac{mM}{\sqrt Q},\quad Q = m^2M^2 + N Q_\xi^2 + n\sigma^2 Q_\eta^2 + E^2 .

    Parameters
    ----------
    alpha, beta : array_like
        α_t, β_t.
    samples, cluster_std, ridge, centroid_norm, noises : array_like
        n, σ, λ, m, K.
    fresh_noise : bool
        New noises at every instant: their sum averages out of the sample and Q_ξ = 0 (w_ξ is of the instant's own ξ).
    skip : bool
        Whether the skip connection is learned.

    Returns
    -------
    OrderParameters
        Arrays of the broadcast shape; w_m, w_ξ, w_η are the coefficients of μ, ξ, η in v = w/√d.
    """
    data = Data.of(samples, cluster_std, ridge, centroid_norm, noises)
    return _along(data, np.asarray(alpha, dtype=np.float64), np.asarray(beta, dtype=np.float64), fresh_noise, skip)


def _along(data: Data, a: FloatArray, c: FloatArray, fresh_noise: bool, skip: bool) -> OrderParameters:
    """`order_parameters` at α = a, β = c."""
    (n, sigma, lam, m, k), spread = data, data.generated_std(skip)
    total = n * k
    envelope = np.hypot(a, c * spread)
    # As ratios of lengths, not of squares, which could underflow. Where σ_g = 0 both α²/E² and b keep their limits, 1 and 0,
    # up to t = 1 where E = 0.
    length = np.where(envelope > 0, envelope, 1.0)
    carried = np.where(spread > 0, (a / length) ** 2, 1.0)
    b = np.where(c > 0, (c * spread / length) ** 2 / np.where(c > 0, c, 1.0), 0.0)
    big_m = total * c / (total + lam) + 0.0 * a
    q_eta = k * c / (total + lam) + 0.0 * big_m
    # α − E without cancellation; adding 0.0 turns −0.0 into 0.0.
    shared = np.where(a + envelope > 0, a + envelope, 1.0)
    q_xi = -((c * spread) ** 2) / shared / (total + lam) + 0.0
    if fresh_noise:
        q_xi = np.zeros_like(q_xi)
    norm = (m * big_m) ** 2 + total * q_xi**2 + n * (sigma * q_eta) ** 2 + envelope**2
    values = (
        big_m, q_xi, q_eta, envelope, b, total * carried / (total + lam), -a * b / (total + lam) + 0.0, k * carried / (total + lam),
        norm, m * big_m / np.sqrt(norm),
    )  # fmt: skip
    return OrderParameters(**dict(zip(ALONG, np.broadcast_arrays(*values), strict=True)))


def at(flow: MixtureFlow, interpolant: Interpolant, t: ArrayLike) -> OrderParameters:
    """Order parameters of an experiment at the times ``t`` (any shape)."""
    alpha, beta = schedule(interpolant, t)
    return order_parameters(alpha, beta, **flow.to_table())


def final_state(
    *,
    samples: ArrayLike,
    cluster_std: ArrayLike,
    ridge: ArrayLike,
    centroid_norm: ArrayLike = 1.0,
    noises: ArrayLike = 1,
    fresh_noise: bool = False,
    skip: bool = True,
) -> FinalState:
    r"""The generated density at t = 1, its distance from the target, and the baselines; independent of the interpolant.

    .. math:: \hat\mu = \frac{K\bar X - \sigma_g\xi}{N+\lambda},\qquad
       \frac{\|\hat\mu-\mu\|^2}{d} = \frac{\lambda^2m^2 + K^2 n\sigma^2 + N\sigma_g^2}{(N+\lambda)^2},\qquad
       \frac{MW_2^2}{d} = \frac{\|\hat\mu-\mu\|^2}{d} + (\sigma_g-\sigma)^2 .

    Parameters
    ----------
    samples, cluster_std, ridge, centroid_norm, noises : array_like
        n, σ, λ, m, K; they broadcast, so that one call gives a whole curve over n.
    fresh_noise, skip : bool
        As in `order_parameters`.
    """
    n, sigma, lam, m, k = data = Data.of(samples, cluster_std, ridge, centroid_norm, noises)
    end = _along(data, np.zeros(()), np.ones(()), fresh_noise, skip)
    total = n * k
    shrink = (lam / (total + lam)) ** 2 * m**2
    data_part = n * (sigma * end.Q_eta) ** 2
    noise_part = total * end.Q_xi**2
    error = shrink + data_part + noise_part
    no_skip = shrink + data_part
    ratio = (sigma / m) ** 2
    overlap = k * sigma**2 / (total + lam)
    values = {
        "mean_error": error,
        "mean_cosine": m * end.M / np.sqrt((m * end.M) ** 2 + data_part + noise_part),
        "sigma_generated": end.perp,
        "mw2_squared": error + (end.perp - sigma) ** 2,
        "sample_cosine": end.cosine,
        "bayes_error": sigma**2 / (n + ratio),
        "bayes_cosine": 1 / np.sqrt(1 + ratio / n),
        "pca_error": sigma**2 / n,
        "pca_cosine": 1 / np.sqrt(1 + ratio / n),
        "no_skip_error": no_skip,
        "no_skip_mw2_squared": no_skip + sigma**2,
        "fresh_noise_error": no_skip,
        "data_overlap": overlap,
        "noise_overlap": end.Q_xi,
        "training_distance": end.perp**2 + error + sigma**2 - 2 * overlap,
        "fresh_distance": end.perp**2 + error + sigma**2,
    }
    return FinalState(**dict(zip(values, np.broadcast_arrays(*values.values()), strict=True)))
