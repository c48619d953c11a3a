"""The trained skip connection in closed form: db/dτ = h − G b, linear and closed.

G_kl = E_t w ψ_k ψ_l κ_t and h_k = E_t w ψ_k (h_t − κ_t s₀), with −½ ∂_s bulk = h_t − κ_t s at one time (see
`derivations.autoencoder.training.skip`), so that b_τ = b₀ + ∫₀^τ e^{−Gx} dx (h − G b₀), by the eigenvectors of the symmetric G. Where the
ψ_k are dependent at the training times G is singular; the integral is not, and the change of b is that of least norm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...kernels.written.sampler import compile_sampler
from ...model.problem import Problem
from ..derivative.coefficients import Coefficients


class SkipRelaxation:
    """b_τ of a problem whose times stand still.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    basis : int
        Number of b_k.
    start : (basis,)
        b at τ = 0.
    """

    def __init__(self, problem: Problem) -> None:
        given = Coefficients.of(problem)
        start = given.start
        self._at = start.told[0], start.told[1], *problem.denoiser.target(*start.told[:4])
        self._weights, self._fixed, self._psi = start.first, start.fixed, start.psi
        self._derived = compile_sampler(problem.sampling.drift)
        self._rate, self._schedule = given.optimiser.of_scalar(given.rho_b), given.rate_schedule
        self.basis, self.start = len(self._psi), problem.denoiser.start

    def clock(self, tau: Any) -> np.ndarray:
        """∫₀^τ of the factor on b's learning rate."""
        tau = np.asarray(tau, dtype=np.float64)
        return np.asarray(self._rate * (tau if self._schedule is None else self._schedule.integral(tau)))

    def rates(self, Lambda: Any) -> tuple[np.ndarray, np.ndarray]:
        """h (…, basis) and G (…, basis, basis), for mean eigenvalues Λ (…,)."""
        source, kappa = self._derived.skip_rates(np.asarray(Lambda, dtype=np.float64)[..., None], *self._at)
        h = ((source - kappa * self._fixed) * self._weights) @ self._psi.T
        G = ((kappa * self._weights)[..., None, :] * self._psi) @ self._psi.T
        return h, G

    def __call__(self, tau: Any, Lambda: Any, start: Any = None) -> np.ndarray:
        """b_τ from ``start`` (default: the problem's), (…, basis) for τ and Λ that broadcast."""
        return self.after(self.clock(tau), Lambda, start)

    def after(self, clock: Any, Lambda: Any, start: Any = None) -> np.ndarray:
        """b once the clock has gone on by ``clock`` (…,), (…, basis); at ∞ where it relaxes to."""
        b0 = self.start if start is None else np.asarray(start, dtype=np.float64)
        h, G = self.rates(Lambda)
        values, vectors = np.linalg.eigh(G)
        # Eigenvalues that are zero but for rounding hold combinations that no training time sees.
        values = np.where(values > 1e-14 * np.max(values, axis=-1, keepdims=True, initial=0.0), values, 0.0)
        x = np.asarray(clock, dtype=np.float64)[..., None]
        with np.errstate(over="ignore", invalid="ignore"):
            held = np.where(
                values > 0, -np.expm1(-values * x) / np.where(values > 0, values, 1.0), np.minimum(x, 1e300)
            )
        force = h[..., None] - G @ np.broadcast_to(b0, h.shape)[..., None]
        along = np.where(values > 0, (np.swapaxes(vectors, -1, -2) @ force)[..., 0], 0.0)
        return np.asarray(b0 + (vectors @ (held * along)[..., None])[..., 0])

    def kept(self, clock: Any, Lambda: Any) -> np.ndarray:
        """e^{−G clock}, what is left of a deviation of b, (…, basis, basis)."""
        values, vectors = np.linalg.eigh(self.rates(Lambda)[1])
        decay = np.exp(-np.maximum(values, 0.0) * np.asarray(clock, dtype=np.float64)[..., None])
        return np.asarray(np.einsum("...kl,...l,...ml->...km", vectors, decay, vectors))
