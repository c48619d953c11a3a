r"""Squared L² distances between densities of single coordinates, each a Gaussian or a kernel estimate of points.

.. math:: E_{XY} = \frac1d \sum_k \int (p_X^{(k)} - p_Y^{(k)})^2 dx
          = \frac1d \sum_k \frac1{P}\sum_{l ∈ ℤ} |φ_X(t_l) - φ_Y(t_l)|^2, \qquad t_l = 2πl/P:

characteristic functions on a circle of circumference P that is longer than all supports, so that nothing is discretised: the sum
over l is exact, and is cut where the kernels have damped it below rounding. The cost is linear in the number of points.

References
----------
Halder 2024 (arXiv 2411.17807), definition (4.1): distances element by element, for generators whose density is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...input.checks import InputError, array, fail

#: Kernels reach so many of their widths, Gaussians so many standard deviations.
REACH = 9.0
#: Frequencies are kept until the squared damping e^{−(wt)²} is e^{−37}.
CUT = 37.0
MOST_FREQUENCIES = 200_000
#: Blocks of points that a bootstrap draws from: more than these change nothing of a standard error.
BLOCKS = 200
#: Numbers that are worked on at once.
CHUNK = 2**22


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian law N(mean, covariance), for what is known exactly.

    Parameters
    ----------
    mean : ndarray, shape (d,)
    covariance : ndarray, shape (d, d)
        Symmetric, no negative eigenvalues.
    """

    mean: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        mean = array("mean", self.mean, ndim=1)
        covariance = array("covariance", self.covariance, shape=(len(mean), len(mean)))
        if not np.allclose(covariance, covariance.T, rtol=1e-8, atol=1e-12 * max(1.0, float(np.abs(covariance).max()))):
            fail("covariance", covariance, "symmetric")
        values = np.linalg.eigvalsh(covariance)
        if len(values) and values[0] < -1e-9 * max(float(values[-1]), 1e-300):
            fail("covariance", covariance, "without negative eigenvalues")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", (covariance + covariance.T) / 2)


@dataclass(frozen=True)
class Density:
    """Densities of all coordinates: of points with a kernel, or Gaussian without.

    Parameters
    ----------
    points : ndarray, shape (n, d), or None
    widths : ndarray, shape (d,)
        Standard deviations: of the kernel, or of the Gaussian.
    centres : ndarray, shape (d,)
        Means of the Gaussian; of no meaning with points.
    """

    points: np.ndarray | None
    widths: np.ndarray
    centres: np.ndarray

    @classmethod
    def of(cls, law: np.ndarray | Gaussian, scale: np.ndarray, kernel: float) -> Density:
        """With kernels of ``kernel`` times the scale of each coordinate."""
        if isinstance(law, Gaussian):
            return cls(None, np.sqrt(np.maximum(np.diag(law.covariance), 0.0)), law.mean)
        return cls(law, kernel * scale, np.zeros(law.shape[1]))

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every coordinate's density begins and ends."""
        low, high = (self.centres, self.centres) if self.points is None else (self.points.min(0), self.points.max(0))
        return low - REACH * self.widths, high + REACH * self.widths

    def characteristic(
        self, columns: slice, origin: np.ndarray, step: np.ndarray, count: int, blocks: int
    ) -> np.ndarray:
        """φ(lΔt), l = 1 … count, of some coordinates around the origin, by blocks of points: shape (count, blocks, columns).

        A Gaussian has one block.
        """
        width, orders = self.widths[columns], np.arange(1, count + 1)[:, None, None]
        damping = np.exp(-0.5 * (orders * step * width) ** 2)
        if self.points is None:
            return damping * np.exp(1j * orders * step * (self.centres[columns] - origin))
        rotation = np.exp(1j * step * (self.points[:, columns] - origin))
        starts, sizes = _block_starts(len(rotation), blocks)
        power = np.ones_like(rotation)
        found = np.empty((count, len(starts), rotation.shape[1]), dtype=complex)
        for order in range(count):
            power *= rotation
            found[order] = np.add.reduceat(power, starts, axis=0) / sizes
        return damping * found


