"""The sampling flow of one trained network as functions of time: dZ = (Δ_t Z + Γ_t C φ(Z; t)) dt + √(2ε_t) Q^{1/2} dW.

C_{aj} = w_a·u_j/d are the overlaps of the encoder vectors with the decoder vector of each term (C = Q of a tied network).
Everything in this package asks the network for Γ, Δ, ε, φ and the slopes of φ alone, so that it holds for every network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....common.input.checks import InputError, fail
from ....common.numerics.algebra.gram import square_root
from ...equations.integrate import kernels_of
from ...equations.path import OrderParameters
from ...generated.coefficients import Coefficients, coefficients
from ...kernels.compile import Kernels
from ...model.cells import DROPPED, told
from ...model.problem import Problem

#: Times at which signs are looked at: equally spaced ones, and ever closer ones to t = 1, where the flow goes on for ever.
LAST = 1e-9
TIMES = np.unique(np.concatenate([np.linspace(0.0, 1.0, 401)[:-1], 1.0 - np.geomspace(1e-2, LAST, 121)]))
#: Steps of a difference quotient of φ's slopes, and its weights (second derivative, sixth order).
STEP = 1e-2
SECOND = np.array([1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90])
#: Times that are kept.
KEPT = 8192
#: Random points at which symmetries of φ are looked at.
POINTS = 64


@dataclass(frozen=True)
class Shares:
    """Overlaps of one part of the spectrum, or of all of it: Gram matrices of (encoder vectors, reference directions)."""

    Q: np.ndarray
    Theta: np.ndarray
    G: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        """Covariance of (w_a·x/√d, u_k·x) for a standard Gaussian x of that part."""
        return np.block([[self.Q, self.Theta], [self.Theta.T, self.G]])


@dataclass(frozen=True)
class Now:
    """What is known of one time: the schedule, the prediction, the skip connection, the drift's coefficients, what φ is told."""

    alpha: float
    beta: float
    y0: float
    y1: float
    skip: float
    gamma: float
    delta: float
    told: np.ndarray
    guidance: float


