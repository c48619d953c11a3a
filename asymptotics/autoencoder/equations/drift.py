"""The right-hand side of the order-parameter equations: Gaussian fields → moments → dΘ(s), dq(s), db, dκ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ...common.numerics.expectations import Rule
from ...common.numerics.gram import NULL
from ..kernels.compile import Kernels
from ..kernels.fields import channels, fields_at, mixed_overlaps
from ..model.problem import Problem
from .assembly import assemble
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
        stack = coefficients.optimiser
        basis = max(1, len(coefficients.start.psi))
        self.layout = Layout(atoms, stack.size, directions, kernels.parameters, basis, len(stack.averages))
        self.evaluations = 0
        self._kept_map: tuple[tuple[float, float, float], tuple[np.ndarray, np.ndarray]] | None = None

    @abstractmethod
    def moments(self, theta: np.ndarray, q: np.ndarray, b: Any, kappa: np.ndarray, tau: float = 0.0) -> np.ndarray:
        """E_t-averaged moments of every cell, (cells, names), from Θ and q of the network's own vectors."""

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        """Θ(s), q(s), b, κ of one state; b is a number, or (basis,)."""
        theta, q, b, kappa = self.layout.unpack(y)
        return theta, q, float(b) if self.layout.basis == 1 else b, kappa

    def _map(self, tau: float, scale: float, decay: float) -> tuple[np.ndarray, np.ndarray]:
        """R and A of the optimiser; the last ones are kept."""
        optimiser = self.coefficients.optimiser
        key = (0.0 if optimiser.still else tau, scale, decay)
        if self._kept_map is None or self._kept_map[0] != key:
            self._kept_map = key, optimiser.at(tau, scale, decay)
        return self._kept_map[1]

    def network(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The part of Θ(s) and q(s) that is the network's own."""
        p = self.coefficients.optimiser.p
        if p == self.layout.p:
            return theta, q
        return np.ascontiguousarray(theta[:, :p]), np.ascontiguousarray(q[:, :p, :p])

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ."""
        return self.slope(y, self.coefficients.scale(tau), tau)

    def slope(self, y: np.ndarray, scale: float, tau: float = 0.0) -> np.ndarray:
        """dy/dτ at τ, with ``scale`` in the place of s(τ)."""
        self.evaluations += 1
        given, module, layout = self.coefficients, self.kernels.module, self.layout
        now = given.at(tau)
        theta, q, b, kappa = self.unpack(y)
        moments = self.moments(*self.network(theta, q), b, kappa, tau)
        p, atoms = given.optimiser.p, layout.atoms
        A, B, N = np.empty((len(given.pi), p)), np.empty((atoms, p, p)), np.empty((atoms, p, p))
        module.increments(moments, given.pi, given.varsigma, A, B, N)
        R, L = self._map(tau, scale, now.decay)
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        assemble(A, B, N, given.pi, given.c, given.t, given.mass, theta, q, given.eta, R, L, dtheta, dq)
        _, slope = module.bulk(*now.told[:4], given.Lambda, now.skip(b))
        db = np.zeros(layout.basis)
        db[: len(now.psi)] = given.optimiser.of_scalar(scale * given.rho_b) * (now.psi @ (now.first * slope))
        first = len(self.kernels.names) - 1 - layout.parameters
        gradient = given.pi @ moments[:, first : first + layout.parameters]
        dkappa = given.optimiser.of_scalar(scale) * gradient
        live = y[layout.at_b : layout.at_b + layout.scalars]
        if not layout.averages:
            return layout.pack(dtheta, dq, db, dkappa)
        averaged = y[layout.at_b + layout.scalars :].reshape(layout.averages, layout.scalars)
        return layout.pack(dtheta, dq, db, dkappa, given.optimiser.gammas(tau)[:, None] * (live - averaged))


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

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        theta, q, b, kappa = super().unpack(y)
        for s, lift in self.held:
            q[s] = theta[s] @ lift @ theta[s].T
        return theta, q, b, kappa

    def fields(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q (p, p), M(c) (clusters, p), Q^c (clusters, p, p) of the local fields."""
        return mixed_overlaps(theta, q, self.coefficients.c, self.coefficients.varsigma)

    def moments(self, theta: np.ndarray, q: np.ndarray, b: Any, kappa: np.ndarray, tau: float = 0.0) -> np.ndarray:
        given, of = self.coefficients, self.averages
        now = given.at(tau)
        Q, M, Qc = self.fields(theta, q)
        law = fields_at(Q, M, Qc, of.mixing(b, now), of.encoders, of.decoders)
        pairs = channels(Q, M, Qc, of.encoders, of.decoders) if given.shared_sample else None
        return of.average(law, pairs, Q, b, kappa, now)

    def loss(self, y: np.ndarray, tau: float = 0.0) -> tuple[float, float]:
        """``(bulk per dimension, potential)``: the denoising loss is d × the first + the second."""
        given = self.coefficients
        now = given.at(tau)
        theta, q, b, kappa = self.unpack(y)
        bulk, _ = self.kernels.module.bulk(*now.told[:4], given.Lambda, now.skip(b))
        moments = self.moments(*self.network(theta, q), b, kappa, tau)
        return float(now.first @ bulk), float(given.pi @ moments[:, -1])
