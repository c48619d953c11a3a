"""A generated density as (part of) the next generation's target: a continuous latent measure and its drift.

A sample of a trained network is X = Σ_m c_m E_m + √v ξ: c = Q^{+1/2} Z_{t_f} are its coordinates in the span of the weights, with
the basis E = Q^{+1/2} W/√d, and ξ is standard Gaussian in the complement. The covariance v (1 − Σ_m E_m E_mᵀ) differs from an
isotropic one by a matrix of finite rank, so the equations stay closed on any atoms once E joins the reference directions:

    E[x₁ g_a] = Σ_m E_m (E[g_a c_m] − v Σ_b E[∂g_a/∂λ_b] Θ_{b,E_m}) + v Σ_b E[∂g_a/∂λ_b] w_b/√d.

Every m is thus one more cluster of the drift, with centroid E_m and the bracket in place of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...common.numerics.algebra.gram import square_root
from ..equations.derivative.coefficients import Coefficients, along
from ..equations.derivative.drift import Drift
from ..equations.derivative.moments import AveragedMoments
from ..equations.derivative.right_hand_side import RightHandSide
from ..equations.training_path.path import OrderParameters
from ..generated.density import GeneratedDensity
from ..kernels.compile import Kernels
from ..kernels.shared.fields import channels, fields_at
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
            others = np.setdiff1d(np.arange(len(self.Q)), enc)
            given, _ = channels(self.Q, np.zeros((1, len(self.Q))), self.Q[None], enc, others)
            linear, noise = np.empty_like(x), rng.standard_normal(x.shape)
            linear[:, enc] = flow.linear
            rest = square_root(self.variance * given.residual[0])[0]
            linear[:, others] = flow.linear @ given.regression[0].T + noise[:, others] @ rest
        return np.ascontiguousarray((linear + flow.network @ self.Q[:, terms].T) @ self.lift)


class LatentMoments:
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
        self.kernels, self.law, self.variance = kernels, law, law.variance
        given, n = Coefficients.of(problem), len(kernels.encoders)
        nodes = self._joint(count, n, 2 * seed)
        noise_nodes = self._joint(count // 4, 2 * n, 2 * seed + 1) if given.shared_sample else None
        self.averages = AveragedMoments(given, kernels, nodes, noise_nodes)

    def _joint(self, count: int, gaussian: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (Gaussian fields, c)."""
        p = self.kernels.p
        z = quasi_normals(count, p + gaussian, seed)
        c = self.law.latent(np.ascontiguousarray(z[:, :p]), seed)
        return np.ascontiguousarray(np.concatenate([z[:, p:], c], axis=1)), np.full(count, 1.0 / count)

    @property
    def latent(self) -> tuple[np.ndarray, np.ndarray]:
        """c (points, p) and weights of the nodes."""
        nodes, weights = self.averages.nodes
        return nodes[:, len(self.kernels.encoders) :], weights

    def average(
        self, theta: np.ndarray, Q: np.ndarray, b: float | np.ndarray, kappa: np.ndarray, tau: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Averaged moments (names,) and E[A_a c_m] (p, p), for overlaps Θ_{a,E_m} (p, p) with the basis, at τ."""
        of, p = self.averages, self.kernels.p
        given, enc, dec = of.coefficients, of.encoders, of.decoders
        # Around its centre Σ_m c_m E_m a sample is Gaussian; the centre moves the means of λ₁ with the node.
        around = Q, np.zeros((1, p)), self.variance * (Q - theta @ theta.T)[None]
        now = given.at(tau)
        mixing = of.mixing(b, now)
        law = fields_at(*around, mixing, enc, dec)
        law = law.moved_by(mixing[1][:, None, None] * theta[enc], mixing[3][:, None, None] * theta[dec])
        pairs = None
        if given.shared_sample:
            zero, one = channels(*around, enc, dec)
            pairs = zero, one.moved_by(theta[enc][None], theta[dec][None])
        averaged = of.average(law, pairs, Q, b, kappa, now)[0]
        return averaged[: -p * p], averaged[-p * p :].reshape(p, p)


class GenerationDrift(RightHandSide):
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
        self.laws, self.original, self.K = laws, original, problem.target.directions
        (S, F), p = gram.shape[:2], kernels.p
        given = Coefficients.of(problem)
        pi, c, varsigma, Lambda = [], [], [], 0.0
        if original is not None:
            share = original[0]
            pi.append(share * given.pi)
            c.append(np.concatenate([given.c, np.zeros((len(given.c), F - self.K))], axis=1))
            varsigma.append(given.varsigma)
            Lambda += share * given.Lambda
        for i, (share, law) in enumerate(laws):
            pi.append(np.full(1 + p, share))
            block = np.zeros((1 + p, F))
            block[1:, self.K + i * p : self.K + (i + 1) * p] = np.eye(p)
            c.append(block)
            varsigma.append(np.full((1 + p, S), law.variance))
            Lambda += share * law.variance
        centres = np.ascontiguousarray(np.concatenate(c))
        mixed = replace(
            given, pi=np.concatenate(pi), c=centres, varsigma=np.ascontiguousarray(np.concatenate(varsigma)), T=gram,
            t=along(gram, centres), Lambda=Lambda,
        )  # fmt: skip
        super().__init__(mixed, kernels)
        # Kernels of a latent measure may have more columns (with a kink), in another order.
        self._columns = [laws[0][1].kernels.column(name) for name in kernels.names]
        rows, columns = np.triu_indices(p)
        self._H1 = np.zeros((p, p), dtype=int)
        self._H1[rows, columns] = self._H1[columns, rows] = kernels.column("H1_1_1") + np.arange(len(rows))
        self._A = kernels.column("A_1")

    def moments(
        self, theta: np.ndarray, q: np.ndarray, b: float | np.ndarray, kappa: np.ndarray, tau: float = 0.0
    ) -> np.ndarray:
        Q, Theta, rows, p = q.sum(axis=0), theta.sum(axis=0), [], self.kernels.p
        if self.original is not None:
            rows.append(self.original[1].moments(np.ascontiguousarray(theta[:, :, : self.K]), q, b, kappa, tau))
        for i, (_, law) in enumerate(self.laws):
            first = self.K + i * p
            basis = np.ascontiguousarray(Theta[:, first : first + p])
            averaged, with_c = law.average(basis, Q, b, kappa, tau)
            block = np.zeros((1 + p, len(self._columns)))
            block[0] = averaged[self._columns]
            bracket = with_c - law.variance * block[0][self._H1] @ basis
            block[1:, self._A : self._A + p] = bracket.T
            rows.append(block)
        return np.ascontiguousarray(np.concatenate(rows))
