"""One trained network as its local fields see it: overlaps, φ and its slopes, the skip connection, at every time of sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....common.input.checks import InputError, fail
from ....common.numerics.algebra.gram import square_root
from ...equations.integration.integrate import kernels_of
from ...equations.training_path.path import OrderParameters
from ...generated.coefficients import Coefficients, coefficients
from ...generated.parts import guided
from ...kernels.compile import Kernels
from ...model.cells import DROPPED, told
from ...model.problem import Problem

#: Times that are kept.
KEPT = 8192


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


class Trained:
    """A trained network with what it is told while it samples.

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
        self.timed = denoiser.network.conditioned or not denoiser.network.time_skip.plain or bool(sampling.guided)
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
        self.tied = len(self.encoders) == len(self.terms) and bool(np.all(self.encoders == self.terms))

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
        now = self.now(t)
        return guided(function, z, now.told, self._label, self._kappa, now.guidance, shape)

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
