"""Cells of the latent Gaussian: places z₀ between straight sides, with a map's values at nodes of each; clouds and pieces of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr


def basis(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quadratic interpolation from the nodes 0, ½, 1 at u, (points, 3), and its derivative."""
    values = np.stack([(1 - u) * (1 - 2 * u), 4 * u * (1 - u), u * (2 * u - 1)], axis=1)
    return values, np.stack([4 * u - 3, 4 - 8 * u, 4 * u - 1], axis=1)


def _rule(count: int, even: bool) -> tuple[np.ndarray, np.ndarray]:
    if even:
        return (np.arange(count) + 0.5) / count, np.full(count, 1.0 / count)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def places(corners: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (cells, points, n) at the shares u (points, n) between the corners of every cell, and the volumes ∂z/∂u there."""
    if corners.shape[-1] == 1:
        side = corners[:, None, 1] - corners[:, None, 0]
        return corners[:, None, 0] + side * u, np.abs(side[..., 0]) * np.ones(len(u))
    r, s = u[:, :1], u[:, 1:]
    sides = corners[:, :, 1] - corners[:, :, 0]
    first, last = (corners[:, None, k, 0] + s * sides[:, None, k] for k in range(2))
    along, across = last - first, (1 - r) * sides[:, None, 0] + r * sides[:, None, 1]
    return first + r * along, np.abs(along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0])


@dataclass(frozen=True)
class Cells:
    """Intervals (n = 1) or quadrilaterals (n = 2) of z₀ in units of Q^{1/2}, with the map at their 3ⁿ nodes.

    Attributes
    ----------
    corners : (cells, 2, 1) or (cells, 2, 2, 2)
        The last axis is the coordinate.
    values : (cells, 3, m) or (cells, 3, 3, m)
    """

    corners: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def n(self) -> int:
        """Latent directions."""
        return int(self.corners.shape[-1])

    @classmethod
    def join(cls, parts: list[Cells]) -> Cells:
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("corners", "values")))

    def take(self, which: np.ndarray) -> Cells:
        """Some of them."""
        return Cells(self.corners[which], self.values[which])

    def mass(self) -> np.ndarray:
        """Gaussian probability of every cell."""
        return mass(self.corners)

    def extent(self) -> np.ndarray:
        """Length of the image along every latent direction and in every coordinate, (cells, n, m)."""
        v = self.values
        steps = [np.abs(np.diff(v, axis=1 + k)).sum(axis=1 + k) for k in range(self.n)]
        return np.stack([s if s.ndim == 2 else s.max(axis=1) for s in steps], axis=1)

    def cloud(self, orders: np.ndarray, *, even: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images (points, m), weights, and lengths of the image around each point (points, m).

        Parameters
        ----------
        orders : (cells, n)
            Points of every cell along every latent direction: Gauss–Legendre's, or equal parts if ``even``.
        """
        found = []
        kinds, which = np.unique(orders, axis=0, return_inverse=True)
        which = which.ravel()
        for kind, order in enumerate(kinds):
            own = np.flatnonzero(which == kind)
            rules = [_rule(int(k), even) for k in order]
            bases = [basis(u) for u, _ in rules]
            v = self.values[own]
            u = np.stack(np.meshgrid(*[rule[0] for rule in rules], indexing="ij"), axis=-1).reshape(-1, self.n)
            share = np.prod(np.meshgrid(*[rule[1] for rule in rules], indexing="ij"), axis=0).ravel()
            z, volume = places(self.corners[own], u)
            weights = share * volume * np.exp(-0.5 * np.sum(z**2, axis=-1)) / (2 * np.pi) ** (self.n / 2)
            if self.n == 1:
                centres = np.einsum("pi,cik->cpk", bases[0][0], v)
                lengths = np.abs(np.einsum("pi,cik->cpk", bases[0][1], v)) * rules[0][1][:, None]
            else:
                first = np.einsum("pi,cijk->cpjk", bases[0][0], v)
                centres = np.einsum("qj,cpjk->cpqk", bases[1][0], first)
                along = np.einsum("pi,cijk->cpjk", bases[0][1], v)
                lengths = np.abs(np.einsum("qj,cpjk->cpqk", bases[1][0], along)) * rules[0][1][:, None, None]
                lengths += np.abs(np.einsum("qj,cpjk->cpqk", bases[1][1], first)) * rules[1][1][:, None]
            m = v.shape[-1]
            found.append((centres.reshape(-1, m), weights.ravel(), lengths.reshape(-1, m)))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # type: ignore[return-value]

    def pieces(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Every cell of one latent direction cut into equal parts: both ends of their images (pieces, m), mass, tilt.

        The tilt says how the mass leans to the second end: a density w(1 + tilt (2s − 1)) along the piece has its mean.
        """
        edges, parts = np.linspace(0, 1, count + 1), len(self) * count
        at_edges = np.einsum("pi,cik->cpk", basis(edges)[0], self.values)
        z, _ = places(self.corners, edges[:, None])
        w = mass(np.stack([z[:, :-1], z[:, 1:]], axis=2).reshape(-1, 2, 1))
        first, last = at_edges[:, :-1].reshape(parts, -1), at_edges[:, 1:].reshape(parts, -1)
        u, share = _rule(3, False)
        inner = ((np.arange(count) + u[:, None]) / count).T.ravel()
        values = np.einsum("pi,cik->cpk", basis(inner)[0], self.values).reshape(parts, 3, -1)
        density = share * np.exp(-0.5 * places(self.corners, inner[:, None])[0] ** 2).reshape(parts, 3)
        mean = np.einsum("pi,pik->pk", density, values) / density.sum(axis=1, keepdims=True)
        step = last - first
        square = np.sum(step**2, axis=1)
        along = np.sum((mean - (first + last) / 2) * step, axis=1)
        tilt = np.divide(6 * along, square, out=np.zeros(parts), where=square > 0)
        return first, last, w, np.clip(tilt, -1.0, 1.0)


def mass(corners: np.ndarray) -> np.ndarray:
    """Gaussian probability between corners."""
    if corners.shape[-1] == 1:
        low, high = corners[:, 0, 0], corners[:, 1, 0]
        # The upper tail by the lower one: differences keep their digits.
        flip = low > 0
        return np.asarray(ndtr(np.where(flip, -low, high)) - ndtr(np.where(flip, -high, low)))
    u, w = _rule(5, False)
    z, volume = places(corners, np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).reshape(-1, 2))
    return np.asarray((volume * np.exp(-0.5 * np.sum(z**2, axis=-1))) @ np.outer(w, w).ravel() / (2 * np.pi))