class Fields:
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
    Q, C : (n, n), (n, terms)
    theta_terms : (terms, K)
        Overlaps of each term's decoder with the reference directions.
    root, inverse_root : (n, n)
        Q^{1/2} and its pseudo-inverse.
    tied : bool
        Whether each encoder is the decoder of its own term, so that projections of a sample are those of its fields.
    timed : bool
        Whether the network depends on the time (its guidance too).
    odd : bool
        Whether φ(−z) = −φ(z) at all times: z = 0 is then the symmetric point.
    resting : bool
        Whether Cφ(0) = 0 at all times: z = 0 is then a fixed point of the drift and a zero of the learned score.
    """

    def __init__(self, problem: Problem, at: OrderParameters, kernels: Kernels | None = None) -> None:
        if np.ndim(at.tau):
            fail("at", at.tau, "the order parameters at one tau")
        at = at.network(problem.generating) if at.averages else at
        sampling, denoiser = problem.sampling, problem.denoiser
        if denoiser.labelled and sampling.label is None:
            raise InputError(
                "sampling.label: missing; a network that is told labels has one flow for each: give the label"
            )
        self.problem, self.order_parameters = problem, at
        self._label = told(DROPPED if sampling.label is None else sampling.label, denoiser.labels or 0)
        self.timed = denoiser.conditioned or not denoiser.plain_skip or bool(sampling.guided)
        kernels = kernels_of(problem) if kernels is None else kernels
        self.encoders = np.array(kernels.encoders, dtype=int)
        self.terms = np.array(kernels.module.TERMS, dtype=int)
        self.smooth = bool(kernels.smooth)
        self._module = kernels.module
        self._kappa = np.ascontiguousarray(at.parameters, dtype=np.float64)
        self.b = at.b
        self.Q = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.encoders)])
        self.C = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.terms)])
        self.theta, self.theta_terms = at.Theta[self.encoders], at.Theta[self.terms]
        self.root, self.inverse_root = square_root(self.Q)
        self._known: dict[float, Now] = {}
        self.epsilon = problem.sampling.epsilon_function(problem.interpolant)
        s = problem.sampling
        self.start, self.stop = s.start, s.stop
        self.noisy = bool(np.any(self.epsilon(np.linspace(s.start, s.stop, 257)) > 0))
        self.tied = len(self.encoders) == len(self.terms) and bool(np.all(self.encoders == self.terms))
        probe = 2.0 * np.random.default_rng(0).standard_normal((POINTS, self.n))
        scale = np.sqrt(np.maximum(np.diag(self.Q), 1e-12))
        self._probe = probe * scale
        zero = np.zeros((1, self.n))
        self.resting = all(bool(np.all(np.abs(self.phi(zero, t) @ self.C.T) < 1e-12)) for t in (0.25, 0.75))
        self.odd = all(
            np.allclose(self.phi(-self._probe, t), -self.phi(self._probe, t), atol=1e-12) for t in (0.25, 0.75)
        )

    @property
    def n(self) -> int:
        """Number of encoder fields."""
        return len(self.encoders)

    # the network -----------------------------------------------------------------------------------------------

    def now(self, t: float) -> Now:
        """What is known of a time (kept: lines look at the same times again and again)."""
        t = float(t)
        if t not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            time, problem = np.asarray(t), self.problem
            s, k = problem.interpolant, coefficients(problem, self.b, time, self.epsilon)
            y0, y1 = problem.predicted(time)
            guidance = float(problem.sampling.guidance_at(s, time)) if problem.sampling.guided else 0.0
            self._known[t] = Now(
                float(s.alpha(time)), float(s.beta(time)), float(y0), float(y1), float(problem.skip_at(self.b, time)),
                float(k.gamma), float(k.delta), np.ascontiguousarray(problem.told(time)), guidance,
            )  # fmt: skip
        return self._known[t]

    def _guided(self, function: Callable[..., None], z: np.ndarray, t: float, shape: tuple[int, ...]) -> np.ndarray:
        """(1 + ω) f(z; label) − ω f(z; no label) of a compiled function of the network."""
        now, z = self.now(t), np.ascontiguousarray(z, dtype=np.float64)
        out = np.empty(shape)
        function(z, now.told, self._label, self._kappa, out)
        if now.guidance == 0.0:
            return out
        free = np.empty(shape)
        function(z, now.told, np.zeros_like(self._label), self._kappa, free)
        return np.asarray((1 + now.guidance) * out - now.guidance * free)

    def phi(self, z: np.ndarray, t: float) -> np.ndarray:
        """φ_j, guided, at fields z (points, n) and time t, (points, terms)."""
        return self._guided(self._module.activations, z, t, (len(z), len(self.terms)))

    def slopes(self, z: np.ndarray, t: float) -> np.ndarray:
        """∂φ_j/∂z_a at fields z (points, n) and time t, (points, terms, n)."""
        return self._guided(self._module.slopes, z, t, (len(z), len(self.terms), self.n))

    def skip(self, t: float) -> float:
        """What multiplies the sample in the prediction at time t."""
        return self.now(t).skip

    @property
    def weights(self) -> np.ndarray:
        """Weights of the clusters that the network is asked for: all, or those of the label that it is told."""
        target, label = self.problem.target, self.problem.sampling.label
        if label is None or target.cluster_labels is None:
            return np.asarray(target.weights)
        own = np.where(target.cluster_labels == label, target.weights, 0.0)
        return np.asarray(own / own.sum())

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """Γ_t, Δ_t, ε_t at an array of times."""
        return coefficients(self.problem, self.b, t, self.epsilon)

    def schedule(self, t: float) -> tuple[float, float, float, float]:
        """α, β and (y₀, y₁) at a time."""
        now = self.now(t)
        return now.alpha, now.beta, now.y0, now.y1

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

    def shares(self, spectrum: np.ndarray | None = None) -> Shares:
        """Overlaps weighted with one number an atom (an eigenvalue ς_s); default 1."""
        at, target = self.order_parameters, self.problem.target
        if spectrum is None:
            return Shares(self.Q, self.theta, target.gram)
        q = np.einsum("s,sab->ab", spectrum, at.q[:, self.encoders][:, :, self.encoders])
        theta = np.einsum("s,sak->ak", spectrum, at.theta[:, self.encoders])
        return Shares(q, theta, np.einsum("s,skl->kl", spectrum, target.reference_overlaps))

    @property
    def lift(self) -> np.ndarray:
        """ΘᵀQ⁺, (K, n): mean of the projections u_k·X given the fields of a Gaussian sample."""
        return np.asarray((self.inverse_root @ self.inverse_root @ self.theta).T)

    def place(self, z: np.ndarray) -> np.ndarray:
        """K coordinates of a resting point with fields z (points, n): ΘᵀQ⁺z of a tied network, else by its decoders."""
        if self.tied:
            return np.asarray(z @ self.lift.T)
        pull, sign = self.end_pull
        return np.asarray(-(sign / pull) * self.phi(z, self.end) @ self.theta_terms)
