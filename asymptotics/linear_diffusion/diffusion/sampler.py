r"""The generated distribution of the DDPM sampler, mode by mode.

With s_t = ᾱ_t s₀ + 1 − ᾱ_t and s₀ = λ⁰ + c the reverse step u_{t−1} = (u_t − β_t ε_θ/√(1−ᾱ_t))/√(1−β_t) + σ_t z multiplies a mode
by a_t = √(1−β_t) s_{t−1}/s_t; the product telescopes, and exactly

.. math:: \mathbb Eu_0=\mu_0\Big(1-\bar\alpha_T\frac{s_0}{s_T}\Big),\qquad
   v_0=s_0^2\Big[\frac{\bar\alpha_Tv_T}{s_T^2}+\sum_{t=1}^T\sigma_t^2\frac{\bar\alpha_{t-1}}{s_{t-1}^2}\Big].

References: Merger and Goldt 2025 (arXiv 2505.24769); Ho, Jain and Abbeel 2020 (the two usual variances).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import array, choice, number
from ...common.output.records import Record
from .schedule import Schedule


@dataclass(frozen=True)
class Variances(Record):
    """Variances of generated samples, a list along the modes for every choice of σ_t²."""

    beta: list[float]
    posterior: list[float]
    exact: list[float]
    flow: list[float]


@dataclass(frozen=True)
class Sampled(Record):
    """The DDPM samples along modes with λ⁰ = ``eigenvalue``: variances, and the mean's factor; ``choice`` is the room's own σ_t²."""

    eigenvalue: list[float]
    choice: str
    mean: list[float]
    variance: Variances
    variance_without_last_noise: Variances


#: σ_t² = β_t; β̃_t = β_t (1−ᾱ_{t−1})/(1−ᾱ_t); β_t s_{t−1}/s_t (exact for each mode); the deterministic flow as T → ∞.
VARIANCES = ("beta", "posterior", "exact", "flow")


def reverse_variances(
    schedule: Schedule, variance: str, eigenvalues: np.ndarray, last_noise: bool = True
) -> np.ndarray:
    """σ_t² for t = 1 … T and every mode s₀ (real or complex), shape (T, modes); the last noise (t = 1) may be dropped."""
    s0 = np.atleast_1d(eigenvalues)
    sigma2 = np.repeat(schedule.beta[1:, None], s0.size, axis=1)
    if variance == "posterior":
        sigma2 *= (schedule.noise[:-1] / schedule.noise[1:])[:, None]
    elif variance == "exact":
        s = schedule.alpha_bar[:, None] * s0 + schedule.noise[:, None]
        sigma2 = sigma2 * s[:-1] / s[1:]
    if not last_noise:
        sigma2[0] = 0.0
    return sigma2


def variance_of_modes(
    s0: np.ndarray, schedule: Schedule, variance: str, last_noise: bool = True, initial_variance: float = 1.0
) -> np.ndarray:
    """`generated_variance` at real or complex s₀, shape (modes,)."""
    ab, noise = schedule.alpha_bar[:, None], schedule.noise[:, None]
    last = ab[-1] * s0 + noise[-1]
    if variance == "flow":
        return np.asarray(initial_variance * s0 / last)
    s = ab[:-1] * s0 + noise[:-1]  # t = 0 … T−1
    # ratio s₀²/s_{t−1}²; at t = 1 it is 1 also for s₀ = 0
    ratio = np.divide(s0, s, out=np.ones_like(s), where=s != 0)
    sigma2 = reverse_variances(schedule, variance, s0, last_noise)
    return np.asarray(initial_variance * ab[-1] * (s0 / last) ** 2 + (sigma2 * ab[:-1] * ratio**2).sum(axis=0))


def mean_of_modes(s0: np.ndarray, schedule: Schedule) -> np.ndarray:
    """`generated_mean` at real or complex s₀."""
    ab = float(schedule.alpha_bar[-1])
    return np.asarray(1 - ab * s0 / (ab * s0 + float(schedule.noise[-1])))


def generated_variance(
    eigenvalues: np.ndarray | float,
    schedule: Schedule,
    variance: str = "beta",
    *,
    initial_variance: float = 1.0,
    last_noise: bool = True,
) -> np.ndarray:
    """Variance v₀ of the generated samples along modes with s₀ = λ⁰ + c.

    Parameters
    ----------
    eigenvalues : float or ndarray
        s₀ ≥ 0.
    schedule : Schedule
    variance : {"beta", "posterior", "exact", "flow"}
        Choice of σ_t²; "flow" is the probability-flow limit v₀ = v_T s₀/s_T.
    initial_variance : float
        v_T > 0 of the noise that the sampler starts from.
    last_noise : bool
        Whether noise is added in the last step (t = 1).
    """
    choice("variance", variance, VARIANCES)
    start = number("initial_variance", initial_variance, above=0)
    v0 = variance_of_modes(np.atleast_1d(array("eigenvalues", eigenvalues)), schedule, variance, last_noise, start)
    return v0 if np.ndim(eigenvalues) else v0[0]


def generated_mean(eigenvalues: np.ndarray | float, schedule: Schedule) -> np.ndarray:
    """E u₀/μ₀ = 1 − ᾱ_T s₀/s_T along modes with s₀ = λ⁰ + c, for a sampler that starts from mean 0."""
    return mean_of_modes(array("eigenvalues", eigenvalues), schedule)


def continuous_variance(
    eigenvalues: np.ndarray | float, schedule: Schedule, *, initial_variance: float = 1.0
) -> np.ndarray:
    """v₀ = s₀(1−ᾱ_T)/s_T + s₀² ᾱ_T v_T/s_T²: the limit of small β, and the exact-variance sampler at any T."""
    s0 = array("eigenvalues", eigenvalues)
    ab, noise = float(schedule.alpha_bar[-1]), float(schedule.noise[-1])
    last = ab * s0 + noise
    return s0 * noise / last + s0**2 * ab * initial_variance / last**2


def run_modes(
    weights: np.ndarray,
    sigma2: np.ndarray,
    schedule: Schedule,
    initial_variance: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean factor and variance for any diagonal denoiser ε_θ = w_t (u_t + b_t), b_t = −√ᾱ_t μ₀ (early-stopped ones).

    a_t = (1 − β_t w_t/√(1−ᾱ_t))/√(1−β_t), v_{t−1} = a_t² v_t + σ_t², E u₀ = μ₀(1 − √ᾱ_T Π_t a_t).

    Parameters
    ----------
    weights, sigma2 : ndarray, shape (T, modes)
        w_t and σ_t² for t = 1 … T.
    schedule : Schedule
    initial_variance : float

    Returns
    -------
    mean, variance : ndarray, shape (modes,)
    """
    beta = schedule.beta[1:, None]
    a = (1 - beta * weights / np.sqrt(schedule.noise[1:, None])) / np.sqrt(1 - beta)
    v = np.full(weights.shape[1], float(initial_variance))
    for t in range(schedule.steps - 1, -1, -1):
        v = a[t] ** 2 * v + sigma2[t]
    return 1 - np.sqrt(schedule.alpha_bar[-1]) * a.prod(axis=0), v
