"""Distances between the target and what a network generates, along training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array
from ...common.numerics.algebra.gram import square_root
from ...common.numerics.distances.transport import Mixture, mixture_w2_squared
from ...common.numerics.quadrature.expectations import Rule
from ...common.output.results import Result
from ..equations.training_path.path import TrainingPath
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from .errors import centroid_cosines, orthonormal
from .score_error import law_points

#: Slices in the plane (equally spaced angles), and in more dimensions (random, always the same).
SLICES = {2: 32}
MANY_SLICES = 64


@dataclass(frozen=True)
class LearningCurves(Result):
    """Distances of the generated law to the target, both projected on the reference directions, against training.

    Attributes
    ----------
    tau, samples : (times,)
        Training time, and training samples per dimension n/d.
    sliced : (times,)
        Sliced 2-Wasserstein distance: (mean over slices of W₂²)^{1/2}.
    mixture : (times,)
        Mixture-Wasserstein distance MW₂ after moment matching in cells (`cell_mixture`).
    masses : (times, clusters)
        Share of the generated law in the cell of each cluster.
    cosines : (times, clusters)
        Cosine of each centroid with span(W).
    """

    tau: np.ndarray
    samples: np.ndarray
    sliced: np.ndarray
    mixture: np.ndarray
    masses: np.ndarray
    cosines: np.ndarray

    COLUMNS = ("tau", "samples", "sliced", "mixture", "masses", "cosines")


def slices(m: int) -> np.ndarray:
    """Unit vectors (slices, m) of the sliced distance."""
    if m == 1:
        return np.ones((1, 1))
    if m in SLICES:
        angles = np.pi * (np.arange(SLICES[m]) + 0.5) / SLICES[m]
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = np.random.default_rng(0).standard_normal((MANY_SLICES, m))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _target_quantiles(problem: Problem, direction: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of the target along one direction (K,), from its distribution function on a fine grid."""
    from scipy.special import ndtr

    target = problem.target
    means = target.projected_centroids() @ direction
    widths = np.sqrt(np.maximum(np.einsum("k,ckl,l->c", direction, target.projected_covariance(), direction), 1e-24))
    # A grid fine on the scale of every cluster, however far they are apart.
    local = np.linspace(-8, 8, 1601)
    x = np.unique((means[:, None] + widths[:, None] * local).ravel())
    F = target.weights @ ndtr((x - means[:, None]) / widths[:, None])
    keep = np.concatenate([[True], np.diff(F) > 0])
    return np.interp(levels, F[keep], x[keep])


def sliced_to_target(problem: Problem, points: ArrayLike, directions: ArrayLike | None = None) -> float:
    r"""Sliced 2-Wasserstein distance between points and the exact law of the target's projections.

    Along each slice, W₂² = ∫ (F⁻¹(u) − G⁻¹(u))² du with the points' quantile function and the exact one of the target.

    Parameters
    ----------
    problem : Problem
    points : array_like (n, m)
        Equally weighted, in the orthonormal basis of `observables.orthonormal`. Of n samples of the target itself the
        distance is O(n^{-1/2}), not 0.
    directions : array_like (m', K), optional
        What spans the subspace; default all reference directions.
    """
    B = orthonormal(problem, directions)
    x = array("points", points, shape=(None, len(B)))
    levels = (np.arange(len(x)) + 0.5) / len(x)
    squares = [np.mean((np.sort(x @ u) - _target_quantiles(problem, u @ B, levels)) ** 2) for u in slices(len(B))]
    return float(np.sqrt(np.mean(squares)))


def cell_mixture(
    problem: Problem, points: ArrayLike, weights: ArrayLike | None = None, directions: ArrayLike | None = None
) -> Mixture:
    r"""The Gaussian mixture with the moments of the points in each cell; cell c is what lies nearest to centroid c.

    A generated law is no finite Gaussian mixture; cut into the Voronoi cells of the target's centroids, each part is replaced
    by the Gaussian with its mass, mean and covariance. The target is cut likewise (`target_cells`), so that equal laws have
    distance zero.

    Parameters
    ----------
    problem : Problem
    points, weights : (n, m), (n,)
        In the orthonormal basis of `observables.orthonormal`; default equal weights.
    """
    B = orthonormal(problem, directions)
    x = array("points", points, shape=(None, len(B)))
    w = np.full(len(x), 1.0 / len(x)) if weights is None else np.asarray(weights)
    centroids = problem.target.projected_centroids() @ B.T
    nearest = np.argmin(np.sum((x[:, None] - centroids) ** 2, axis=2), axis=1)
    masses, means, covariances = [], [], []
    for c in range(len(centroids)):
        mine, share = x[nearest == c], w[nearest == c]
        mass = float(share.sum())
        mean = share @ mine / mass if mass > 0 else centroids[c]
        deviation = mine - mean
        covariance = (deviation.T * share) @ deviation / mass if mass > 0 else np.zeros((len(B), len(B)))
        masses.append(mass)
        means.append(mean)
        covariances.append(covariance)
    return Mixture(np.array(masses), np.array(means), np.array(covariances))


def target_cells(problem: Problem, directions: ArrayLike | None = None) -> Mixture:
    """`cell_mixture` of the target itself, by scrambled Sobol' points in every cluster."""
    B = orthonormal(problem, directions)
    z, w = Rule("sobol", 2**14).points(len(B))
    means = problem.target.projected_centroids() @ B.T
    half = square_root(B @ problem.target.projected_covariance() @ B.T)[0]
    points = means[:, None] + z @ half
    weights = problem.target.weights[:, None] * w
    return cell_mixture(problem, points.reshape(-1, len(B)), weights.ravel(), directions)


def learning_curves(
    path: TrainingPath, taus: ArrayLike | None = None, *, directions: ArrayLike | None = None
) -> LearningCurves:
    r"""Distances between target and generated projections as functions of τ, from theory.

    Parameters
    ----------
    path : TrainingPath
    taus : array_like (times,), optional
        Default 17 equally spaced ones along the path.
    directions : array_like (m, K), optional
        What to project on; default all reference directions.

    Notes
    -----
    The generated law at τ is represented by 2¹⁶ scrambled Sobol' points (sampled paths for ε > 0); a distance below about
    2e-3 of the target's extent is zero to this accuracy. MW₂: Delon, Desolneux, SIAM J. Imaging Sci. 13, 936 (2020).
    """
    problem = path.problem
    tau = np.linspace(0.0, path.tau_max, 17) if taus is None else array("taus", np.atleast_1d(taus), ndim=1)
    B = orthonormal(problem, directions)
    cells = target_cells(problem, directions)
    sliced, mixture, masses, cosines = [], [], [], []
    for value in tau:
        at = path(float(value))
        x, _, w = law_points(GeneratedDensity(problem, at, B))
        generated = cell_mixture(problem, x, w, directions)
        sliced.append(sliced_to_target(problem, x, directions))
        mixture.append(np.sqrt(max(mixture_w2_squared(cells, generated)[0], 0.0)))
        masses.append(generated.weights)
        cosines.append(centroid_cosines(problem, at))
    training = problem.training
    return LearningCurves(
        tau=tau,
        samples=training.batch * tau / (2 * training.learning_rate),
        sliced=np.array(sliced),
        mixture=np.array(mixture),
        masses=np.array(masses),
        cosines=np.array(cosines),
    )
