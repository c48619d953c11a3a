r"""Training dynamics of the modes: gradient flow on the denoising loss.

From W(0) = 0, with the bias at its optimum, W(τ) = W*(1 − e^{−2τC}): mode ν of Σ₀ has

.. math:: w_\nu(\tau)=\sqrt{1-\bar\alpha}\,\frac{1-e^{-2s_\nu\tau}}{s_\nu},\qquad
          s_\nu=\bar\alpha\lambda^0_\nu+1-\bar\alpha+\bar\alpha c=\bar\alpha(\lambda^0_\nu+c_t),

and gradient descent with step η has (1 − 2ηs)^{τ/η} in place of the exponential. The training time τ counts the gradient of the
loss summed over components; for a loss averaged over d, or with a factor ½, rescale it.
"""

from __future__ import annotations

import numpy as np


def relaxation(s: np.ndarray, tau: np.ndarray, learning_rate: float | None = None) -> np.ndarray:
    """(1 − e^{−2sτ})/s for gradient flow, (1 − (1−2ηs)^{τ/η})/s for descent with whole τ/η; shape tau × s."""
    tau = np.asarray(tau, dtype=float)[..., None]
    if learning_rate is None:
        return -np.expm1(-2 * s * tau) / s
    steps = np.rint(tau / learning_rate)
    return (1 - (1 - 2 * learning_rate * s) ** steps) / s


def mode_stopping_time(s: np.ndarray, power: np.ndarray) -> np.ndarray:
    """τ*_ν = −ln(1 − s_ν/p_ν)/(2 s_ν), p_ν = ᾱ(Σ_νν + δ_ν²) + 1 − ᾱ; infinite where s_ν ≥ p_ν: the mode never overfits."""
    ratio = np.asarray(s) / np.asarray(power)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ratio < 1, -np.log1p(-np.minimum(ratio, 1.0)) / (2 * np.asarray(s)), np.inf)