def _block_starts(count: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Beginnings and sizes of nearly equal blocks."""
    number = min(blocks, count)
    # Half-samples take an even number.
    number -= number % 2 if number > 1 else 0
    ends = np.linspace(0, count, number + 1).round().astype(int)
    return ends[:-1], np.diff(ends)[:, None]


def _weights(density: Density, blocks: int, rng: np.random.Generator | None, draws: int) -> np.ndarray:
    """Weights of the blocks: those of the data first, then of the draws; shape (1 + draws, blocks)."""
    if density.points is None:
        return np.ones((1 + draws, 1))
    sizes = _block_starts(len(density.points), blocks)[1][:, 0].astype(float)
    whole = sizes / sizes.sum()
    if rng is None or draws == 0:
        return whole[None]
    # A random half of the blocks, twice: as variable as draws with replacement, but with the same sum of squares in every draw,
    # whose scatter would drown the mean over many coordinates.
    taken = rng.permuted(np.broadcast_to(np.arange(len(sizes)) % 2, (draws, len(sizes))), axis=1) * sizes
    return np.vstack([whole, taken / taken.sum(axis=1, keepdims=True)])


def squared_distances(
    densities: Sequence[Density], pairs: Sequence[tuple[int, int]], *, draws: int = 0, seed: int = 0
) -> np.ndarray:
    """E of every pair of densities, and of bootstrap draws of their points.

    Parameters
    ----------
    densities : sequence of Density
        Of the same coordinates.
    pairs : sequence of (int, int)
    draws : int
        Bootstrap draws: of every set of points, independently, a random half counts twice (in at most `BLOCKS` random blocks).
    seed : int

    Returns
    -------
    ndarray, shape (1 + draws, pairs)
        Of the data, then of the draws; the mean over coordinates, in units of 1/length.

    Raises
    ------
    InputError
        If a kernel is too narrow for the range of the points.
    """
    low = np.min([density.edges()[0] for density in densities], axis=0)
    high = np.max([density.edges()[1] for density in densities], axis=0)
    narrow = np.min([density.widths for density in densities], axis=0)
    d = len(narrow)
    if not np.all(narrow > 0):
        raise InputError(
            f"coordinate {int(np.argmin(narrow))}: a density of width 0 has no square; its distance is infinite"
        )
    period = high - low
    counts = np.ceil(np.sqrt(CUT) / narrow * period / (2 * np.pi)).astype(int)
    if counts.max() > MOST_FREQUENCIES:
        raise InputError(
            f"coordinate {int(np.argmax(counts))}: its kernel is too narrow for the range of its points "
            f"({narrow[np.argmax(counts)]:.3g} of {period[np.argmax(counts)]:.3g})"
        )
    rng = np.random.default_rng(seed) if draws else None
    if rng is not None:
        # Blocks of neighbours in time would be no independent draws.
        densities = [
            density
            if density.points is None
            else Density(rng.permutation(density.points), density.widths, density.centres)
            for density in densities
        ]
    blocks = BLOCKS if draws else 1
    weights = [_weights(density, blocks, rng, draws) for density in densities]
    total = np.zeros((1 + draws, len(pairs)))
    # Coordinates of like cost together.
    order = np.argsort(counts)
    largest = max([len(density.points) for density in densities if density.points is not None], default=1)
    at = 0
    while at < d:
        here = order[at : at + max(1, CHUNK // max(largest, int(counts[order[-1]]) * blocks))]
        at += len(here)
        count = int(counts[here].max())
        step, origin = 2 * np.pi / period[here], low[here]
        means = []
        for density, weight in zip(densities, weights, strict=True):
            part = Density(
                None if density.points is None else density.points[:, here], density.widths[here], density.centres[here]
            )
            values = part.characteristic(slice(None), origin, step, count, blocks)
            means.append(np.tensordot(weight, values, axes=(1, 1)))  # (1 + draws, count, columns)
        for k, (one, other) in enumerate(pairs):
            square = np.sum(np.abs(means[one] - means[other]) ** 2, axis=1)
            total[:, k] += (2 * square / period[here]).sum(axis=1)
    return np.asarray(total / d)
