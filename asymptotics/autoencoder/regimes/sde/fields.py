"""The sampling flow of one trained network as functions of time: dZ = (Δ_t Z + Γ_t C φ(Z; t)) dt + √(2ε_t) Q^{1/2} dW.

C_{aj} = w_a·u_j/d are the overlaps of the encoder vectors with the decoder vector of each term (C = Q of a tied network).
Everything in this package asks the network for Γ, Δ, ε, φ and the slopes of φ alone, so that it holds for every network.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ....common.input.checks import InputError
from ...equations.training_path.path import OrderParameters
from ...kernels.compile import Kernels
from ...model.problem import Problem
from .trained import Trained

#: Times at which signs are looked at: equally spaced ones, and ever closer ones to t = 1, where the flow goes on for ever.
LAST = 1e-9
TIMES = np.unique(np.concatenate([np.linspace(0.0, 1.0, 401)[:-1], 1.0 - np.geomspace(1e-2, LAST, 121)]))
#: Steps of a difference quotient of φ's slopes, and its weights (second derivative, sixth order).
STEP = 1e-2
SECOND = np.array([1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90])
#: Random points at which symmetries of φ are looked at.
POINTS = 64


class Fields(Trained):
    """The local fields of one trained network under its sampling flow.

    Parameters
    ----------
    problem : Problem
    at : OrderParameters
        One τ.
    kernels : Kernels, optional
        Those of the problem, where they are at hand.

    Attributes
    ----------
    odd : bool
        Whether φ(−z) = −φ(z) at all times: z = 0 is then the symmetric point.
    resting : bool
        Whether Cφ(0) = 0 at all times: z = 0 is then a fixed point of the drift and a zero of the learned score.
    """

    def __init__(self, problem: Problem, at: OrderParameters, kernels: Kernels | None = None) -> None:
        super().__init__(problem, at, kernels)
        s = problem.sampling
        self.start, self.stop = s.start, s.stop
        self.noisy = bool(np.any(self.epsilon(np.linspace(s.start, s.stop, 257)) > 0))
        probe = 2.0 * np.random.default_rng(0).standard_normal((POINTS, self.n))
        scale = np.sqrt(np.maximum(np.diag(self.Q), 1e-12))
        self._probe = probe * scale
        zero = np.zeros((1, self.n))
        self.resting = all(bool(np.all(np.abs(self.phi(zero, t) @ self.C.T) < 1e-12)) for t in (0.25, 0.75))
        self.odd = all(
            np.allclose(self.phi(-self._probe, t), -self.phi(self._probe, t), atol=1e-12) for t in (0.25, 0.75)
        )

    # the flow --------------------------------------------------------------------------------------------------

    def drift(self, z: np.ndarray, t: float) -> np.ndarray:
        """Δ z + Γ C φ(z; t) at points (points, n)."""
        k = self.now(t)
        return np.asarray(k.delta * z + k.gamma * self.phi(z, t) @ self.C.T)

    def response(self, z: np.ndarray, t: float) -> np.ndarray:
        """C ∂φ/∂z at points (points, n), (points, n, n): what the network adds to Δ/Γ in the drift's Jacobian."""
        return np.asarray(np.einsum("aj,pjb->pab", self.C, self.slopes(z, t)))

    def jacobian(self, z: np.ndarray, t: float) -> np.ndarray:
        """Jacobian of the drift at points (points, n), (points, n, n)."""
        k = self.now(t)
        return np.asarray(k.delta * np.eye(self.n) + k.gamma * self.response(z, t))

    def trace_curvature(self, z: np.ndarray, t: float) -> np.ndarray:
        """Second derivatives of tr(C ∂φ/∂z) at one point (n,), (n, n), by differences of sixth order."""
        h = STEP * np.maximum(np.sqrt(np.diag(self.Q)), 1e-3)
        steps = np.arange(-3, 4)
        out = np.empty((self.n, self.n))

        def along(direction: np.ndarray) -> float:
            traces = np.trace(self.response(z + steps[:, None] * direction, t), axis1=1, axis2=2)
            return float(SECOND @ traces)

        eye = np.diag(h)
        for a in range(self.n):
            out[a, a] = along(eye[a]) / h[a] ** 2
        for a in range(self.n):
            for b in range(a):
                mixed = along(eye[a] + eye[b]) - along(eye[a] - eye[b])
                out[a, b] = out[b, a] = mixed / (4 * h[a] * h[b])
        return out

    def kappa(self, z: np.ndarray, t: float) -> np.ndarray:
        """Eigenvalues of s(t) + C ∂φ/∂z at one point (n,), descending real parts: of the prediction's Jacobian in the span."""
        values = np.linalg.eigvals(self.response(z[None], t)[0])
        return self.skip(t) + np.sort(values.real)[::-1]

    def score(self, z: np.ndarray, t: float) -> np.ndarray:
        """α(y₁z − β(s z + Cφ))/(αy₁ − βy₀) at points (points, n): −α² times the learned score in the span; z − βF for data."""
        alpha, beta, y0, y1 = self.schedule(t)
        found = y1 * z - beta * (self.skip(t) * z + self.phi(z, t) @ self.C.T)
        return np.asarray(alpha / (alpha * y1 - beta * y0) * found)

    def score_slope(self, z: np.ndarray, t: float) -> np.ndarray:
        """Jacobian of `score`, (points, n, n)."""
        alpha, beta, y0, y1 = self.schedule(t)
        found = (y1 - beta * self.skip(t)) * np.eye(self.n) - beta * self.response(z, t)
        return np.asarray(alpha / (alpha * y1 - beta * y0) * found)

    def score_curvature(self, z: np.ndarray, t: float) -> float:
        """Largest eigenvalue of the learned score's Jacobian in the span at one point, times α² > 0 (its sign is meant).

        ŝ = −x̂₀/α with x̂₀ = (y₁x − βf)/(αy₁ − βy₀): the eigenvalues are −(y₁ − βκ)/(α(αy₁ − βy₀)); (βκ − 1)/α² for data.
        """
        alpha, beta, y0, y1 = self.schedule(t)
        D = alpha * y1 - beta * y0
        return float(np.max(alpha * (beta * self.kappa(z, t) - y1) / D)) if D else -1.0

    def drift_curvature(self, z: np.ndarray, t: float) -> float:
        """Largest real part of the drift's Jacobian's eigenvalues at one point, in units of 1 + |Δ|."""
        k = self.now(t)
        return float(np.max(k.delta + k.gamma * (self.kappa(z, t) - k.skip))) / (1.0 + abs(k.delta))

    @cached_property
    def horizon(self) -> float:
        """Until when lines are followed: t → 1, or the sampler's stop where the flow does not reach so far."""
        last = 1.0 - LAST
        y0, _ = self.problem.predicted(np.array(last))
        if float(y0) != 0.0 or not self._goes_on():
            return self.stop
        with np.errstate(all="ignore"):
            finite = bool(np.isfinite(self.skip(last)) and np.all(np.isfinite(self.phi(self._probe, last))))
        return last if finite else self.stop

    def _goes_on(self) -> bool:
        """Whether ε and the guidance, which are asked for up to the stop alone, are defined (and not negative) beyond it too."""
        beyond = TIMES[np.searchsorted(TIMES, self.stop) :]
        try:
            self.epsilon(beyond)
            self.problem.sampling.guidance_at(self.problem.interpolant, beyond)
        except InputError:
            return False
        return True

    @cached_property
    def end(self) -> float:
        """The time of the landscape: `horizon`, or the sampler's stop of a network that depends on the time."""
        return self.stop if self.timed else self.horizon

    @cached_property
    def end_pull(self) -> tuple[float, float]:
        """The landscape's pull (a z + c Cφ(z))/|c|: a/|c| and the sign of c; b − 1 and 1 of a data prediction.

        The drift as t → 1; of a network that depends on the time, whose flow comes to rest nowhere, the learned score at the stop.
        """
        if not self.timed:
            a, c = self.now(self.end).delta, self.now(self.end).gamma
        else:
            alpha, beta, y0, y1 = self.schedule(self.end)
            scale = alpha / (alpha * y1 - beta * y0)
            a, c = -scale * (y1 - beta * self.skip(self.end)), scale * beta
        return a / abs(c), float(np.sign(c))

    def gradient(self) -> bool:
        """Whether C φ is a gradient in the metric Q: Q⁺ C ∂φ/∂z is symmetric everywhere."""
        metric = self.inverse_root @ self.inverse_root
        for t in (self.start, self.stop):
            found = metric @ self.response(self._probe, t)
            size = max(float(np.max(np.abs(found))), 1e-300)
            # The null directions of Q, in which no field moves, do not count.
            if np.max(np.abs(found - np.swapaxes(found, 1, 2))) > 1e-8 * size:
                return False
        return True

    # projections -----------------------------------------------------------------------------------------------

    def place(self, z: np.ndarray) -> np.ndarray:
        """K coordinates of a resting point with fields z (points, n): ΘᵀQ⁺z of a tied network, else by its decoders."""
        if self.tied:
            return np.asarray(z @ self.lift.T)
        pull, sign = self.end_pull
        return np.asarray(-(sign / pull) * self.phi(z, self.end) @ self.theta_terms)
