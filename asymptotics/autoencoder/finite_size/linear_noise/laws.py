"""The Gaussian laws of the local fields at a state of the order parameters, and how they move with it."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Self

import numpy as np

from ....common.input.checks import InputError
from ....common.numerics.quadrature.expectations import Rule
from ...equations.derivative.coefficients import Coefficients
from ...equations.derivative.layout import Layout
from ...kernels.shared.fields import FieldLaw
from ...kernels.written.increments import compile_fluctuations
from ...model.problem import Problem
from .assembly import OfMoments
from .moments import MovingLaw, hermite, transposed
from .node_sums import Tables


class FieldLaws:
    """What a problem needs to tabulate its functions of the fields, and the laws of these fields at any state.

    Parameters
    ----------
    problem : Problem
    rule : Rule
        Nodes over the encoder fields at one time.
    noise_rule : Rule
        Nodes over both channels, where several times share a sample.
    """

    def __init__(self, problem: Problem, rule: Rule, noise_rule: Rule | None = None) -> None:
        denoiser = problem.denoiser
        try:
            self.kernels = compile_fluctuations(denoiser.specification(), denoiser.derived)
        except ValueError as error:
            raise InputError(str(error)) from None
        module = self.kernels.module
        given = self.coefficients = Coefficients.of(problem)
        stack, self.basis = given.optimiser, max(1, len(given.start.psi))
        self.layout = Layout(
            problem.target.atoms, stack.size, problem.target.directions, module.PARAMETERS, self.basis,
            len(stack.averages),
        )  # fmt: skip
        self.linear = OfMoments.of(module)
        _check_times(problem)
        self.encoders = np.array(module.ENCODERS, dtype=int)
        self.decoders, self.free = np.array(module.DECODERS, dtype=int), np.array(module.FREE, dtype=int)
        self.p, self.pairs = module.VECTORS, np.triu_indices(module.VECTORS)
        self._tables(module)
        self._take(rule, noise_rule or rule)

    def _take(self, rule: Rule, noise_rule: Rule) -> None:
        n = len(self.encoders)
        self.rule, self.noise_rule = rule, noise_rule
        # (Copies that compiled code may write in are of another type than the shared ones.)
        self.z, self.w = map(np.array, rule.points(n))
        self.hermite = hermite(self.z, self.w)
        if self.coefficients.shared_sample:
            self.zz, self.ww = map(np.array, noise_rule.points(2 * n))
            self.pair_hermite = hermite(self.zz, self.ww)

    def with_rules(self, rule: Rule, noise_rule: Rule) -> Self:
        """The same with other nodes."""
        other = copy.copy(self)
        other._take(rule, noise_rule)
        return other

    def _tables(self, module: ModuleType) -> None:
        """Columns of the tabulated functions, and the directions in which a law moves: M, Q, Q^c, b, κ."""
        k, p, n_pairs = self.kernels, self.p, len(self.pairs[0])
        e = [f"e_{j}" for j in range(len(self.decoders))]
        v = list(module.EXPLICIT)
        self.functions = list(module.FUNCTIONS)
        self.g = [f"g{ch}_{a + 1}" for ch in (0, 1) for a in range(p)]
        pairs = [f"{a + 1}_{c + 1}" for a, c in zip(*self.pairs, strict=True)]
        self.P, self.K = [f"P_{x}" for x in pairs], [f"K_{i + 1}" for i in range(module.PARAMETERS)]
        self.value, self.slope = k.columns(k.single, self.functions), k.columns(k.single, self.functions, e)
        self.explicit = k.columns(k.single, self.functions, v)
        self.row = {name: i for i, name in enumerate(self.functions)}
        self.rows = {
            x: [self.row[name] for name in names] for x, names in (("g", self.g), ("P", self.P), ("K", self.K))
        }
        at_g, at_P, at_K = (np.array(self.rows[x], dtype=np.int64) for x in "gPK")
        self.of_single = Tables.of(
            self.value[at_g], self.slope[at_g], self.explicit[at_g], k.columns(k.single, self.g, v, e), self.value[at_P],
            self.value[at_K], self.slope[at_K],
        )  # fmt: skip
        self.of_shared = self._shared_tables(v)
        self.symmetric = np.zeros((n_pairs, p, p))
        for i, (a, c) in enumerate(zip(*self.pairs, strict=True)):
            self.symmetric[i, a, c] = self.symmetric[i, c, a] = 1.0
        self.at_Q, self.at_Qc = slice(p, p + n_pairs), slice(p + n_pairs, p + 2 * n_pairs)
        self.at_b = p + 2 * n_pairs
        self.shifts = list(module.SHIFTS) if module.KINK else [None] * module.PARAMETERS
        if self.coefficients.shared_sample and any(i is not None for i in self.shifts):
            raise InputError(
                "denoiser.activation: fluctuations with a kink, trainable biases and several times on one sample are not"
                " available; use a smooth activation, one time, or average = 'random'"
            )
        self.moment_index = {name: i for i, name in enumerate(module.MOMENTS)}

    def _shared_tables(self, explicit: list[str]) -> Tables:
        """Columns of a sample that serves all times, with one table more for every ψ_k that is not 1 (see `of_shared_samples`)."""
        k, table, given = self.kernels, self.kernels.shared, self.coefficients
        free = [f"l{ch}_{u}" for ch in (0, 1) for u in self.free]
        gv, hv = k.columns(table, self.g, explicit), k.columns(table, self.g, explicit, free)
        trained = len(given.start.psi)
        self.weighted_tables = (
            trained if trained > 1 or given.moving is not None or np.any(given.start.psi != 1.0) else 0
        )
        if self.weighted_tables:
            at, width = len(self.pairs[0]), len(table) + 1
            behind = width * np.arange(1, 1 + trained)
            of_b = gv[:, at, None] + behind, hv[:, at, None] + behind[:, None]
            gv, hv = (
                np.concatenate([x[:, :at], b, x[:, at + 1 :]], axis=1) for x, b in zip((gv, hv), of_b, strict=True)
            )
        return Tables.of(
            k.columns(table, self.g), k.columns(table, self.g, free), gv, hv, k.columns(table, self.P),
            k.columns(table, self.K), k.columns(table, self.K, free),
        )  # fmt: skip

    def directions(self, skips: int) -> int:
        """Directions in which a law moves: M, Q, Q^c, ``skips`` values of the skip connection, κ."""
        return self.at_b + skips + self.layout.parameters

    def motion(self, skips: int) -> np.ndarray:
        """How Q, the skip connection and κ, on which functions depend explicitly, move along these directions."""
        n_pairs, rest = len(self.pairs[0]), skips + self.layout.parameters
        out = np.zeros((self.directions(skips), n_pairs + rest))
        out[self.at_Q, :n_pairs] = np.eye(n_pairs)
        out[self.at_b :, n_pairs:] = np.eye(rest)
        return out

    def by_basis(self, change: np.ndarray, psi: np.ndarray) -> np.ndarray:
        """Derivatives along the directions with one s, as those with the b_k of s = s₀ + Σ b_k ψ_k: last axis."""
        of_skip = change[..., self.at_b, None] * psi[..., None, :]
        return np.concatenate([change[..., : self.at_b], of_skip, change[..., self.at_b + 1 :]], axis=-1)

    # laws of the fields ----------------------------------------------------------------------------------------

    def moving(
        self,
        law: FieldLaw,
        known: np.ndarray,
        linear: np.ndarray,
        by_b: np.ndarray | None,
        overlaps: tuple[np.ndarray, np.ndarray, np.ndarray],
        skips: int = 1,
    ) -> MovingLaw:
        """How laws of fields move, from what their fields are of λ₀ and λ₁.

        Parameters
        ----------
        law : FieldLaw
            Under every condition (…).
        known, linear : (2, …, n, p), (2, …, J, p)
            Coefficients of λ₀ and λ₁ in ω and e.
        by_b : (2, …, J, p), optional
            Derivative of ``linear`` by the skip connection.
        overlaps : (…, p, p), (…, p), (…, p, p)
            Q, M(c), Q^c.
        skips : int
            Values of the skip connection among the directions.
        """
        Q, M, Qc = overlaps
        D, S, (n, J) = self.directions(skips), self.symmetric, (known.shape[-2], linear.shape[-2])
        lead = law.mean.shape[:-1]
        dm, dO, dmu = np.zeros((*lead, D, n)), np.zeros((*lead, D, n, n)), np.zeros((*lead, D, J))
        dX, dE = np.zeros((*lead, D, J, n)), np.zeros((*lead, D, J, J))
        dm[..., : self.p, :], dmu[..., : self.p, :] = transposed(known[1]), transposed(linear[1])
        for at, of_known, of_linear in zip((self.at_Q, self.at_Qc), known, linear, strict=True):
            right = S @ transposed(of_known)[..., None, :, :]
            dO[..., at, :, :], dX[..., at, :, :] = of_known[..., None, :, :] @ right, of_linear[..., None, :, :] @ right
            dE[..., at, :, :] = of_linear[..., None, :, :] @ S @ transposed(of_linear)[..., None, :, :]
        if by_b is not None:
            dmu[..., self.at_b, :] = (by_b[1] @ M[..., None])[..., 0]
            dX[..., self.at_b, :, :] = by_b[0] @ Q @ transposed(known[0]) + by_b[1] @ Qc @ transposed(known[1])
            half = by_b[0] @ Q @ transposed(linear[0]) + by_b[1] @ Qc @ transposed(linear[1])
            dE[..., self.at_b, :, :] = half + transposed(half)
        for k, i in enumerate(self.shifts):
            if i is not None:
                dm[..., self.at_b + skips + k, i] = 1.0
        return MovingLaw(**vars(law), dmean=dm, domega=dO, demean=dmu, dcross=dX, de=dE)


def _check_times(problem: Problem) -> None:
    """A time that is drawn with several weights of the loss is no one time of a weight."""
    training = problem.training
    if training.average != "random" or training.weights is None or isinstance(training.weights, str):
        return
    if isinstance(training.times, np.ndarray) and len(training.times) > len(np.unique(training.times)):
        weights = [None] if training.moving_weights else training.weights.tolist()
        pairs = {*zip(training.times.tolist(), weights * (len(training.times) // len(weights)), strict=True)}
        if training.moving_weights or len(pairs) > len(np.unique(training.times)):
            raise InputError("training.times: fluctuations need one weight for each time that is drawn")
