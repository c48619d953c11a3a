"""The score that a trained network has learned, against the exact one of the target, in a reference subspace."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, choice, fail
from ...common.numerics.algebra.gram import square_root
from ...common.numerics.quadrature.expectations import Rule
from ...common.output.results import Result
from ..equations.integration.integrate import kernels_of
from ..equations.training_path.path import OrderParameters
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from .errors import checked_times, one_tau, orthonormal


@dataclass(frozen=True)
class ScoreError(Result):
    """Mean squared error of the network's score in a reference subspace.

    Attributes
    ----------
    t, error, norm : (times,)
        Noise levels; E‖Π ŝ_t − s_t‖²; E‖s_t‖² under the same law.
    law : str
        Which points were averaged over.
    """

    t: np.ndarray
    error: np.ndarray
    norm: np.ndarray
    law: str

    COLUMNS = ("t", "error", "norm", "relative")

    @property
    def relative(self) -> np.ndarray:
        """error/norm."""
        return self.error / self.norm


def projected_score(problem: Problem, t: float, x: np.ndarray, directions: ArrayLike | None = None) -> np.ndarray:
    r"""Exact score s_t(x) = ∇_x log ρ_t(x) of the target restricted to a subspace, at noise level t.

    ρ_t is the law of Π(αx₀ + βx₁) in an orthonormal basis of the subspace: a Gaussian mixture with means β Πμ(c) and
    covariances α² + β² Π Σ(c) Πᵀ.

    Parameters
    ----------
    problem : Problem
    t : float
    x : ndarray (n, m)
        Points in the orthonormal basis that `orthonormal` gives.
    directions : array_like (m', K), optional
        What spans the subspace; default all reference directions.
    """
    alpha, beta = float(problem.interpolant.alpha(t)), float(problem.interpolant.beta(t))
    B = orthonormal(problem, directions)
    target = problem.target
    means = beta * target.projected_centroids() @ B.T
    covariances = alpha**2 * np.eye(len(B)) + beta**2 * B @ target.projected_covariance() @ B.T
    log_terms, pulls = [], []
    for weight, mean, covariance in zip(target.weights, means, covariances, strict=True):
        pull = np.linalg.solve(covariance, (x - mean).T).T
        with np.errstate(divide="ignore"):
            log_weight = np.log(weight)
        log_terms.append(log_weight - 0.5 * np.sum((x - mean) * pull, axis=1) - 0.5 * np.linalg.slogdet(covariance)[1])
        pulls.append(pull)
    logs = np.array(log_terms)
    share = np.exp(logs - logs.max(axis=0))
    return -np.einsum("cn,cnm->nm", share / share.sum(axis=0), np.array(pulls))


def score_error(
    problem: Problem,
    at: OrderParameters,
    times: ArrayLike,
    *,
    law: str = "flow",
    directions: ArrayLike | None = None,
    seed: int = 0,
) -> ScoreError:
    r"""How well the network reconstructs the score in a reference subspace, at the noise levels t.

    The network's score is ŝ_t(x) = −x̂₀(x)/α with x̂₀ = (y₁x − βf(x))/(αy₁ − βy₀); its projection Π ŝ_t, which depends on the
    projections and the local fields, is compared with the exact score s_t(Πx) of the target restricted to that subspace
    (`projected_score`). Where the target's covariance is the same for all clusters and the subspace is a union of
    eigendirections, this is the projection of the full exact score.

    Parameters
    ----------
    problem : Problem
    at : OrderParameters
        One τ.
    times : float or array_like (times,)
        In [0, 1), with α > 0.
    law : {"flow", "target"}
        Average over the generative process at time t (its scheme run from 0 and stopped at t), or over noised samples of the
        target.
    directions : array_like (m, K), optional
        What spans the subspace; default all reference directions.
    seed : int
        For ε > 0, where the flow is sampled (2¹⁶ paths).
    """
    choice("law", law, ("flow", "target"))
    if problem.denoiser.labelled:
        raise InputError(
            "score_error: does not cover a network that is told labels, which has a score for each of them"
        )
    one_tau(at)
    t = checked_times(times)
    if np.any(problem.interpolant.alpha(t) <= 0):
        fail("times", times, "such that alpha > 0 (the score does not exist without noise)")
    B = orthonormal(problem, directions)
    kernels = kernels_of(problem)
    enc, terms = np.array(kernels.encoders, dtype=int), np.array(kernels.module.TERMS, dtype=int)
    theta_terms = at.Theta[terms] @ B.T
    error, norm = np.empty(len(t)), np.empty(len(t))
    for k, time in enumerate(t):
        alpha, beta = float(problem.interpolant.alpha(time)), float(problem.interpolant.beta(time))
        y0, y1 = (float(y) for y in problem.predicted(np.array(time)))
        D = alpha * y1 - beta * y0
        if D == 0:
            raise InputError(f"times = {time:g}: the prediction determines no score there")
        x, z, w = _target_points(problem, at, B, enc, alpha, beta) if law == "target" else _flow_points(
            problem, at, B, float(time), seed
        )  # fmt: skip
        phi = np.empty((len(z), len(terms)))
        now, label = problem.told(np.array(float(time))), np.zeros(0)
        kernels.module.activations(
            np.ascontiguousarray(z), now, label, np.asarray(at.parameters, dtype=np.float64), phi
        )
        f = problem.skip_at(at.b, np.array(float(time))) * x + phi @ theta_terms
        exact = projected_score(problem, float(time), x, B)
        error[k] = w @ np.sum((-(y1 * x - beta * f) / (alpha * D) - exact) ** 2, axis=1)
        norm[k] = w @ np.sum(exact**2, axis=1)
    return ScoreError(t, error, norm, law)


#: Gauss–Hermite nodes a direction where the tensor is small enough; Sobol' points otherwise.
TENSOR = {1: 128, 2: 64, 3: 32}
POINTS = 2**16


def _nodes(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    rule = Rule("hermite", TENSOR[dimension]) if dimension in TENSOR else Rule("sobol", POINTS)
    return rule.points(dimension)


def _target_points(
    problem: Problem, at: OrderParameters, B: np.ndarray, enc: np.ndarray, alpha: float, beta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (x, ω, weights) of the joint law of projections and local fields of noised target samples."""
    target, n = problem.target, len(enc)
    T = np.einsum("ak,skl,bl->sab", B, target.reference_overlaps, B)
    q, theta = at.q[:, enc[:, None], enc], at.theta[:, enc] @ B.T
    joint = np.block([[q, theta], [np.swapaxes(theta, 1, 2), T]])
    spread = alpha**2 * joint.sum(axis=0) + beta**2 * np.einsum("cs,sab->cab", target.cluster_eigenvalues, joint)
    means = beta * np.concatenate([at.M[enc].T, target.projected_centroids() @ B.T], axis=1)
    z, w = _nodes(joint.shape[-1])
    points = means[:, None] + z @ square_root(spread)[0]
    weights = target.weights[:, None] * w
    flat = points.reshape(-1, points.shape[-1])
    return flat[:, n:], flat[:, :n], weights.ravel()


def _flow_points(
    problem: Problem, at: OrderParameters, B: np.ndarray, t: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (x, z, weights) of the joint law of projections and local fields of the generative process at time t."""
    if t == 0:
        Q, theta = at.Q, at.Theta @ B.T
        enc = np.array(kernels_of(problem).encoders, dtype=int)
        joint = np.block([[Q[np.ix_(enc, enc)], theta[enc]], [theta[enc].T, np.eye(len(B))]])
        z, w = _nodes(len(joint))
        points = z @ square_root(joint)[0]
        return points[:, len(enc) :], points[:, : len(enc)], w
    law = GeneratedDensity(replace(problem, sampling=problem.sampling.replace(stop=t)), at, B)
    return law_points(law, seed)


def law_points(law: GeneratedDensity, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (x, z, weights) for averages over the projections x and local fields z of a generated law.

    Scrambled Sobol' points for the latent start and the Gaussian part for ε = 0; 2¹⁶ sampled paths for ε > 0.
    """
    n, m = len(law.Q), len(law.span_covariance)
    rng = np.random.default_rng(seed)
    # Near t = 1 the flow separates starting points so sharply that polynomial quadrature fails: equal weights instead.
    nodes, w = Rule("sobol", POINTS).points(n + m)
    if law.noisy:
        nodes, w = rng.standard_normal((POINTS, n + m)), np.full(POINTS, 1 / POINTS)
    flow = law.transport(nodes[:, :n] @ law.root, rng=rng if law.noisy else None)
    half, _ = square_root(law.span_covariance)
    return law._centres(flow) + nodes[:, n:] @ half, flow.linear + flow.network @ law.coupling.T, w
