"""The linear denoiser applied in k steps: limit of infinitely many samples, mode by mode."""

from __future__ import annotations

import math

import numpy as np

from ...common.input.checks import choice, integer, number
from .divergences import INFINITE, Parts
from .hellinger import inverse_moment, log_moment


def log_noise_to_signal(diffusion_time: float, noise_scale: float, std: float = 1.0) -> float:
    r"""ln[b²/(a²σ²)] = ln[λ(e^{2T} − 1)/σ²], in logarithms because e^{2T} may overflow."""
    t = number("diffusion_time", diffusion_time, above=0.0)
    scale = number("noise_scale", noise_scale, above=0.0)
    sigma = number("std", std, above=0.0)
    return math.log(scale) + 2.0 * t + math.log(-math.expm1(-2.0 * t)) - 2.0 * math.log(sigma)


def noise_angle(diffusion_time: float, noise_scale: float, std: float = 1.0) -> float:
    r"""φ_T = arctan(b/(aσ)), the angle between noise and signal at time T; cos² φ_T is the signal fraction q."""
    log_tangent = 0.5 * log_noise_to_signal(diffusion_time, noise_scale, std)
    return math.atan(math.exp(log_tangent)) if log_tangent < 700.0 else 0.5 * math.pi


def angle_grid(diffusion_time: float, noise_scale: float, std: float, steps: int) -> np.ndarray:
    r"""Times T = t_k > … > t_0 = 0 at equal steps of φ_t, ascending, shape (k + 1,).

    Of all grids of k steps this maximises Π cos²(φ_j − φ_{j−1}), because ln cos is concave.
    """
    k = integer("steps", steps, at_least=1)
    phi = noise_angle(diffusion_time, noise_scale, std) * np.arange(k + 1) / k
    times = 0.5 * np.log1p((std * np.tan(phi)) ** 2 / noise_scale)
    times[-1] = diffusion_time
    return times


def time_grid(diffusion_time: float, steps: int) -> np.ndarray:
    """Times from 0 to T at equal steps of t, shape (k + 1,)."""
    return np.linspace(0.0, diffusion_time, integer("steps", steps, at_least=1) + 1)


def grid(diffusion_time: float, noise_scale: float, std: float, steps: int, spacing: str = "angle") -> np.ndarray:
    """`angle_grid` or `time_grid` by name."""
    if choice("spacing", spacing, ("angle", "time")) == "angle":
        return angle_grid(diffusion_time, noise_scale, std, steps)
    return time_grid(diffusion_time, steps)


def multistep_fraction(
    diffusion_time: float,
    noise_scale: float,
    std: float = 1.0,
    *,
    steps: int = 1,
    scheme: str = "deterministic",
    spacing: str = "angle",
) -> float:
    r"""Variance of the generated density over σ² for n → ∞ samples and k steps, q_k.

    A step from t to t' estimates x̂ = μ + (aσ²/s)(y − aμ) with s = a²σ² + b², and sets y' = a' x̂ + b' ε̂. The deterministic
    scheme has ε̂ = (y − a x̂)/b, so that with φ = arctan(b/(aσ))

    .. math:: q_k = \prod_{j=1}^k \cos^2(φ_j - φ_{j-1}), \qquad q_k = \cos^{2k}(φ_T/k) \approx 1 - φ_T^2/k

    (the second for equal steps of φ); q_1 = q. The ancestral scheme keeps the share ρ = tan φ'/tan φ of ε̂ and draws the rest
    afresh, ε̂ → ρ ε̂ + √(1 − ρ²) z, as the reversed forward process does; then u = v/s follows
    u' = [cos φ' cos φ + ρ sin φ' sin φ]² u + (1 − ρ²) sin² φ' from u = 1 at T.

    Parameters
    ----------
    diffusion_time, noise_scale, std : float
        T, λ, σ.
    steps, scheme, spacing
        As in `asymptotics.one_step.settings.Sampling`.

    Returns
    -------
    float
        0 < q_k ≤ 1. Divergence and Hellinger floors follow by putting q_k for q.

    Notes
    -----
    An extension of Halder 2024 (arXiv 2411.17807), whose model has k = 1.
    """
    times = grid(diffusion_time, noise_scale, std, steps, spacing)
    angles = np.arctan2(np.sqrt(noise_scale * -np.expm1(-2.0 * times)), std * np.exp(-times))
    angles[-1] = noise_angle(diffusion_time, noise_scale, std)
    if choice("scheme", scheme, ("deterministic", "ancestral")) == "deterministic":
        return float(np.exp(2.0 * np.sum(np.log(np.cos(np.diff(angles))))))
    # The variance over that of a forward trajectory, u = v/s.
    relative = 1.0
    for phi, phi_next in zip(angles[:0:-1], angles[-2::-1], strict=True):
        kept = math.tan(phi_next) / math.tan(phi)
        gain = math.cos(phi_next) * math.cos(phi) + kept * math.sin(phi_next) * math.sin(phi)
        relative = gain**2 * relative + (1.0 - kept**2) * math.sin(phi_next) ** 2
    return relative


def flow_divergence(q: float, dimension: int, samples: int) -> Parts:
    r"""KL(G‖O) of the deterministic sampler for k → ∞ at finite n, where the noise of the fits averages out.

    The probability flow of the empirical Gaussian carries an eigenvalue σ²x of the empirical covariance and the isotropic start
    ŝ to σ²v, v = x/(q x + 1 − q): closer to 1 than x, because the start at finite T knows that the data are isotropic. With x
    from the Marchenko–Pastur law of ratio γ = d/n

    .. math:: \tfrac d2 ⟨v - 1 - \ln v⟩ + \frac d{2n} .

    Parameters
    ----------
    q : float
        Signal fraction at T.
    dimension, samples : int
        d and n > d.

    Returns
    -------
    Parts
        To leading order in 1/d; infinite for n ≤ d.
    """
    if samples <= dimension:
        return INFINITE
    ratio, shift = dimension / samples, (1.0 - q) / q
    mean_v = (1.0 - shift * inverse_moment(shift, ratio)) / q
    log_v = log_moment(0.0, ratio) - log_moment(shift, ratio) - math.log(q)
    variance = 0.5 * dimension * (mean_v - 1.0 - log_v)
    return Parts.of(variance, 0.5 * dimension / samples)
