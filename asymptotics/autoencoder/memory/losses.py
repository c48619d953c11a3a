r"""The loss of a network on given samples: its part of order one, without the noise of the bulk.

.. math:: \|y_0x_0 + y_1x_1 - f_t(x_t)\|^2 = \|r_0x_0 + r_1x_1\|^2 + ℓ, \qquad
          ℓ = -2\sum_j φ_j\,(r_0λ_0 + r_1λ_1)_{u_j} + \sum_{ij} φ_iφ_j Q_{u_iu_j},

r = (y_0 − sα, y_1 − sβ), λ = W x/√d. The first part depends on the weights by the skip connection alone and fluctuates with √d: train
and test loss differ by ℓ. Its mean over fresh samples is the potential of the theory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..process.training.problem import SgdProblem


def skip_at(problem: SgdProblem, b: ArrayLike) -> np.ndarray:
    """s(t) at the times of the training."""
    fixed, *trained = np.asarray(problem.skips)
    values = np.atleast_1d(np.asarray(b, dtype=float))
    return np.asarray(fixed + sum(v * psi for v, psi in zip(values, trained, strict=False)))


def bulk(problem: SgdProblem, b: ArrayLike, square: float) -> float:
    """E_t w ‖r₀x₀ + r₁x₁‖² averaged over noise, of data with the mean square ``square`` = E‖x₁‖²."""
    skip = skip_at(problem, b)
    r0, r1 = problem.y0 - skip * problem.alpha, problem.y1 - skip * problem.beta
    weights = np.asarray(problem.time_weights) * np.asarray(problem.gains)
    return float(weights @ (r0**2 * problem.dimension + r1**2 * square))


def population_square(problem: SgdProblem, counts: np.ndarray) -> float:
    """E‖x₁‖² of the Gaussian target with these numbers of coordinates of the atoms."""
    norms = np.einsum("ck,kl,cl->c", problem.centroids, problem.reference_overlaps.sum(axis=0), problem.centroids)
    # Reference directions have exactly their overlaps.
    return float(problem.weights @ (norms + problem.eigenvalues @ counts))


def network_values(
    problem: SgdProblem, weights: np.ndarray, parameters: np.ndarray, fields: np.ndarray, time: int
) -> np.ndarray:
    """φ_j at local fields (n, p) at a time of the training: shape (n, terms)."""
    now = np.array([problem.alpha[time], problem.beta[time], *np.asarray(problem.clock)[:, time]])
    denoiser = problem.denoiser
    kappa = np.ascontiguousarray(parameters, dtype=float)
    return np.array([denoiser.values(row, kappa, now) for row in fields])


def potential(
    problem: SgdProblem, network: tuple[np.ndarray, Any, np.ndarray], noise: np.ndarray, data: np.ndarray
) -> np.ndarray:
    """E_t w ℓ of pairs of noise and data, shapes (n, d): shape (n,)."""
    W, b, kappa = network
    d = problem.dimension
    decoders = problem.denoiser.decoders
    gram = (W @ W.T / d)[np.ix_(decoders, decoders)]
    lambda0, lambda1 = noise @ W.T / np.sqrt(d), data @ W.T / np.sqrt(d)
    skip = skip_at(problem, b)
    weights = np.asarray(problem.time_weights) * np.asarray(problem.gains)
    total = np.zeros(len(data))
    for k, weight in enumerate(weights):
        fields = problem.alpha[k] * lambda0 + problem.beta[k] * lambda1
        phi = network_values(problem, W, kappa, fields, k)
        r0, r1 = problem.y0[k] - skip[k] * problem.alpha[k], problem.y1[k] - skip[k] * problem.beta[k]
        aligned = (r0 * lambda0 + r1 * lambda1)[:, decoders]
        total += weight * (-2 * np.sum(phi * aligned, axis=1) + np.einsum("ni,ij,nj->n", phi, gram, phi))
    return total


def agreement(
    problem: SgdProblem,
    one: tuple[np.ndarray, Any, np.ndarray],
    other: tuple[np.ndarray, Any, np.ndarray],
    noise: np.ndarray,
    data: np.ndarray,
) -> float:
    """Cosine of two networks' outputs without the skip connection, Σ_j u_jφ_j/√d, over the same noisy samples and all times."""
    products = np.zeros(3)
    d, decoders = problem.dimension, problem.denoiser.decoders
    pairs = ((one, other), (one, one), (other, other))
    grams = [(a[0] @ b[0].T / d)[np.ix_(decoders, decoders)] for a, b in pairs]
    for k, weight in enumerate(np.asarray(problem.time_weights) * np.asarray(problem.gains)):
        x = problem.alpha[k] * noise + problem.beta[k] * data
        phi = [network_values(problem, net[0], net[2], x @ net[0].T / np.sqrt(d), k) for net in (one, other)]
        for place, (first, second) in enumerate(((0, 1), (0, 0), (1, 1))):
            products[place] += weight * np.einsum("ni,ij,nj->", phi[first], grams[place], phi[second])
    norm = np.sqrt(products[1] * products[2])
    return float(products[0] / norm) if norm > 0 else float("nan")
