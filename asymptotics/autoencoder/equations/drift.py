"""The right-hand side of the order-parameter equations: Gaussian fields → moments → dΘ(s), dq(s), db, dκ."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ...common.numerics.expectations import Rule
from ...common.numerics.gram import NULL
from ..kernels.compile import Kernels
from ..kernels.fields import channels, fields_at, mixed_overlaps
from ..model.problem import Problem
from .coefficients import Coefficients
from .layout import Layout
from .moments import AveragedMoments

#: Whether a state lies in the span of the reference directions is told up to this, in units of 1 + |q|.
HELD = 1e-9


class RightHandSide(ABC):
    """dy/dτ of the packed order parameters, from the moments of every cluster.

    Attributes
    ----------
    coefficients : Coefficients
    kernels : Kernels
    layout : Layout
    evaluations : int
        Calls so far.
    """

    def __init__(self, coefficients: Coefficients, kernels: Kernels) -> None:
        self.coefficients, self.kernels = coefficients, kernels
        atoms, directions = coefficients.T.shape[:2]
        self.layout = Layout(atoms, kernels.p, directions, kernels.parameters)
        self.evaluations = 0

    @abstractmethod
    def moments(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """E_t-averaged moments of every cluster, (clusters, names)."""

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Θ(s), q(s), b, κ of one state."""
        theta, q, b, kappa = self.layout.unpack(y)
        return theta, q, float(b), kappa

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ."""
        return self.slope(y, self.coefficients.scale(tau))

    def slope(self, y: np.ndarray, scale: float) -> np.ndarray:
        """dy/dτ with ``scale`` in the place of s(τ)."""
        self.evaluations += 1
        given, module = self.coefficients, self.kernels.module
        theta, q, b, kappa = self.unpack(y)
        moments = self.moments(theta, q, b, kappa)
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        module.assemble(
            moments, given.pi, given.c, given.t, given.varsigma, given.mass, theta, q,
            given.eta, given.decay, scale * given.rho, dtheta, dq,
        )  # fmt: skip
        _, slope = module.bulk(*given.schedule, given.Lambda, b)
        db = scale * given.rho_b * float(given.time_weights @ slope)
        first = len(self.kernels.names) - 1 - self.layout.parameters
        dkappa = scale * (given.pi @ moments[:, first : first + self.layout.parameters])
        return self.layout.pack(dtheta, dq, db, dkappa)


class Drift(RightHandSide):
    """Training on the mixture of a problem, with fixed nodes for the Gaussian expectations.

    Parameters
    ----------
    problem : Problem
    kernels : Kernels
        From the derivation of ``problem.denoiser``.
    rule : Rule
        Nodes over the encoder fields at one time (and for everything linear in E_t).
    noise_rule : Rule, optional
        Nodes over both channels, for N where several times share one sample; default ``rule``.

    Attributes
    ----------
    held : list of (atom, T⁺)
        See `hold`.
    """

    def __init__(self, problem: Problem, kernels: Kernels, rule: Rule, noise_rule: Rule | None = None) -> None:
        super().__init__(Coefficients.of(problem), kernels)
        n = len(kernels.encoders)
        noise_nodes = (noise_rule or rule).points(2 * n) if self.coefficients.shared_sample else None
        self.averages = AveragedMoments(self.coefficients, kernels, rule.points(n), noise_nodes)
        self.held: list[tuple[int, np.ndarray]] = []

    def hold(self, y: np.ndarray) -> None:
        """Keep q(s) = Θ(s) T(s)⁺ Θ(s)ᵀ in the atoms of mass 0 where the state ``y`` has it.

        There the weights lie in the span of the reference directions (a single eigenvector, say), and no noise drives them out
        of it: the equations conserve the relation. But it is an unstable manifold wherever the mode grows: without this,
        rounding errors would grow into weights along further directions of the atom, which it does not have.
        """
        theta, q, _, _ = self.layout.unpack(y)
        self.held = []
        for s in np.flatnonzero(self.coefficients.mass == 0.0):
            lift = np.linalg.pinv(self.coefficients.T[s], rcond=NULL, hermitian=True)
            if np.allclose(theta[s] @ lift @ theta[s].T, q[s], rtol=0.0, atol=HELD * (1.0 + np.max(np.abs(q[s])))):
                self.held.append((int(s), lift))

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        theta, q, b, kappa = super().unpack(y)
        for s, lift in self.held:
            q[s] = theta[s] @ lift @ theta[s].T
        return theta, q, b, kappa

    def fields(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q (p, p), M(c) (clusters, p), Q^c (clusters, p, p) of the local fields."""
        return mixed_overlaps(theta, q, self.coefficients.c, self.coefficients.varsigma)

    def moments(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        given, of = self.coefficients, self.averages
        Q, M, Qc = self.fields(theta, q)
        law = fields_at(Q, M, Qc, of.mixing(b), of.encoders, of.decoders)
        pairs = channels(Q, M, Qc, of.encoders, of.decoders) if given.shared_sample else None
        return of.average(law, pairs, Q, b, kappa)

    def loss(self, y: np.ndarray) -> tuple[float, float]:
        """``(bulk per dimension, potential)``: the denoising loss is d × the first + the second."""
        given = self.coefficients
        theta, q, b, kappa = self.unpack(y)
        bulk, _ = self.kernels.module.bulk(*given.schedule, given.Lambda, b)
        moments = self.moments(theta, q, b, kappa)
        return float(given.time_weights @ bulk), float(given.pi @ moments[:, -1])
