"""The right-hand side of the order-parameter equations: Gaussian fields → moments → dΘ(s), dq(s), db, dκ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from ...common.numerics.expectations import Fields, Lattice, Rule
from ...common.numerics.gram import NULL
from ..kernels.compile import Kernels
from ..kernels.compiled_types import COUNT, KIND, LATTICE, OVERFLOW, SCALE, SHIFTED, USED, Given
from ..kernels.fields import mixed_overlaps
from ..model.problem import Problem
from .coefficients import Coefficients
from .compiled import given_of, nodes_of, room_of
from .layout import Layout
from .linearised import jacobians, potentials
from .moments import AveragedMoments

#: Whether a state lies in the span of the reference directions is told up to this, in units of 1 + |q|.
HELD = 1e-9
#: Nodes for pairs of times where nobody has said which.
UNPAIRED = Rule("sobol", 2**13)


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

    def __init__(self, problem: Problem, kernels: Kernels, rule: Fields, noise_rule: Rule | None = None) -> None:
        super().__init__(Coefficients.of(problem), kernels)
        self.held: list[tuple[int, np.ndarray]] = []
        self.rule = rule
        pairs = None
        if self.coefficients.shared_sample:
            pairs = noise_rule or (UNPAIRED if isinstance(rule, Lattice) else rule)
        self.given, self.nodes = given_of(self.coefficients, kernels), nodes_of(kernels, rule, pairs)
        self.room = room_of(self.given, kernels)

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
        self.given = self.given._replace(
            held=np.array([s for s, _ in self.held], dtype=np.int64),
            lift=np.array([lift for _, lift in self.held]).reshape(-1, *self.given.lift.shape[1:]),
        )

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        theta, q, b, kappa = super().unpack(y)
        for s, lift in self.held:
            q[s] = theta[s] @ lift @ theta[s].T
        return theta, q, b, kappa

    @cached_property
    def averages(self) -> AveragedMoments:
        """The moments one by one, with the nodes of a fixed rule (of a lattice: those of the last evaluation)."""
        mode, nodes = self.nodes.mode, self.nodes
        count = int(mode[COUNT]) if mode[KIND] == LATTICE else len(nodes.w)
        pairs = (nodes.pair_z, nodes.pair_w) if len(nodes.pair_w) else None
        return AveragedMoments(self.coefficients, self.kernels, (nodes.z[:count], nodes.w[:count]), pairs)

    def fields(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q (p, p), M(c) (clusters, p), Q^c (clusters, p, p) of the local fields."""
        return mixed_overlaps(theta, q, self.coefficients.c, self.coefficients.varsigma)

    def jacobians(
        self, states: np.ndarray, scales: np.ndarray, step: float, basis: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """∂(basisᵀ dy/dτ) along the basis at several states, dy/dτ there, and dy/dτ without the noise of SGD (η = 0)."""
        (m, n), r = states.shape, basis.shape[1]
        J, base, quiet = np.empty((m, r, r)), np.empty((m, n)), np.empty((m, n))
        fill = jacobians if self.kernels.compiled else jacobians.py_func
        given = self.given._replace(numbers=self.given.numbers.copy())
        fill(
            self.kernels.module.rates, np.ascontiguousarray(states), scales, step, basis, J, base, quiet, given, self.nodes,
            self.room,
        )  # fmt: skip
        self.evaluations += m * (r + 2)
        return J, base, quiet

    @property
    def varies(self) -> bool:
        """Whether a coefficient depends on τ."""
        return self.coefficients.rate_schedule is not None

    def stages(self, count: int) -> Given:
        """Coefficients with room for the stages of a step; `fill` says what they are."""
        given = self.given
        return given._replace(
            schedule=np.repeat(given.schedule, count, axis=0),
            weights=np.repeat(given.weights, count, axis=0),
            numbers=np.repeat(given.numbers, count, axis=0),
        )

    def fill(self, given: Given, taus: np.ndarray) -> None:
        """The coefficients at τ of every stage."""
        for s, tau in enumerate(taus):
            given.numbers[s, SCALE] = self.coefficients.scale(tau)

    @property
    def rule_name(self) -> str:
        """How the expectations at single times are taken."""
        return self.rule.name if isinstance(self.rule, Rule) else f"lattice {self.nodes.mode[USED]}"

    @property
    def overflowed(self) -> bool:
        """Whether a lattice had no room."""
        return bool(self.nodes.mode[OVERFLOW])

    def nodes_error(self, y: np.ndarray, scale: float) -> np.ndarray:
        """What the derivative changes by with the shifted nodes of a lattice (0 for other nodes)."""
        if self.nodes.mode[KIND] != LATTICE:
            return np.zeros_like(y)
        first = self.slope(y, scale)
        self.nodes.mode[SHIFTED] = 1
        try:
            return self.slope(y, scale) - first
        finally:
            self.nodes.mode[SHIFTED] = 0

    def slope(self, y: np.ndarray, scale: float) -> np.ndarray:
        self.evaluations += 1
        self.given.numbers[0, SCALE] = scale
        out = np.empty(len(y))
        self.kernels.module.rates(0, np.ascontiguousarray(y), out, self.given, self.nodes, self.room)
        return out

    def moments(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        return self._averaged(self.layout.pack(theta, q, b, kappa)).copy()

    def _averaged(self, y: np.ndarray) -> np.ndarray:
        self.kernels.module.averaged(0, np.ascontiguousarray(y), self.given, self.nodes, self.room)
        return self.room.averaged

    def losses(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(bulk per dimension, potential)`` at several states: the denoising loss is d × the first + the second."""
        given, b = self.coefficients, states[:, self.layout.at_b, None]
        bulk, _ = self.kernels.module.bulk(*given.schedule, given.Lambda, b)
        potential = np.empty(len(states))
        fill = potentials if self.kernels.compiled else potentials.py_func
        fill(
            self.kernels.module.averaged, np.ascontiguousarray(states), potential, self.given, self.nodes, self.room
        )  # fmt: skip
        return bulk @ given.time_weights, potential

    def loss(self, y: np.ndarray) -> tuple[float, float]:
        """The same at one state."""
        bulk, potential = self.losses(y[None])
        return float(bulk[0]), float(potential[0])
