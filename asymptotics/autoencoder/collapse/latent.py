"""A generated density as (part of) the next generation's target: a continuous latent measure and its drift.

A sample of a trained network is X = Σ_m c_m E_m + √v ξ: c = Q^{+1/2} Z_{t_f} are its coordinates in the span of the weights, with
the basis E = Q^{+1/2} W/√d, and ξ is standard Gaussian in the complement. The covariance v (1 − Σ_m E_m E_mᵀ) differs from an
isotropic one by a matrix of finite rank, so the equations stay closed on any atoms once E joins the reference directions:

    E[x₁ g_a] = Σ_m E_m (E[g_a c_m] − v Σ_b E[∂g_a/∂λ_b] Θ_{b,E_m}) + v Σ_b E[∂g_a/∂λ_b] w_b/√d.

Every m is thus one more cluster of the drift, with centroid E_m and the bracket in place of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import present
from ..equations.drift import Drift, Layout, square_root
from ..equations.path import OrderParameters
from ..generated.density import GeneratedDensity
from ..kernels.compile import Kernels
from ..model.problem import Problem

#: More random steps than this are drawn by a pseudo-random generator instead of Sobol' points.
QUASI_DIMENSIONS = 600


def quasi_normals(count: int, dimension: int, seed: int) -> np.ndarray:
    """Scrambled Sobol' points as standard normals, (count, dimension), with exactly zero mean and unit covariance.

    Exact second moments make every quadratic expectation exact (a linear network needs no others). The points are not
    mirrored: for the steep images of generative flows the whole net is worth more than a symmetric half.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    u = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed)).random(count)
    z = ndtri(np.clip(u, 1e-15, 1 - 1e-15))
    z -= z.mean(axis=0)
    return np.asarray(z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / count)).T)


class QuasiNormals:
    """Standard normals handed out column by column from one scrambled Sobol' net (the interface of a NumPy generator)."""

    def __init__(self, count: int, seed: int) -> None:
        from scipy.stats import qmc

        self._net = qmc.Sobol(QUASI_DIMENSIONS, scramble=True, rng=np.random.default_rng([seed, 1]))
        self._count, self._seed, self._used = count, seed, 0
        self._values: np.ndarray | None = None
        self._rest = np.random.default_rng([seed, 2])

    def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
        """The next columns; beyond `QUASI_DIMENSIONS` of them pseudo-random ones."""
        from scipy.special import ndtri

        rows, columns = shape
        if rows != self._count or self._used + columns > QUASI_DIMENSIONS:
            return self._rest.standard_normal(shape)
        if self._values is None:
            self._values = np.clip(self._net.random(self._count), 1e-15, 1 - 1e-15)
        out = ndtri(self._values[:, self._used : self._used + columns])
        self._used += columns
        return np.asarray(out)


@dataclass(frozen=True)
class GeneratedLaw:
    """What the next generation needs to know of a trained network.

    Attributes
    ----------
    density : GeneratedDensity
    Q : (p, p)
        Gram matrix of all stacked weight vectors.
    lift : (p, p)
        Q^{+1/2}: the basis is E = Q^{+1/2} W/√d.
    """

    density: GeneratedDensity
    Q: np.ndarray
    lift: np.ndarray

    @classmethod
    def of(cls, problem: Problem, at: OrderParameters) -> GeneratedLaw:
        """The density that a trained network generates."""
        _, lift = square_root(at.Q)
        return cls(GeneratedDensity(problem, at), np.asarray(at.Q), lift)

    @property
    def variance(self) -> float:
        """v_{t_f}."""
        return self.density.variance

    def latent(self, x: np.ndarray, seed: int) -> np.ndarray:
        """Coordinates c (points, p) in the span of the weights, of samples that start at x (points, p) ~ N(0, 1) there.

        For ε > 0 the noise of the sampler is drawn from ``seed``.
        """
        law, root = self.density, square_root(self.Q)[0]
        enc = np.array(law.kernels.encoders, dtype=int)
        terms = np.array(law.kernels.module.TERMS, dtype=int)
        start = x @ root
        if not law.noisy:
            flow = law.transport(np.ascontiguousarray(start[:, enc]))
            linear = law.growth * start
        else:
            rng = QuasiNormals(len(x), seed)
            flow = law.transport(np.ascontiguousarray(start[:, enc]), rng=rng)  # type: ignore[arg-type]
            # The linear part of the other vectors is Gaussian given that of the encoders.
            _, inverse = square_root(law.Q)
            regression = self.Q[:, enc] @ inverse @ inverse
            rest = square_root(self.variance * (self.Q - regression @ self.Q[enc]))[0]
            linear = flow.linear @ regression.T + rng.standard_normal(x.shape) @ rest
        return np.ascontiguousarray((linear + flow.network @ self.Q[:, terms].T) @ self.lift)


