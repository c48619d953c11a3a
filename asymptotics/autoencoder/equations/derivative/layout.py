"""How the order parameters of a state are packed in one vector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np


@lru_cache(maxsize=32)
def _upper(p: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(p)


@dataclass(frozen=True)
class Layout:
    """Θ(s), upper triangles of q(s), b, κ, one after the other; then b̄ and κ̄ of every average of the weights.

    Attributes
    ----------
    atoms, K, parameters : int
    p : int
        All stacked vectors: the network's, their velocities, their averages.
    basis : int
        Number of b_k (one zero where no skip connection is trained).
    averages : int
    """

    atoms: int
    p: int
    K: int
    parameters: int
    basis: int = 1
    averages: int = 0

    @property
    def upper(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the upper triangle of a p × p matrix."""
        return _upper(self.p)

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of entries of Θ and of q."""
        return self.atoms * self.p * self.K, self.atoms * self.p * (self.p + 1) // 2

    @property
    def at_b(self) -> int:
        """Where b stands; the κ follow."""
        return sum(self.sizes)

    @property
    def scalars(self) -> int:
        """Numbers of one network: its b_k and κ."""
        return self.basis + self.parameters

    @property
    def size(self) -> int:
        """Length of the state vector."""
        return self.at_b + (1 + self.averages) * self.scalars

    def theta(self, s: int) -> slice:
        """Where Θ(s) stands, row by row."""
        return slice(s * self.p * self.K, (s + 1) * self.p * self.K)

    def q(self, s: int) -> slice:
        """Where the upper triangle of q(s) stands."""
        pairs = len(self.upper[0])
        return slice(self.sizes[0] + s * pairs, self.sizes[0] + (s + 1) * pairs)

    def pack(
        self,
        theta: np.ndarray,
        q: np.ndarray,
        b: float | np.ndarray,
        kappa: np.ndarray,
        averaged: np.ndarray | None = None,
    ) -> np.ndarray:
        """State vector of Θ (atoms, p, K), q (atoms, p, p), b, κ, and ``averaged`` (averages, scalars)."""
        i, j = self.upper
        rest = np.zeros((0,)) if averaged is None else averaged.ravel()
        return np.concatenate([theta.ravel(), q[:, i, j].ravel(), np.ravel(b), kappa, rest])

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        """Θ, q, b and κ of `pack`; leading axes of ``y`` (e.g. times) are kept. b has an axis of its own if there are several."""
        n, at_b = self.sizes[0], self.at_b
        lead = y.shape[:-1]
        theta = y[..., :n].reshape(*lead, self.atoms, self.p, self.K)
        q = np.empty((*lead, self.atoms, self.p, self.p))
        i, j = self.upper
        q[..., i, j] = y[..., n:at_b].reshape(*lead, self.atoms, -1)
        q[..., j, i] = q[..., i, j]
        b, kappa = self._scalars(y[..., at_b : at_b + self.scalars])
        return np.ascontiguousarray(theta), q, b, kappa

    def _scalars(self, values: np.ndarray) -> tuple[Any, np.ndarray]:
        b = values[..., 0] if self.basis == 1 else np.ascontiguousarray(values[..., : self.basis])
        return b, np.ascontiguousarray(values[..., self.basis :])

    def averaged(self, y: np.ndarray, index: int) -> tuple[Any, np.ndarray]:
        """b̄ and κ̄ of one average, as `unpack` gives b and κ."""
        first = self.at_b + (1 + index) * self.scalars
        return self._scalars(y[..., first : first + self.scalars])

    def totals(self) -> np.ndarray:
        """The linear map from the packed state to (Θ row by row, upper Q, b, κ, …): sums over atoms."""
        n_theta, n_q, rest = self.p * self.K, len(self.upper[0]), self.size - self.at_b
        out = np.zeros((n_theta + n_q + rest, self.size))
        for s in range(self.atoms):
            out[:n_theta, self.theta(s)] = np.eye(n_theta)
            out[n_theta : n_theta + n_q, self.q(s)] = np.eye(n_q)
        out[n_theta + n_q :, self.at_b :] = np.eye(rest)
        return out
