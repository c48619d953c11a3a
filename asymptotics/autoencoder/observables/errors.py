"""What the order parameters say about a trained network: errors, angles, learning curves, sample complexity.

Everything here is a functional of the order parameters ``at = path(tau)`` alone (and of the generated law that follows from
them); `asymptotics.autoencoder.process.measurements` measures the same on networks trained in R^d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array, choice, fail, number
from ...common.numerics.algebra.gram import COMPUTED, present
from ...common.numerics.quadrature.expectations import Rule, climb, ladder
from ...common.output.results import Result
from ..equations.derivative.drift import Drift
from ..equations.integration.integrate import kernels_of
from ..equations.training_path.loss_terms import unpredicted
from ..equations.training_path.path import OrderParameters, TrainingPath
from ..model.problem import Problem

#: An error at one time asks nothing of how the network was trained.
UNTRAINED: dict[str, Any] = {
    "weights": None, "time_probabilities": None, "ema": None, "momentum": None, "optimiser": None, "weight_decay": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class DenoisingError(Result):
    """Denoising error E‖y₀x₀ + y₁x₁ − f(x_t)‖² = d × bulk + order_one + o(1), at the times t.

    Attributes
    ----------
    t, bulk, order_one : (times,)
    """

    t: np.ndarray
    bulk: np.ndarray
    order_one: np.ndarray

    COLUMNS = ("t", "bulk", "order_one")

    def total(self, dimension: int) -> np.ndarray:
        """d × bulk + order_one."""
        return dimension * self.bulk + self.order_one


def denoising_error(
    problem: Problem, at: OrderParameters, times: ArrayLike, *, tolerance: float = 1e-6
) -> DenoisingError:
    r"""Error of the trained network on fresh samples, as a function of the noise level t.

    bulk = (y₁ − bβ)²Λ + (y₀ − bα)² per dimension; the part of order one is the potential E[ℓ] of the local fields at t plus
    (y₁ − bβ)² Σ_c π_c‖μ(c)‖² and, for atoms of mass 0 with n_s directions, (y₁ − bβ)² Σ_s n_s (ς_s − Λ).

    Parameters
    ----------
    problem : Problem
    at : OrderParameters
        One τ.
    times : float or array_like (times,)
        In [0, 1]; they need not be those of the training.
    tolerance : float
        Of the Gaussian expectations, relative to 1 + |order_one|.

    Raises
    ------
    InputError
        If a time is outside [0, 1], or ``at`` holds several τ.

    Notes
    -----
    The loss of Cui, Pehlevan, Lu (arXiv 2501.03937) split by order in d.
    """
    t = checked_times(times)
    one_tau(at)
    kernels = kernels_of(problem)
    rules = ladder(len(kernels.encoders), kink=not kernels.smooth)
    bulk, potential = np.empty(len(t)), np.empty(len(t))
    for k, time in enumerate(t):
        training = problem.training.replace(times=[float(time)], quadrature=None, **UNTRAINED)
        one = replace(problem, training=training, sampling=problem.sampling.replace(network="live"))

        def loss(rule: Rule, one: Problem = one) -> tuple[float, float]:
            drift = Drift(one, kernels, rule)
            b = at.b if np.ndim(at.b) else float(at.b)
            return drift.loss(drift.layout.pack(at.theta, at.q, b, np.asarray(at.parameters)))

        def agree(_: Rule, before: tuple[float, float], after: tuple[float, float]) -> bool:
            return abs(after[1] - before[1]) < tolerance * (1 + abs(after[1]))

        bulk[k], potential[k] = climb(rules[2:], loss, agree)[2]
    return DenoisingError(t, bulk, potential + unpredicted(problem, at.b, t))


def checked_times(times: ArrayLike) -> np.ndarray:
    """Noise levels t ∈ [0, 1] as an array."""
    t = array("times", np.atleast_1d(times), ndim=1)
    if t.size == 0 or np.any(t < 0) or np.any(t > 1):
        fail("times", times, "at least one number, all in [0, 1]")
    return t


def one_tau(at: OrderParameters) -> None:
    """Refuse order parameters at several τ."""
    if at.Q.ndim != 2:
        fail("at", at.tau, "the order parameters at one tau")


# angles ----------------------------------------------------------------------------------------------------------------


def principal_cosines(
    problem: Problem, at: OrderParameters, directions: ArrayLike | None = None, vectors: ArrayLike | None = None
) -> np.ndarray:
    r"""Cosines of the principal angles between span(w_1, …) and a reference subspace, largest first.

    They are the singular values of Q^{-1/2} Θ Eᵀ (E G Eᵀ)^{-1/2}, with E the coordinates of the subspace.

    Parameters
    ----------
    problem : Problem
    at : OrderParameters
        One τ.
    directions : array_like (m, K), optional
        Coordinates, in the reference directions, of what spans the subspace; default all K reference directions.
    vectors : sequence of int, optional
        Which of the stacked weight vectors; default all.

    Returns
    -------
    ndarray, shape (min(rank of W, rank of the subspace),)
    """
    one_tau(at)
    chosen = np.arange(len(at.Q)) if vectors is None else np.asarray(vectors, dtype=int)
    E = np.eye(problem.target.directions)
    if directions is not None:
        E = array("directions", directions, shape=(None, problem.target.directions))
    Q = at.Q[np.ix_(chosen, chosen)]
    w, first = whitening(Q)
    u, second = whitening(E @ problem.target.gram @ E.T)
    values = np.linalg.svd(w @ (at.Theta[chosen] @ E.T) @ u.T, compute_uv=False)
    return np.asarray(np.clip(values[: min(first, second)], 0.0, 1.0))


def whitening(gram: np.ndarray) -> tuple[np.ndarray, int]:
    """B (rank, n) with B gram Bᵀ = identity, and the rank."""
    values, vectors = np.linalg.eigh(gram)
    kept = present(values, COMPUTED)
    return vectors[:, kept].T / np.sqrt(values[kept])[:, None], int(kept.sum())


def orthonormal(problem: Problem, directions: ArrayLike | None = None) -> np.ndarray:
    """Coordinates (m, K), in the reference directions, of an orthonormal basis of the subspace that ``directions`` span."""
    K = problem.target.directions
    E = np.eye(K) if directions is None else array("directions", directions, shape=(None, K))
    if np.allclose(E @ problem.target.gram @ E.T, np.eye(len(E)), atol=1e-12):
        return E
    B, _ = whitening(E @ problem.target.gram @ E.T)
    return B @ E


def centroid_cosines(problem: Problem, at: OrderParameters) -> np.ndarray:
    r"""Cosine between each centroid and span(W): ‖P_W μ(c)‖/‖μ(c)‖ = (M(c)ᵀ Q⁺ M(c)/‖μ(c)‖²)^{1/2}.

    Returns
    -------
    ndarray, shape (clusters,) for one τ, (times, clusters) for several; NaN for a centroid at the origin.
    """
    target = problem.target
    norms = np.einsum("ck,kl,cl->c", target.centroids, target.gram, target.centroids)
    inverse = np.linalg.pinv(at.Q, rcond=COMPUTED, hermitian=True)
    square = np.einsum("...ac,...ab,...bc->...c", at.M, inverse, at.M)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.clip(np.where(norms > 0, square / norms, np.nan), 0.0, 1.0)))


@dataclass(frozen=True)
class SampleComplexity(Result):
    """When each cluster is found.

    Attributes
    ----------
    tau, samples : (clusters,)
        Training time and number of samples per dimension n/d; NaN for a cluster that is not found on the path.
    measure : str
    threshold : float
    """

    tau: np.ndarray
    samples: np.ndarray
    measure: str
    threshold: float

    COLUMNS = ("tau", "samples")


def sample_complexity(path: TrainingPath, *, measure: str = "cosine", threshold: float = 0.5) -> SampleComplexity:
    r"""Samples per dimension, n/d = (samples a step) τ/(2η), at which each cluster is found.

    Parameters
    ----------
    path : TrainingPath
    measure : {"cosine", "overlap"}
        "cosine": the cosine between the centroid and span(W) crosses the threshold upwards (`centroid_cosines`).
        "overlap": max_γ |M_γ(c)| crosses that share of its value at the end of the path (its plateau, if the training is
        long enough to have one).
    threshold : float
        In (0, 1).

    Returns
    -------
    SampleComplexity
        τ = 0 for a cluster that is found from the start.
    """
    choice("measure", measure, ("cosine", "overlap"))
    number("threshold", threshold, above=0, below=1)
    problem = path.problem
    fine = np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(path.knots)]))
    training = problem.training

    def height(tau: ArrayLike) -> np.ndarray:
        at = path(tau)
        if measure == "cosine":
            return centroid_cosines(problem, at)
        return np.asarray(np.abs(at.M).max(axis=-2))

    level = np.full(problem.target.clusters, threshold)
    if measure == "overlap":
        level = threshold * height(path.tau_max)
    tau = np.array([_crossing(fine, height(fine)[:, c], level[c], height, c) for c in range(len(level))])
    return SampleComplexity(tau, training.batch * tau / (2 * training.learning_rate), measure, threshold)


def _crossing(
    taus: np.ndarray, heights: np.ndarray, level: float, height: Callable[[Any], np.ndarray], c: int
) -> float:
    from scipy.optimize import brentq

    above = np.flatnonzero(heights >= level)
    if not np.isfinite(level) or level <= 0 or len(above) == 0:
        return float("nan")
    k = int(above[0])
    if k == 0:
        return 0.0
    return float(brentq(lambda tau: float(height(float(tau))[c]) - level, taus[k - 1], taus[k], xtol=1e-10))
