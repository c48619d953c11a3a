"""The right-hand side of the order-parameter equations: Gaussian fields → moments → dΘ(s), dq(s), db, dκ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...common.input.checks import present
from ...common.numerics.expectations import Rule
from ..kernels.compile import Kernels
from ..kernels.fields import conditions, overlap_sums
from ..model.problem import Problem


def square_root(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric square roots of a stack of covariances and their pseudo-inverses.

    The symmetric root depends smoothly on the covariance, also where eigenvalues cross; directions without variance
    (below 1e-13 of the largest eigenvalue) are null in both.
    """
    if c.shape[-1] == 1:
        value = np.sqrt(np.maximum(c, 0.0))
        return value, np.divide(1.0, value, out=np.zeros_like(value), where=value > 0)
    values, vectors = np.linalg.eigh(c)
    root = np.sqrt(np.maximum(values, 0.0))
    small = root <= 3e-7 * np.maximum(root[..., -1:], 1e-300)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=~small)
    root = np.where(small, 0.0, root)
    transposed = np.swapaxes(vectors, -1, -2)
    return (vectors * root[..., None, :]) @ transposed, (vectors * inverse[..., None, :]) @ transposed


@lru_cache(maxsize=32)
def _upper(p: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(p)


@dataclass(frozen=True)
class Layout:
    """How order parameters are packed in one state vector: Θ(s), upper triangles of q(s), b, κ."""

    atoms: int
    p: int
    K: int
    parameters: int

    @property
    def upper(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the upper triangle of a p × p matrix."""
        return _upper(self.p)

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of entries of Θ and of q."""
        return self.atoms * self.p * self.K, self.atoms * self.p * (self.p + 1) // 2

    @property
    def size(self) -> int:
        """Length of the state vector."""
        return sum(self.sizes) + 1 + self.parameters

    def pack(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """State vector of Θ (atoms, p, K), q (atoms, p, p), b, κ."""
        i, j = self.upper
        return np.concatenate([theta.ravel(), q[:, i, j].ravel(), [b], kappa])

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        """Inverse of `pack`; leading axes of ``y`` (e.g. times) are kept."""
        n, m = self.sizes
        lead = y.shape[:-1]
        theta = y[..., :n].reshape(*lead, self.atoms, self.p, self.K)
        q = np.empty((*lead, self.atoms, self.p, self.p))
        i, j = self.upper
        q[..., i, j] = y[..., n : n + m].reshape(*lead, self.atoms, -1)
        q[..., j, i] = q[..., i, j]
        return np.ascontiguousarray(theta), q, y[..., n + m], np.ascontiguousarray(y[..., n + m + 1 :])


class Drift:
    """dy/dτ of the packed order parameters, with fixed nodes for the Gaussian expectations.

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
    evaluations : int
        Calls so far.
    """

    def __init__(self, problem: Problem, kernels: Kernels, rule: Rule, noise_rule: Rule | None = None) -> None:
        target, training = problem.target, problem.training
        self.kernels = kernels
        self.layout = Layout(target.atoms, kernels.p, target.directions, kernels.parameters)
        self.times, self.time_weights = training.nodes()
        schedule = problem.interpolant
        self.schedule = tuple(np.atleast_1d(f(self.times)) for f in (schedule.alpha, schedule.beta))
        self.derivatives = tuple(np.atleast_1d(f(self.times)) for f in (schedule.alpha_dot, schedule.beta_dot))
        self.pi, self.c = target.weights, np.ascontiguousarray(target.centroids)
        self.varsigma, self.mass = target.cluster_eigenvalues, np.ascontiguousarray(target.masses)
        self.t = np.ascontiguousarray(np.einsum("skl,cl->csk", target.reference_overlaps, self.c))
        self.Lambda = target.mean_eigenvalue
        self.eta, self.decay = training.learning_rate, training.weight_decay
        self.rho, self.rho_b = problem.denoiser.rates(training.rates or {})
        self.rate_schedule = training.rate_schedule()
        self.encoders, self.decoders = np.array(kernels.encoders, dtype=int), np.array(kernels.decoders, dtype=int)
        self.shared_sample = training.shares_samples
        self.batch = training.batch
        n = len(self.encoders)
        self.nodes = rule.points(n)
        self.noise_nodes = (noise_rule or rule).points(2 * n) if self.shared_sample else None
        count, J = len(self.pi) * len(self.times), len(self.decoders)
        self._out = np.empty((count, len(kernels.names)))
        shapes = ((n,), (n, n), (n, n), (J,), (J, n), (J, n), (J, J))
        self._conditions = tuple(np.empty((count, *shape)) for shape in shapes)
        tiled = [np.tile(x, len(self.pi)) for x in (*self.schedule, *self.derivatives)]
        self._tiled = [np.ascontiguousarray(x) for x in tiled]
        self.evaluations = 0
        self._overlaps = target.reference_overlaps
        self._held: list[tuple[int, np.ndarray]] = []

    def hold(self, y: np.ndarray) -> None:
        """Keep q(s) = Θ(s) T(s)⁺ Θ(s)ᵀ in the atoms of mass 0 where the state ``y`` has it.

        There the weights lie in the span of the reference directions (a single eigenvector, say), and no noise drives them out
        of it: the equations conserve the relation. But it is an unstable manifold wherever the mode grows: without this,
        rounding errors would grow into weights along further directions of the atom, which it does not have.
        """
        theta, q, _, _ = self.layout.unpack(y)
        self._held = []
        for s in np.flatnonzero(self.mass == 0.0):
            lift = np.linalg.pinv(self._overlaps[s], rcond=1e-12, hermitian=True)
            if np.allclose(theta[s] @ lift @ theta[s].T, q[s], rtol=0.0, atol=1e-9 * (1.0 + np.max(np.abs(q[s])))):
                self._held.append((int(s), lift))

    def _unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        theta, q, b, kappa = self.layout.unpack(y)
        for s, lift in self._held:
            q[s] = theta[s] @ lift @ theta[s].T
        return theta, q, b, kappa

    def fields(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q (p, p), M(c) (clusters, p), Q^c (clusters, p, p) of the local fields."""
        p, C = self.kernels.p, len(self.pi)
        Q, M, Qc = np.empty((p, p)), np.empty((C, p)), np.empty((C, p, p))
        overlap_sums(theta, q, self.c, self.varsigma, Q, M, Qc)
        return Q, M, Qc

    def moments(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """E_t-averaged moments of every cluster, (clusters, names)."""
        Q, M, Qc = self.fields(theta, q)
        alpha, beta = self.schedule
        c0, c1 = self.kernels.module.channel_weights(alpha, beta, *self.derivatives, b)
        mean, root, inverse, emean, eroot, cross, R = self._conditions
        conditions(Q, M, Qc, alpha, beta, c0, c1, self.encoders, self.decoders, *self._conditions)
        C, T, out = len(self.pi), len(alpha), self._out
        self.kernels.module.moments(*self.nodes, mean, root, emean, eroot, R, Q, *self._tiled, b, kappa, out)
        if self.kernels.kink:
            self._regress(out, root, inverse, cross, np.tile(c0, C), np.tile(c1, C))
        averaged = out.copy() if T == 1 else self.time_weights @ out.reshape(C, T, -1)
        if self.shared_sample:
            self._shared_noise(averaged, Q, M, Qc, b, kappa)
        if self.batch > 1:
            first = self.kernels.column("N0_1_1")
            averaged[:, first : first + self.p_pairs * 2] /= self.batch
        return averaged

    @property
    def p_pairs(self) -> int:
        """Number of entries of an upper triangle."""
        return self.kernels.p * (self.kernels.p + 1) // 2

    def _regress(
        self, out: np.ndarray, root: np.ndarray, inverse: np.ndarray, cross: np.ndarray, c0: np.ndarray, c1: np.ndarray
    ) -> None:
        """Hessians from the regression form: E[∂_ω g] = (E[(ω − Eω) g] − E[∂_e g] Cov(e, ω)) Ω⁻¹, then the chain rule."""
        p, n, J = self.kernels.p, len(self.encoders), len(self.decoders)
        alpha, beta = self._tiled[:2]
        precision = inverse @ inverse
        column = self.kernels.column
        i, j = np.triu_indices(p)
        for channel, slope, weight in ((0, alpha, c0), (1, beta, c1)):
            start = column(f"W{channel}_1_{self.encoders[0] + 1}")
            W = out[:, start : start + p * n].reshape(-1, p, n)
            start = column(f"G{channel}_1_{self.decoders[0] + 1}")
            G = out[:, start : start + p * J].reshape(-1, p, J)
            H = np.zeros((len(out), p, p))
            H[:, :, self.encoders] += slope[:, None, None] * ((W - G @ cross) @ precision)
            H[:, :, self.decoders] += weight[:, None, None] * G
            # Where fields are in proportion the regression gives H on what they span: the rest follows by symmetry.
            known = np.zeros((len(out), p, p))
            known[:, range(p), range(p)] = 1.0
            known[:, self.encoders[:, None], self.encoders] = inverse @ root
            H = H @ known
            H = H + np.swapaxes(H, 1, 2)
            H -= known @ H @ known / 2
            start = column(f"H{channel}_1_1")
            out[:, start : start + len(i)] = H[:, i, j]

    def _shared_noise(
        self, averaged: np.ndarray, Q: np.ndarray, M: np.ndarray, Qc: np.ndarray, b: float, kappa: np.ndarray
    ) -> None:
        """N where one sample serves all times: g averaged over t first, then multiplied."""
        enc, dec = self.encoders, self.decoders
        C = len(self.pi)
        Q0 = np.broadcast_to(Q, Qc.shape)
        root0, inverse0 = square_root(Q0[:, enc[:, None], enc])
        root1, inverse1 = square_root(Qc[:, enc[:, None], enc])
        u0 = Q0[:, dec[:, None], enc] @ inverse0
        u1 = Qc[:, dec[:, None], enc] @ inverse1
        R0 = Q0[:, dec[:, None], dec] - u0 @ np.swapaxes(u0, -1, -2)
        R1 = Qc[:, dec[:, None], dec] - u1 @ np.swapaxes(u1, -1, -2)
        out = np.empty((C, 2 * self.p_pairs))
        arrays = [np.ascontiguousarray(x) for x in (M[:, enc], root0, root1, M[:, dec], u0, u1, R0, R1)]
        self.kernels.module.noise(
            *present(self.noise_nodes, "noise_nodes"),
            *arrays,
            Q,
            *self.schedule,
            *self.derivatives,
            self.time_weights,
            b,
            kappa,
            out,
        )
        first = self.kernels.column("N0_1_1")
        averaged[:, first : first + out.shape[1]] = out

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ."""
        self.evaluations += 1
        theta, q, b, kappa = self._unpack(y)
        moments = self.moments(theta, q, float(b), kappa)
        scale = 1.0 if self.rate_schedule is None else float(self.rate_schedule(tau))
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        self.kernels.module.assemble(
            moments, self.pi, self.c, self.t, self.varsigma, self.mass, theta, q,
            self.eta, self.decay, scale * self.rho, dtheta, dq,
        )  # fmt: skip
        _, slope = self.kernels.module.bulk(*self.schedule, *self.derivatives, self.Lambda, b)
        db = scale * self.rho_b * float(self.time_weights @ slope)
        K = self.layout.parameters
        first = len(self.kernels.names) - 1 - K
        dkappa = scale * (self.pi @ moments[:, first : first + K])
        return self.layout.pack(dtheta, dq, db, dkappa)

    def loss(self, y: np.ndarray) -> tuple[float, float]:
        """``(bulk per dimension, potential)``: the denoising loss is d × the first + the second."""
        theta, q, b, kappa = self._unpack(y)
        bulk, _ = self.kernels.module.bulk(*self.schedule, *self.derivatives, self.Lambda, float(b))
        moments = self.moments(theta, q, float(b), kappa)
        return float(self.time_weights @ bulk), float(self.pi @ moments[:, -1])
