"""The Gaussian laws of the local fields at a state of the order parameters, and how they move with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ...common.numerics.expectations import Rule
from ..equations.drift import Layout, square_root
from ..kernels.increments import compile_fluctuations
from ..model.problem import Problem
from .moments import Law, hermite


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
        denoiser, target, training = problem.denoiser, problem.target, problem.training
        try:
            self.kernels = compile_fluctuations(denoiser.specification(), denoiser.derived)
        except ValueError as error:
            raise InputError(str(error)) from None
        module = self.kernels.module
        self.layout = Layout(target.atoms, module.VECTORS, target.directions, module.PARAMETERS)
        self.times, self.time_weights = training.nodes()
        s = problem.interpolant
        self.schedule = np.stack([np.atleast_1d(f(self.times)) for f in (s.alpha, s.beta, s.alpha_dot, s.beta_dot)])
        self.pi, self.c = target.weights, np.ascontiguousarray(target.centroids)
        self.varsigma, self.mass, self.T = target.cluster_eigenvalues, target.masses, target.reference_overlaps
        self.t = np.ascontiguousarray(np.einsum("skl,cl->csk", self.T, self.c))
        self.Lambda = target.mean_eigenvalue
        self.eta, self.decay, self.batch = training.learning_rate, training.weight_decay, training.batch
        self.rho, self.rho_b = denoiser.rates(training.rates or {})
        self.rate_schedule = training.rate_schedule()
        self.shared = training.shares_samples
        self.encoders = np.array(module.ENCODERS, dtype=int)
        self.decoders, self.free = np.array(module.DECODERS, dtype=int), np.array(module.FREE, dtype=int)
        self.rule, self.noise_rule = rule, noise_rule or rule
        n = len(self.encoders)
        self.z, self.w = rule.points(n)
        self.hermite = hermite(self.z, self.w)
        self.zz, self.ww = self.noise_rule.points(2 * n) if self.shared else (self.z, self.w)
        self.p, self.pairs = self.layout.p, self.layout.upper
        self._tables(module)

    def _tables(self, module: Any) -> None:
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
        self.g_explicit_slope = k.columns(k.single, self.g, v, e)
        self.row = {name: i for i, name in enumerate(self.functions)}
        free = [f"l{ch}_{u}" for ch in (0, 1) for u in self.free]
        self.shared_columns = {
            name: (k.columns(k.shared, names), k.columns(k.shared, names, free))
            for name, names in (("g", self.g), ("P", self.P), ("K", self.K))
        }
        self.shared_explicit = k.columns(k.shared, self.g, v), k.columns(k.shared, self.g, v, free)
        m = module.PARAMETERS
        self.directions = p + 2 * n_pairs + 1 + m
        self.symmetric = np.zeros((n_pairs, p, p))
        for i, (a, c) in enumerate(zip(*self.pairs, strict=True)):
            self.symmetric[i, a, c] = self.symmetric[i, c, a] = 1.0
        self.at_Q, self.at_Qc = slice(p, p + n_pairs), slice(p + n_pairs, p + 2 * n_pairs)
        self.at_b = p + 2 * n_pairs
        self.motion = np.zeros((self.directions, len(v)))
        self.motion[self.at_Q, :n_pairs] = np.eye(n_pairs)
        self.motion[self.at_b :, n_pairs:] = np.eye(1 + m)
        self.shifts = list(module.SHIFTS) if module.KINK else [None] * m
        if self.shared and any(i is not None for i in self.shifts):
            raise InputError(
                "denoiser.activation: fluctuations with a kink, trainable biases and several times on one sample are not"
                " available; use a smooth activation, one time, or average = 'random'"
            )
        self.moment_index = {name: i for i, name in enumerate(module.MOMENTS)}

    # laws of the fields ----------------------------------------------------------------------------------------

    def _law(
        self, alpha: float, beta: float, c0: float, c1: float, M: np.ndarray, Q: np.ndarray, Qc: np.ndarray
    ) -> Law:
        """(ω, e) at one time."""
        enc, dec, D, S = self.encoders, self.decoders, self.directions, self.symmetric
        ee, de, dd = (np.ix_(x, y) for x, y in ((enc, enc), (dec, enc), (dec, dec)))
        root, inverse = square_root(alpha**2 * Q[ee] + beta**2 * Qc[ee])
        cross = c0 * alpha * Q[de] + c1 * beta * Qc[de]
        eroot = cross @ inverse
        residual = c0**2 * Q[dd] + c1**2 * Qc[dd] - eroot @ eroot.T
        n, L = len(enc), len(dec)
        dm, dO, dmu = np.zeros((D, n)), np.zeros((D, n, n)), np.zeros((D, L))
        dX, dE = np.zeros((D, L, n)), np.zeros((D, L, L))
        dm[enc, np.arange(n)] = beta
        dmu[dec, np.arange(L)] = c1
        for at, a, x in ((self.at_Q, alpha, c0), (self.at_Qc, beta, c1)):
            dO[at] = a**2 * S[:, enc[:, None], enc]
            dX[at] = a * x * S[:, dec[:, None], enc]
            dE[at] = x**2 * S[:, dec[:, None], dec]
        if self.kernels.module.SKIP:
            dmu[self.at_b] = -beta * M[dec]
            dX[self.at_b] = -(alpha**2) * Q[de] - beta**2 * Qc[de]
            dE[self.at_b] = -2 * c0 * alpha * Q[dd] - 2 * c1 * beta * Qc[dd]
        for k, i in enumerate(self.shifts):
            if i is not None:
                dm[self.at_b + 1 + k, i] = 1.0
        return Law(beta * M[enc], root, inverse, c1 * M[dec], eroot, residual, dm, dO, dmu, dX, dE)

    def _shared_law(self, M: np.ndarray, Q: np.ndarray, Qc: np.ndarray) -> Law:
        """(λ₀, λ₁) of the encoders, and of the decoders that are none."""
        enc, free, D, S = self.encoders, self.free, self.directions, self.symmetric
        n, L = len(enc), len(free)
        roots = [square_root(x[np.ix_(enc, enc)]) for x in (Q, Qc)]

        def block(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            out = np.zeros((2 * x.shape[0], 2 * x.shape[1]))
            out[: x.shape[0], : x.shape[1]], out[x.shape[0] :, x.shape[1] :] = x, y
            return out

        root, inverse = block(roots[0][0], roots[1][0]), block(roots[0][1], roots[1][1])
        eroot = block(Q[np.ix_(free, enc)], Qc[np.ix_(free, enc)]) @ inverse
        residual = block(Q[np.ix_(free, free)], Qc[np.ix_(free, free)]) - eroot @ eroot.T
        dm, dO, dmu = np.zeros((D, 2 * n)), np.zeros((D, 2 * n, 2 * n)), np.zeros((D, 2 * L))
        dX, dE = np.zeros((D, 2 * L, 2 * n)), np.zeros((D, 2 * L, 2 * L))
        dm[enc, n + np.arange(n)] = 1.0
        dmu[free, L + np.arange(L)] = 1.0
        for at, i, j in ((self.at_Q, slice(0, n), slice(0, L)), (self.at_Qc, slice(n, None), slice(L, None))):
            dO[at, i, i] = S[:, enc[:, None], enc]
            dX[at, j, i] = S[:, free[:, None], enc]
            dE[at, j, j] = S[:, free[:, None], free]
        mean, emean = np.concatenate([np.zeros(n), M[enc]]), np.concatenate([np.zeros(L), M[free]])
        return Law(mean, root, inverse, emean, eroot, residual, dm, dO, dmu, dX, dE)
