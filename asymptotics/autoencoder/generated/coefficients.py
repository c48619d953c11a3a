"""The generative SDE's coefficients: what the prediction f(x) does to a sample, step by step or in continuous time.

All formulae are those that `derivations.autoencoder.sampling.sampler` derives from the drift (``sampling.drift``; by default
velocity + ε score): they are compiled from there. With f = b x + Σ_j (u_j/√d) φ_j, dX = [Γ Σ_j (u_j/√d) φ_j + Δ X] dt + √(2ε) dW.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError
from ...common.numerics.interpolants import Interpolant
from ..kernels.written.sampler import compile_sampler
from ..model.problem import Problem


@dataclass(frozen=True)
class Coefficients:
    """Γ_t, Δ_t and ε_t at an array of times."""

    gamma: np.ndarray
    delta: np.ndarray
    epsilon: np.ndarray


def coefficients(
    problem: Problem, b: ArrayLike, t: ArrayLike, epsilon: Callable[[Any], np.ndarray] | None = None
) -> Coefficients:
    """Γ_t, Δ_t and ε_t of a network with the skip connection b (of several ψ_k: (basis,)).

    Raises
    ------
    InputError
        Where αy₁ = βy₀: a noise prediction says nothing at β = 0 (sampling then has to start at t > 0).
    """
    t = np.asarray(t, dtype=np.float64)
    s: Interpolant = problem.interpolant
    eps = (epsilon or problem.sampling.epsilon_function(s))(t)
    alpha, beta, alpha_dot, beta_dot = s.alpha(t), s.beta(t), s.alpha_dot(t), s.beta_dot(t)
    y0, y1 = problem.predicted(t)
    derived = compile_sampler(problem.sampling.drift)
    D = derived.determinant(alpha, beta, y0, y1)
    if np.any(D == 0):
        raise InputError(
            f"sampling.start = {float(t[D == 0].ravel()[0]) if t.ndim else float(t):g}: the prediction determines no "
            "velocity there; start later"
        )
    skip = problem.skip_at(b, t)
    gamma, delta = derived.coefficients(t, alpha, beta, alpha_dot, beta_dot, eps, y0, y1, skip)
    return Coefficients(gamma, delta, eps)


class Clock:
    """The variable s = t − ln α_t, in which the generative flow is regular up to t → 1.

    ds/dt = 1 − α̇/α is at least of order one everywhere and grows like the coefficients Γ, Δ ~ 1/α: steps of equal size in
    s are fine where the flow is stiff in t, so that reaching t_f = 0.9999 costs no more than t_f = 0.9.
    """

    def __init__(self, interpolant: Interpolant) -> None:
        self.interpolant = interpolant

    def of(self, t: float) -> float:
        """s at time t."""
        return float(t - np.log(self.interpolant.alpha(t)))

    def rate(self, t: float) -> float:
        """dt/ds at time t."""
        alpha, alpha_dot = float(self.interpolant.alpha(t)), float(self.interpolant.alpha_dot(t))
        return alpha / (alpha - alpha_dot)

    def time(self, s: float, start: float, stop: float) -> float:
        """t with s(t) = s, in [start, stop]."""
        from scipy.optimize import brentq

        if s <= self.of(start):
            return start
        if s >= self.of(stop):
            return stop
        return float(brentq(lambda t: self.of(t) - s, start, stop, xtol=1e-15, rtol=1e-14))
