"""A training set of the binary mixture in R^d, drawn in blocks of coordinates so that it need not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..settings import MixtureFlow
from .products import signed_sum

#: Numbers held at once in a block of samples.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Sums:
    r"""What the ridge problem needs of a training set with the pattern h: two vectors and three numbers.

    Parameters
    ----------
    centroid : ndarray, shape (d,)
        μ, its sign chosen so that most labels are right.
    data : ndarray, shape (d,)
        K X̄ = K Σ h^μ x₁^μ.
    noise : ndarray, shape (d,)
        ξ = Σ h^μ x₀^{μk}.
    squares : ndarray, shape (3,)
        Σ ‖x₀‖², Σ x₀·x₁, K Σ ‖x₁‖² over all pairs (μ, k).
    mistakes : int
        Samples whose pattern differs from the true label.
    """

    centroid: np.ndarray
    data: np.ndarray
    noise: np.ndarray
    squares: np.ndarray
    mistakes: int


class TrainingSet:
    """Samples x₁ (n, d) and noises x₀ (K, n, d), generated block by block, the same at every pass.

    Parameters
    ----------
    flow : MixtureFlow
    dimension : int
        d.
    seed : SeedSequence
        Block j of the coordinates has the j-th child; the blocks' width depends on n alone.
    """

    def __init__(self, flow: MixtureFlow, dimension: int, seed: np.random.SeedSequence) -> None:
        self.flow, self.dimension = flow, dimension
        self._root = np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, 0))
        rng = np.random.Generator(np.random.SFC64(self._child(0, 0)))
        direction = rng.standard_normal(dimension)
        self.centroid = direction * (flow.centroid_norm * np.sqrt(dimension) / np.linalg.norm(direction))
        self.labels = np.where(rng.random(flow.samples) < 0.5, -1.0, 1.0)
        self._width = min(dimension, max(64, _BLOCK // flow.samples))

    def _child(self, *key: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(entropy=self._root.entropy, spawn_key=(*self._root.spawn_key, *key))

    def _slices(self) -> Iterator[tuple[int, slice]]:
        for j, start in enumerate(range(0, self.dimension, self._width)):
            yield j, slice(start, min(start + self._width, self.dimension))

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(coordinates, x₁ there), the second of shape (n, width)."""
        for j, columns in self._slices():
            rng = np.random.Generator(np.random.SFC64(self._child(1, j)))
            block = rng.standard_normal((self.flow.samples, columns.stop - columns.start))
            block *= self.flow.cluster_std
            block += self.labels[:, None] * self.centroid[columns]
            yield columns, block

    def noises(self, draw: int = 0) -> Iterator[tuple[slice, Iterator[np.ndarray]]]:
        """(coordinates, K blocks of x₀ there); ``draw`` numbers independent redraws."""
        for j, columns in self._slices():
            rng = np.random.Generator(np.random.SFC64(self._child(2, draw, j)))
            shape = (self.flow.samples, columns.stop - columns.start)
            yield columns, (rng.standard_normal(shape) for _ in range(self.flow.noises))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All of it at once: x₁ of shape (n, d) and x₀ of shape (K, n, d)."""
        samples = np.concatenate([block for _, block in self.blocks()], axis=1)
        noises = np.concatenate([np.stack(list(draws)) for _, draws in self.noises()], axis=2)
        return samples, noises

    def pattern(self) -> np.ndarray:
        """h^μ = ±1, the signs of the leading eigenvector of the Gram matrix of the samples, shape (n,).

        For 0 < t < 1 the aligned pattern is the ridge problem's global minimum as d → ∞; near the ends of [0, 1] the
        losses of all patterns meet, and to minimise again there would only pick up rounding of order d^(-1/2).
        """
        from scipy.linalg import eigh

        n = self.flow.samples
        gram = np.zeros((n, n))
        for _, block in self.blocks():
            gram += block @ block.T
        _, vectors = eigh(gram, subset_by_index=[n - 1, n - 1])
        return np.where(vectors[:, 0] >= 0, 1.0, -1.0)

    def sums(self, pattern: np.ndarray | None = None, draw: int = 0) -> Sums:
        """The `Sums` for a pattern (default: `pattern`), in one more pass over the data."""
        h = self.pattern() if pattern is None else np.asarray(pattern, dtype=np.float64)
        k = self.flow.noises
        data, noise, squares = np.empty(self.dimension), np.zeros(self.dimension), np.zeros(3)
        for (columns, block), (_, draws) in zip(self.blocks(), self.noises(draw), strict=True):
            data[columns] = k * signed_sum(block, h)
            squares[2] += k * np.einsum("ij,ij->", block, block)
            for x0 in draws:
                noise[columns] += signed_sum(x0, h)
                squares[0] += np.einsum("ij,ij->", x0, x0)
                squares[1] += np.einsum("ij,ij->", x0, block)
        agreement = float(h @ self.labels)
        side = 1.0 if agreement >= 0 else -1.0
        mistakes = round((self.flow.samples - abs(agreement)) / 2)
        return Sums(side * self.centroid, data, noise, squares, mistakes)

    def redraw(self, sums: Sums, pattern: np.ndarray, draw: int) -> Sums:
        """The same samples with independent new noises."""
        fresh = self.sums(pattern, draw)
        return Sums(sums.centroid, sums.data, fresh.noise, fresh.squares, sums.mistakes)
