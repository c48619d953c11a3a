"""The part of the denoising loss of order one that the network's weights do not enter: centroids and single directions.

E‖y₀x₀ + y₁x₁ − f(x_t)‖² = d × bulk + E[ℓ] + (y₁ − bβ)² [Σ_c π_c‖μ(c)‖² + Σ_s n_s (ς_s − Λ)] + o(1): the bulk counts every
direction with Λ and no mean; a centroid's norm is of order one, and so is what the n_s directions of an atom of mass 0 have
beyond Λ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ....common.numerics.algebra.gram import COMPUTED, rank
from ...model.problem import Problem
from ...model.start.weights import joint_gram


def massless_counts(problem: Problem) -> np.ndarray:
    """Directions of each atom of mass 0: the rank of its Gram matrix [[q, Θ], [Θᵀ, T]]; 0 for atoms of positive mass.

    The rank at τ = 0, which training does not change: without mass there is no noise to turn the weights elsewhere.
    """
    T = problem.target.reference_overlaps
    if np.all(problem.target.masses > 0):
        return np.zeros(len(T))
    theta, q = problem.initial_overlaps()
    gram, counts = joint_gram(theta, q, T), np.zeros(len(T))
    for s in np.flatnonzero(problem.target.masses == 0):
        counts[s] = rank(gram[s], COMPUTED)
    return counts


def beyond_bulk(problem: Problem) -> float:
    """E‖x₁‖² − dΛ = Σ_c π_c [‖μ(c)‖² + Σ_s n_s (ς_s(c) − Λ)]."""
    target = problem.target
    norms = np.einsum("ck,kl,cl->c", target.centroids, target.gram, target.centroids)
    single = (target.cluster_eigenvalues - target.mean_eigenvalue) @ massless_counts(problem)
    return float(target.weights @ (norms + single))


def unpredicted(problem: Problem, b: ArrayLike, times: np.ndarray) -> np.ndarray:
    """(y₁ − sβ)² (E‖x₁‖² − dΛ) at the times."""
    slack = problem.predicted(times)[1] - problem.skip_at(b, times) * problem.interpolant.beta(times)
    return np.asarray(slack**2 * beyond_bulk(problem))


def averaged_unpredicted(problem: Problem, tau: float = 0.0) -> np.ndarray:
    """The same averaged over the training times at τ, as a quadratic form of (1, b_1, b_2, …): its matrix."""
    average = problem.time_average(tau)
    y1, beta = problem.predicted(average.times)[1], problem.interpolant.beta(average.times)
    fixed, psi = problem.skip_functions(average.times)
    slack = np.stack([y1 - fixed * beta, *(-psi * beta)])
    return np.asarray((slack * average.first) @ slack.T * beyond_bulk(problem))


def unpredicted_along(problem: Problem, taus: np.ndarray) -> np.ndarray:
    """`averaged_unpredicted`; where the times move, at each of the ``taus``."""
    if not problem.training.moving:
        return averaged_unpredicted(problem)
    return np.stack([averaged_unpredicted(problem, float(tau)) for tau in taus])


def quadratic(form: np.ndarray, b: ArrayLike) -> np.ndarray:
    """The quadratic form of (1, b) for b (…,) or (…, basis); files of before hold the coefficients of 1, b and b²."""
    b = np.asarray(b, dtype=np.float64)
    if form.shape == (3,):
        return np.asarray(form[0] + form[1] * b + form[2] * b**2)
    n = form.shape[-1] - 1
    b = b[..., None] if n <= 1 else b
    one = np.concatenate([np.ones((*b.shape[:-1], 1)), b[..., :n]], axis=-1)
    return np.asarray(np.einsum("...a,...ab,...b->...", one, form, one))
