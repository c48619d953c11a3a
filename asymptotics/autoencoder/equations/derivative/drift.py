"""The right-hand side of the order-parameter equations: Gaussian fields → moments → dΘ(s), dq(s), db, dκ."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np

from ....common.numerics.algebra.gram import NULL
from ....common.numerics.quadrature.expectations import Fields, Lattice, Rule
from ...kernels.compile import Kernels
from ...kernels.shared.compiled_types import (
    COUNT,
    ETA,
    FIXED,
    KIND,
    LATTICE,
    OVERFLOW,
    REFINED,
    SHIFTED,
    STRETCHED,
    USED,
    Given,
)
from ...kernels.shared.fields import mixed_overlaps
from ...kernels.shared.rates import averaged, averaged_by_arrays, rates, rates_by_arrays
from ...model.problem import Problem
from .arguments import fill, given_of, nodes_of, room_of, stages, without_held
from .coefficients import Coefficients
from .linearised import jacobians, potentials
from .moments import AveragedMoments
from .right_hand_side import RightHandSide

#: Whether a state lies in the span of the reference directions is told up to this, in units of 1 + |q|.
HELD = 1e-9
#: Nodes for pairs of times where nobody has said which.
UNPAIRED = Rule("sobol", 2**13)


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
        #: States of a path for whose nodes there was no room.
        self.crowded = 0
        pairs = None
        if self.coefficients.shared_sample:
            pairs = noise_rule or (rule if isinstance(rule, Rule) else UNPAIRED)
        self.rule, self.pairs = rule, pairs
        self.given, self.nodes = given_of(self.coefficients, kernels), nodes_of(kernels, rule, pairs)
        self.room = room_of(self.given, kernels, self.layout.basis)

    def with_rule(self, rule: Fields) -> Drift:
        """The same equations with other nodes at single times (in the same arrays to work in: not for another thread)."""
        other = copy.copy(self)
        other.__dict__.pop("averages", None)
        other.rule, other.evaluations = rule, 0
        other.nodes = nodes_of(self.kernels, rule, None)
        if len(self.nodes.pair_w):
            other.nodes = other.nodes.replaced(pair_z=self.nodes.pair_z, pair_w=self.nodes.pair_w)
        return other

    def with_pairs(self, pairs: Rule) -> Drift:
        """The same equations with other nodes over pairs of times (in the same arrays to work in)."""
        other = copy.copy(self)
        other.__dict__.pop("averages", None)
        other.pairs, other.evaluations = pairs, 0
        z, w = pairs.points(2 * len(self.kernels.encoders))
        other.nodes = self.nodes.replaced(pair_z=np.array(z), pair_w=np.array(w))
        return other

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
        if not self.held and not len(self.given.held):
            return
        self.given = self.given.replaced(
            held=np.array([s for s, _ in self.held], dtype=np.int64),
            lift=np.array([lift for _, lift in self.held]).reshape(-1, *self.given.lift.shape[1:]),
        )

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        theta, q, b, kappa = super().unpack(y)
        for s, lift in self.held:
            q[s] = theta[s] @ lift @ theta[s].T
        return theta, q, b, kappa

    @cached_property
    def functions(self) -> np.ndarray:
        """Addresses of the compiled functions."""
        return self.kernels.addresses(self.pairs is not None)

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
        self,
        taus: np.ndarray,
        states: np.ndarray,
        scales: np.ndarray,
        step: float,
        basis: np.ndarray,
        noise: bool = True,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """∂(basisᵀ dy/dτ) along the basis at several states, dy/dτ there, and dy/dτ without the noise of SGD (η = 0), if wanted."""
        (m, n), r = states.shape, basis.shape[1]
        J, base, quiet = np.empty((m, r, r)), np.empty((m, n)), np.empty((m if noise else 0, n))
        given = stages(self.given, m) if self.varies else self.given
        if self.varies:
            self.fill(given, taus, scales)
        if self.kernels.compiled:
            states = np.ascontiguousarray(states)
            jacobians(self.functions, states, step, basis, J, base, quiet, given, self.nodes, self.room)
        else:
            for i, y in enumerate(states):
                self._differences(i if self.varies else 0, y, step, basis, (J[i], base[i], quiet[i : i + 1]), given)
        self.evaluations += m * (r + 1 + noise)
        return J, base, quiet

    def slopes(self, taus: np.ndarray, states: np.ndarray) -> np.ndarray:
        """dy/dτ at several states (m, n)."""
        scales = np.array([self.coefficients.scale(float(tau)) for tau in taus])
        return self.jacobians(taus, states, scales, 0.0, np.zeros((states.shape[1], 0)), False)[1]

    def _differences(
        self, stage: int, y: np.ndarray, step: float, basis: np.ndarray, out: tuple[np.ndarray, ...], given: Given
    ) -> None:
        """`jacobians` at one state, of the NumPy back end."""
        J, base, quiet = out
        still = given.replaced(numbers=given.numbers.copy())
        still.numbers[:, ETA] = 0.0
        for out_quiet in quiet:
            rates_by_arrays(self.kernels.module, stage, y, out_quiet, still, self.nodes, self.room)
        rates_by_arrays(self.kernels.module, stage, y, base, given, self.nodes, self.room)
        h, moved = step * (1.0 + np.max(np.abs(y))), np.empty_like(y)
        for e in range(basis.shape[1]):
            rates_by_arrays(self.kernels.module, stage, y + h * basis[:, e], moved, given, self.nodes, self.room)
            J[:, e] = basis.T @ (moved - base) / h

    @property
    def varies(self) -> bool:
        """Whether a coefficient depends on τ."""
        given = self.coefficients
        return given.rate_schedule is not None or given.moving is not None or given.optimiser.varies

    def fill(self, given: Given, taus: np.ndarray, scales: np.ndarray | None = None) -> None:
        """The coefficients at τ of every stage (with ``scales`` in the place of s(τ))."""
        for s, tau in enumerate(taus):
            scale = self.coefficients.scale(tau) if scales is None else scales[s]
            fill(given, self.coefficients, s, float(tau), float(scale))

    def _now(self, tau: float, scale: float) -> Given:
        """The coefficients at τ."""
        if self.varies:
            fill(self.given, self.coefficients, 0, tau, scale)
        elif scale != 1.0:
            given = stages(self.given, 1)
            fill(given, self.coefficients, 0, tau, scale)
            return given
        return self.given

    @property
    def rule_name(self) -> str:
        """How the expectations at single times are taken."""
        if isinstance(self.rule, Rule):
            return self.rule.name
        kind = (
            "split" if not isinstance(self.rule, Lattice) else "stretched" if self.nodes.mode[STRETCHED] else "lattice"
        )
        return f"{kind} {self.nodes.mode[USED]}"

    @property
    def overflowed(self) -> bool:
        """Whether a lattice had no room."""
        return bool(self.nodes.mode[OVERFLOW])

    def as_fine_as_planned(self) -> None:
        """Take a lattice's spacing at least as fine as was said beforehand, whatever the last step found enough."""
        self.nodes.law[REFINED] = max(1.0, self.nodes.law[REFINED])

    def nodes_error(self, tau: float, y: np.ndarray) -> np.ndarray:
        """What the derivative changes by with the shifted nodes of a lattice, or more nodes of a split rule (0 for fixed ones)."""
        if self.nodes.mode[KIND] == FIXED:
            return np.zeros_like(y)
        first = self(tau, y)
        self.nodes.mode[SHIFTED] = 1
        try:
            return self(tau, y) - first
        finally:
            self.nodes.mode[SHIFTED] = 0

    def slope(self, y: np.ndarray, scale: float, tau: float = 0.0) -> np.ndarray:
        self.evaluations += 1
        out = np.empty(len(y))
        of = 0, np.ascontiguousarray(y), out, self._now(tau, scale), self.nodes, self.room
        if self.kernels.compiled:
            rates(self.functions, *of)
        else:
            rates_by_arrays(self.kernels.module, *of)
        return out

    def moments(self, theta: np.ndarray, q: np.ndarray, b: Any, kappa: np.ndarray, tau: float = 0.0) -> np.ndarray:
        layout, (S, p, K) = self.layout, theta.shape
        stacked, gram = np.zeros((S, layout.p, K)), np.zeros((S, layout.p, layout.p))
        stacked[:, :p], gram[:, :p, :p] = theta, q
        y = np.zeros(layout.size)
        y[: layout.at_b + layout.scalars] = layout.pack(stacked, gram, b, kappa)
        # q was unpacked as it is held.
        self._average(0, y, without_held(self._now(tau, self.coefficients.scale(tau))))
        return self.room.averaged.copy()

    def _average(self, stage: int, y: np.ndarray, given: Given) -> None:
        if self.kernels.compiled:
            averaged(self.functions, stage, y, given, self.nodes, self.room)
        else:
            averaged_by_arrays(self.kernels.module, stage, y, given, self.nodes, self.room)

    def losses(self, taus: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(bulk per dimension, potential)`` at several states: the denoising loss is d × the first + the second."""
        given = self.given
        if self.varies:
            given = stages(given, len(states))
            self.fill(given, taus)
        told, layout = given.told, self.layout
        b = states[:, layout.at_b : layout.at_b + given.psi.shape[1]]
        skip = given.fixed + np.einsum("sk,skt->st", b, np.broadcast_to(given.psi, (len(states), *given.psi.shape[1:])))
        bulk, _ = self.kernels.module.bulk(*(told[:, k] for k in range(4)), self.coefficients.Lambda, skip)
        potential = np.empty(len(states))
        states = np.ascontiguousarray(states)
        if self.kernels.compiled:
            potentials(self.functions, states, potential, given, self.nodes, self.room)
        else:
            for i, y in enumerate(states):
                self._average(i if self.varies else 0, y, given)
                potential[i] = given.pi @ self.room.averaged[:, -1]
        return np.sum(given.first * bulk, axis=1), potential

    def loss(self, y: np.ndarray, tau: float = 0.0) -> tuple[float, float]:
        """The same at one state."""
        bulk, potential = self.losses(np.array([tau]), y[None])
        return float(bulk[0]), float(potential[0])
