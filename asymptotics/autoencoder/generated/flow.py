"""The flow of the local fields of a generated sample: z_t = ℓ_t + Q_{·u} I_t, exact in its linear part.

dI = (Δ I + Γ φ(z)) dt, dℓ = Δ ℓ dt + √(2ε) Q^{1/2} dW, ℓ_0 ~ N(0, Q), and v̇ = 2Δv + 2ε outside the span of the weights
(Q: encoder vectors; u: decoder vectors). These (`continuous`) and the steps of the Euler scheme (`stepped`) are compiled from
`derivations.autoencoder.sampling.sampler`.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Self

import numpy as np

from ...common.input.checks import InputError, fail
from ...common.numerics.algebra.gram import square_root
from ..equations.integration.integrate import kernels_of
from ..equations.training_path.path import OrderParameters
from ..kernels.written.sampler import compile_sampler
from ..model.cells import DROPPED, told
from ..model.problem import Problem
from .continuous import Continuous
from .parts import Flow, guided
from .stepped import Stepped


class LatentFlow:
    """Transport of the local fields by one trained network.

    Parameters
    ----------
    problem : Problem
        Its ``sampling`` says how samples are transported: "euler" follows the discrete sampler step for step, "continuous" is
        the limit of small steps.
    at : OrderParameters
        The trained network; where it has averages of its weights, ``sampling.network`` says which of them generates.
    label : int, optional
        The label that it is told; default that of ``sampling.label``. Without one a labelled network generates each label with its
        weight.

    Attributes
    ----------
    Q, coupling : (encoders, encoders), (encoders, terms)
        Gram matrix of the encoder vectors, and theirs with the decoder vectors of the terms.
    variance, growth : float
        v_{t_f}, and exp ∫Δ.
    noisy : bool
        Whether ε > 0 anywhere.
    shares : (labels,)
        Weights of the labels where it generates each of them with its weight; else empty.
    """

    def __init__(self, problem: Problem, at: OrderParameters, label: int | None = None) -> None:
        if at.Q.ndim != 2:
            fail("at", at.tau, "the order parameters at one tau")
        at = at.network(problem.generating) if at.averages else at
        self.problem, self.at = problem, at
        self.kernels = kernels_of(problem)
        self.encoders = np.array(self.kernels.encoders, dtype=int)
        self.terms = np.array(self.kernels.module.TERMS, dtype=int)
        label = problem.sampling.label if label is None else label
        self.told = told(DROPPED if label is None else label, problem.denoiser.labels or 0)
        self.b, self.kappa = at.b, np.ascontiguousarray(at.parameters, dtype=np.float64)
        self.Q = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.encoders)])
        self.coupling = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.terms)])
        self.root, self.inverse_root = square_root(self.Q)
        self.sampling = problem.sampling
        self.epsilon = self.sampling.epsilon_function(problem.interpolant)
        self.derived = compile_sampler(self.sampling.drift)
        self.shares: np.ndarray = np.ones(0)
        labels = problem.target.cluster_labels
        if label is None and problem.denoiser.labelled and labels is not None:
            self.shares = np.bincount(labels, problem.target.weights)
        self._process: Stepped | Continuous = (Stepped if self.sampling.scheme == "euler" else Continuous)(self)
        self.variance, self.growth, self.noisy = self._process.variance, self._process.growth, self._process.noisy

    @cached_property
    def members(self) -> tuple[Self, ...]:
        """Of a mixture over labels (weights ``shares``): the same with each label; else none."""
        members = []
        for label in range(len(self.shares)):
            member = copy.copy(self)
            member.__dict__ = {k: v for k, v in self.__dict__.items() if k not in ("image", "error", "members")}
            member.shares, member.told = np.ones(0), told(label, len(self.told))
            member._process = self._process.of(member)
            members.append(member)
        return tuple(members)

    # transport -------------------------------------------------------------------------------------------------

    def told_at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the network is told at the times t: the schedule (5, times), the label, and the guidance (times,)."""
        guidance = self.sampling.guidance_at(self.problem.interpolant, t)
        return np.ascontiguousarray(self.problem.told(t)), self.told, np.ascontiguousarray(guidance)

    def phi(self, z: np.ndarray, t: float) -> np.ndarray:
        """Every φ_j, guided, at encoder fields z (points, encoders) and the time t."""
        now, label, guidance = self.told_at(np.array([t]))
        shape, function = (len(z), self.coupling.shape[1]), self.kernels.module.activations
        return guided(function, z, now[:, 0], label, self.kappa, float(guidance[0]), shape)

    def transport(self, z0: np.ndarray, *, rng: np.random.Generator | None = None) -> Flow:
        """Carry latent starting points z₀ (points, encoders) to t_f; ε > 0 needs a generator for the noise."""
        if self.noisy and rng is None:
            raise InputError("epsilon > 0: a random generator is needed to transport points")
        if self.members:
            return self._each(z0, rng)
        return self._process.transport(z0, rng)

    def _each(self, z0: np.ndarray, rng: np.random.Generator | None) -> Flow:
        """Every point with the label that its place in an even sequence gives it."""
        # Multiples of the golden ratio fill [0, 1) evenly, and have nothing to do with the points.
        place = (np.arange(len(z0)) * (np.sqrt(5) - 1) / 2) % 1
        which = np.minimum(np.searchsorted(np.cumsum(self.shares), place, side="right"), len(self.members) - 1)
        linear, network = np.empty_like(z0), np.empty((len(z0), self.coupling.shape[1]))
        for k, member in enumerate(self.members):
            own = which == k
            if np.any(own):
                flow = member.transport(np.ascontiguousarray(z0[own]), rng=rng)
                linear[own], network[own] = flow.linear, flow.network
        return Flow(linear, network)

    def carry(self, z0: np.ndarray) -> Flow:
        """As `transport` without noise, but one and the same smooth map in every call: its steps are those of the first."""
        return self._process.carry(z0)

    def fix_steps(self, steps: int) -> None:
        """Let `carry` take so many steps in continuous time: it then is smooth in the network too."""
        self._process.fix_steps(steps)

    # step by step ----------------------------------------------------------------------------------------------

    @property
    def stepped(self) -> bool:
        """Whether the discrete sampler is followed."""
        return isinstance(self._process, Stepped)

    @property
    def discrete(self) -> Stepped:
        """The discrete sampler, where it is followed."""
        if not isinstance(self._process, Stepped):
            raise InputError("sampling.scheme: must be euler to be followed step by step")
        return self._process
