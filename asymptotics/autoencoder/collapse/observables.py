"""What is followed from generation to generation, and the distances of generated points to the original target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array
from ..model.data.target import GaussianMixture

#: What is followed from generation to generation.
QUANTITIES = ("Lambda", "b", "Q", "Theta", "parameters", "v", "mean", "covariance", "distance", "bulk_distance")
#: Directions of the sliced distance.
SLICES = 32


def slices(K: int) -> np.ndarray:
    """Unit vectors (n, K) of the sliced distance: equally spaced angles in the plane, else random ones (always the same)."""
    if K == 1:
        return np.ones((1, 1))
    if K == 2:
        angles = np.pi * (np.arange(SLICES) + 0.5) / SLICES
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = np.random.default_rng(0).standard_normal((SLICES, K))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


class TargetQuantiles:
    """Quantile functions of the target's projections on the slices, from their exact distribution functions."""

    #: Points at which a distribution function is tabulated.
    GRID = 4001

    def __init__(self, target: GaussianMixture) -> None:
        from scipy.special import ndtr

        self.directions = slices(target.directions)
        means, covariances = target.projected_centroids(), target.projected_covariance()
        self._tables = []
        for u in self.directions:
            m, width = means @ u, np.sqrt(np.maximum(np.einsum("k,ckl,l->c", u, covariances, u), 0.0))
            # A cluster without width is a step: it is given a width that no distance of interest resolves.
            width = np.maximum(width, 1e-6 * (1.0 + np.abs(m).max()))
            x = np.sort(np.concatenate([a + s * np.linspace(-8, 8, self.GRID) for a, s in zip(m, width, strict=True)]))
            self._tables.append((target.weights @ ndtr((x - m[:, None]) / width[:, None]), x))

    def distance(self, points: ArrayLike) -> float:
        r"""Sliced 2-Wasserstein distance of points (n, K) to the target.

        (mean over directions of ∫₀¹ (F⁻¹ − G⁻¹)² dp)^{1/2}, F the empirical law of the points and G the target's exact one.
        For n independent points of the target itself it is of order n^{−1/2}.
        """
        x = array("points", points, shape=(None, self.directions.shape[1]))
        levels = (np.arange(len(x)) + 0.5) / len(x)
        total = 0.0
        for u, (cdf, grid) in zip(self.directions, self._tables, strict=True):
            total += float(np.mean((np.sort(x @ u) - np.interp(levels, cdf, grid)) ** 2))
        return float(np.sqrt(total / len(self.directions)))


def bulk_distance(target: GaussianMixture, variance: float) -> float:
    r"""2-Wasserstein distance over √d of all directions that are not followed: (Σ_c π_c Σ_s p_s (√ς_s(c) − √v)²)^{1/2}.

    Outside finitely many directions generated samples are N(0, v 1), at d → ∞.
    """
    difference = np.sqrt(target.cluster_eigenvalues) - np.sqrt(max(variance, 0.0))
    return float(np.sqrt(target.weights @ difference**2 @ target.masses))
