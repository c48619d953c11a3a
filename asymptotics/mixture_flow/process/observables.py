"""What is measured on generated points, by the names of the theory."""

from __future__ import annotations

import numpy as np

from ..settings import MixtureFlow
from .data import Sums
from .products import overlaps


class Account:
    """Running sums over points at one time: overlaps with the basis (μ, ξ, η), norms and cosines."""

    def __init__(self, basis: np.ndarray) -> None:
        self.basis, self.dimension = basis, basis.shape[1]
        self.used = np.linalg.norm(basis, axis=1) > 0
        self.inverse = np.linalg.inv(basis[self.used] @ basis[self.used].T)
        self.total, self.outside, self.square, self.cosine, self.count = (
            np.zeros(int(self.used.sum())),
            0.0,
            0.0,
            0.0,
            0,
        )

    def add(self, x: np.ndarray, sign: np.ndarray, radius: float) -> None:
        """Add a chunk of points; the state is X/radius."""
        projections = radius * sign[:, None] * overlaps(self.basis, x).T
        squares = radius**2 * np.einsum("ij,ij->i", x, x)
        inside = projections[:, self.used]
        self.total += (inside @ self.inverse).sum(axis=0)
        self.outside += float(np.sum(squares - np.einsum("ij,jk,ik->i", inside, self.inverse, inside)))
        self.square += float(squares.sum())
        self.cosine += float(np.sum(projections[:, 0] / np.sqrt(squares))) / float(np.linalg.norm(self.basis[0]))
        self.count += len(x)

    def values(self) -> dict[str, float]:
        """Means over the points; a direction that vanishes has no coefficient (NaN), learned noise of none is 0."""
        coefficients = np.array([0.0, 0.0, np.nan])
        coefficients[self.used] = self.total / self.count
        free = self.dimension - int(self.used.sum())
        return {
            "M": float(coefficients[0]),
            "Q_xi": float(coefficients[1]),
            "Q_eta": float(coefficients[2]),
            "perp": float(np.sqrt(max(self.outside, 0.0) / self.count / free)),
            "Q": self.square / self.count / self.dimension,
            "cosine": self.cosine / self.count,
        }


def final_values(
    flow: MixtureFlow, centroid: np.ndarray, eta: np.ndarray, sums: Sums, mean: np.ndarray, square: float, count: int
) -> dict[str, float]:
    """The generated density at t = 1: cluster mean, spread and memorisation."""
    d, n = len(mean), flow.samples
    variance = (square - count * float(mean @ mean)) / (count - 1)
    length = max(float(mean @ mean) - variance / count, 0.0)
    error = (float((mean - centroid) @ (mean - centroid)) - variance / count) / d
    spread = np.sqrt(max(variance, 0.0) / d)
    data = sums.data / flow.noises
    return {
        "mean_error": error,
        "mean_cosine": float(mean @ centroid) / np.sqrt(length * float(centroid @ centroid)),
        "sigma_generated": float(spread),
        "mw2_squared": error + float(spread - flow.cluster_std) ** 2,
        "data_overlap": float((mean - centroid) @ eta) / (n * d),
        "noise_overlap": float(mean @ sums.noise) / (n * flow.noises * d),
        "training_distance": (square / count - 2 * float(mean @ data) / n + sums.squares[2] / (flow.noises * n)) / d,
    }