class LatentMoments(Drift):
    """E_t-averaged moments of one generated law, with nodes over (Gaussian fields, c) jointly.

    Parameters
    ----------
    problem : Problem
    kernels : Kernels
        Compiled with ``latent = p``.
    law : GeneratedLaw
    count : int
        Number of Sobol' points; a quarter of them serves N where several times share a sample (N comes with a factor η).
    seed : int
        Their scrambling.
    """

    def __init__(self, problem: Problem, kernels: Kernels, law: GeneratedLaw, count: int, seed: int) -> None:
        training, schedule = problem.training, problem.interpolant
        self.kernels, self.law, self.variance = kernels, law, law.variance
        self.times, self.time_weights = training.nodes()
        self.schedule = tuple(np.atleast_1d(f(self.times)) for f in (schedule.alpha, schedule.beta))
        self.derivatives = tuple(np.atleast_1d(f(self.times)) for f in (schedule.alpha_dot, schedule.beta_dot))
        self.encoders, self.decoders = np.array(kernels.encoders, dtype=int), np.array(kernels.decoders, dtype=int)
        self.shared_sample, self.batch = training.shares_samples, training.batch
        n = len(self.encoders)
        self.nodes = self._joint(count, n, 2 * seed)
        self.noise_nodes = self._joint(count // 4, 2 * n, 2 * seed + 1) if self.shared_sample else None
        self._tiled = [np.ascontiguousarray(x) for x in (*self.schedule, *self.derivatives)]
        self._out = np.empty((len(self.times), len(kernels.names)))

    def _joint(self, count: int, gaussian: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (Gaussian fields, c)."""
        p = self.kernels.p
        z = quasi_normals(count, p + gaussian, seed)
        c = self.law.latent(np.ascontiguousarray(z[:, :p]), seed)
        return np.ascontiguousarray(np.concatenate([z[:, p:], c], axis=1)), np.full(count, 1.0 / count)

    @property
    def latent(self) -> tuple[np.ndarray, np.ndarray]:
        """c (points, p) and weights of the nodes."""
        return self.nodes[0][:, len(self.encoders) :], self.nodes[1]

    def average(self, theta: np.ndarray, Q: np.ndarray, b: float, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Averaged moments (names,) and E[A_a c_m] (p, p), for overlaps Θ_{a,E_m} (p, p) with the basis."""
        enc, dec = self.encoders, self.decoders
        alpha, beta = self.schedule
        T, n, J, p = len(alpha), len(enc), len(dec), self.kernels.p
        Qc = self.variance * (Q - theta @ theta.T)
        c0, c1 = self.kernels_weights(b)
        a2, b2 = (alpha**2)[:, None, None], (beta**2)[:, None, None]
        root, inverse = square_root(a2 * Q[np.ix_(enc, enc)] + b2 * Qc[np.ix_(enc, enc)])
        cross = (c0 * alpha)[:, None, None] * Q[np.ix_(dec, enc)] + (c1 * beta)[:, None, None] * Qc[np.ix_(dec, enc)]
        eroot = cross @ inverse
        R = (c0**2)[:, None, None] * Q[np.ix_(dec, dec)] + (c1**2)[:, None, None] * Qc[np.ix_(dec, dec)]
        R = np.ascontiguousarray(R - eroot @ np.swapaxes(eroot, -1, -2))
        latent_root = np.concatenate([root, beta[:, None, None] * theta[enc]], axis=2)
        latent_eroot = np.concatenate([eroot, c1[:, None, None] * theta[dec]], axis=2)
        out = self._out
        self.kernels.module.moments(
            *self.nodes,
            np.zeros((T, n)),
            latent_root,
            np.zeros((T, J)),
            latent_eroot,
            R,
            Q,
            *self._tiled,
            b,
            kappa,
            out,
        )
        if self.kernels.kink:
            self._regress(out, root, inverse, cross, c0, c1)
        averaged = self.time_weights @ out
        if self.shared_sample:
            first = self.kernels.column("N0_1_1")
            averaged[first : first + 2 * self.p_pairs] = self._pairs(theta, Q, Qc, b, kappa)
        if self.batch > 1:
            first = self.kernels.column("N0_1_1")
            averaged[first : first + 2 * self.p_pairs] /= self.batch
        width = p * p
        return averaged[:-width], averaged[-width:].reshape(p, p)

    def kernels_weights(self, b: float) -> tuple[np.ndarray, np.ndarray]:
        """(y₀ − bα, y₁ − bβ) at every time."""
        return self.law.density.kernels.module.channel_weights(*self.schedule, *self.derivatives, b)  # type: ignore[no-any-return]

    def _pairs(self, theta: np.ndarray, Q: np.ndarray, Qc: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """N where one sample serves all times."""
        enc, dec = self.encoders, self.decoders
        columns = []
        for field in (Q, Qc):
            root, inverse = square_root(field[np.ix_(enc, enc)])
            u = field[np.ix_(dec, enc)] @ inverse
            columns.append((root, u, field[np.ix_(dec, dec)] - u @ u.T))
        (root0, u0, R0), (root1, u1, R1) = columns
        root1 = np.concatenate([root1, theta[enc]], axis=1)
        u1 = np.concatenate([u1, theta[dec]], axis=1)
        out = np.empty((1, 2 * self.p_pairs))
        arrays = [np.zeros((1, len(enc))), root0[None], root1[None], np.zeros((1, len(dec))), u0[None], u1[None]]
        arrays = [np.ascontiguousarray(x) for x in (*arrays, R0[None], R1[None])]
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
        return out[0]


class GenerationDrift:
    """dy/dτ of a generation that trains on a mixture of generated laws and the original target.

    Parameters
    ----------
    problem : Problem
        The original experiment.
    kernels : Kernels
        Of its denoiser.
    laws : sequence of (weight, LatentMoments)
    original : (weight, Drift) or None
        The original target's share, and its drift.
    gram : (atoms, F, F)
        Gram matrix of the reference directions, atom by atom: the K original ones, then the basis of every law.
    """

    def __init__(
        self,
        problem: Problem,
        kernels: Kernels,
        laws: Sequence[tuple[float, LatentMoments]],
        original: tuple[float, Drift] | None,
        gram: np.ndarray,
    ) -> None:
        target, training = problem.target, problem.training
        self.kernels, self.laws, self.original = kernels, laws, original
        S, F = gram.shape[:2]
        K, p = target.directions, kernels.p
        self.K, self.p = K, p
        self.layout = Layout(S, p, F, kernels.parameters)
        self.mass = np.ascontiguousarray(target.masses)
        pi, c, varsigma, decay_weight = [], [], [], 0.0
        if original is not None:
            share, drift = original
            pi.append(share * drift.pi)
            c.append(np.concatenate([drift.c, np.zeros((len(drift.c), F - K))], axis=1))
            varsigma.append(drift.varsigma)
            decay_weight += share
        for i, (share, law) in enumerate(laws):
            pi.append(np.full(1 + p, share))
            block = np.zeros((1 + p, F))
            block[1:, K + i * p : K + (i + 1) * p] = np.eye(p)
            c.append(block)
            varsigma.append(np.full((1 + p, S), law.variance))
            decay_weight += share * (1 + p)
        self.pi, self.c = np.concatenate(pi), np.ascontiguousarray(np.concatenate(c))
        self.varsigma = np.ascontiguousarray(np.concatenate(varsigma))
        self.t = np.ascontiguousarray(np.einsum("skl,cl->csk", gram, self.c))
        # The weight decay comes once with every cluster.
        self.decay = training.weight_decay / decay_weight
        self.eta = training.learning_rate
        self.rho, self.rho_b = problem.denoiser.rates(training.rates or {})
        self.rate_schedule = training.rate_schedule()
        self.Lambda = sum(share * law.variance for share, law in laws)
        self.Lambda += original[0] * target.mean_eigenvalue if original is not None else 0.0
        any_moments: Any = laws[0][1]
        self._bulk = (*any_moments.schedule, *any_moments.derivatives)
        self.time_weights = any_moments.time_weights
        rows, columns = np.triu_indices(p)
        self._H1 = np.zeros((p, p), dtype=int)
        self._H1[rows, columns] = self._H1[columns, rows] = kernels.column("H1_1_1") + np.arange(len(rows))
        self._A = kernels.column("A_1")
        self.evaluations = 0

    def moments(self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """Moments of every cluster of the drift, (clusters, names)."""
        Q, Theta, rows = q.sum(axis=0), theta.sum(axis=0), []
        if self.original is not None:
            rows.append(self.original[1].moments(np.ascontiguousarray(theta[:, :, : self.K]), q, b, kappa))
        for i, (_, law) in enumerate(self.laws):
            first = self.K + i * self.p
            basis = np.ascontiguousarray(Theta[:, first : first + self.p])
            averaged, along = law.average(basis, Q, b, kappa)
            block = np.zeros((1 + self.p, len(averaged)))
            block[0] = averaged
            bracket = along - law.variance * averaged[self._H1] @ basis
            block[1:, self._A : self._A + self.p] = bracket.T
            rows.append(block)
        return np.concatenate(rows)

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ."""
        self.evaluations += 1
        theta, q, b, kappa = self.layout.unpack(y)
        moments = np.ascontiguousarray(self.moments(theta, q, float(b), kappa))
        scale = 1.0 if self.rate_schedule is None else float(self.rate_schedule(tau))
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        self.kernels.module.assemble(
            moments, self.pi, self.c, self.t, self.varsigma, self.mass, theta, q,
            self.eta, self.decay, scale * self.rho, dtheta, dq,
        )  # fmt: skip
        _, slope = self.kernels.module.bulk(*self._bulk, self.Lambda, b)
        db = scale * self.rho_b * float(self.time_weights @ slope)
        K = self.layout.parameters
        first = len(self.kernels.names) - 1 - K
        dkappa = scale * (self.pi @ moments[:, first : first + K])
        return self.layout.pack(dtheta, dq, db, dkappa)
