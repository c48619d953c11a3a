"""Matrix products of many points with a few vectors, in pieces that stay in the cache.

A piece has so few multiplications that BLAS does not wake its threads for it: on a busy machine their waiting for each other
costs many times the product itself, and the ensemble already has a process for every core.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Multiplications in a piece (OpenBLAS stays in one thread up to here), and points in it.
_MULTIPLICATIONS = 1 << 18
_ROWS = 32


def _pieces(points: int, dimension: int, vectors: int) -> Iterator[tuple[slice, slice]]:
    width = max(16, _MULTIPLICATIONS // (_ROWS * max(1, vectors)))
    for i in range(0, points, _ROWS):
        for j in range(0, dimension, width):
            yield slice(i, i + _ROWS), slice(j, j + width)


def overlaps(vectors: np.ndarray, points: np.ndarray) -> np.ndarray:
    """u_e·x_p, shape (E, P), of vectors (E, d) and points (P, d)."""
    out = np.zeros((len(vectors), len(points)))
    for rows, columns in _pieces(len(points), points.shape[1], len(vectors)):
        out[:, rows] += vectors[:, columns] @ points[rows, columns].T
    return out


def update(points: np.ndarray, scale: float, coefficients: np.ndarray, vectors: np.ndarray) -> None:
    """x_p ← scale x_p + Σ_e c_ep u_e in place, with coefficients (E, P)."""
    for rows, columns in _pieces(len(points), points.shape[1], len(vectors)):
        piece = points[rows, columns]
        piece *= scale
        piece += coefficients[:, rows].T @ vectors[:, columns]


def signed_sum(points: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Σ_p s_p x_p, shape (d,)."""
    out = np.zeros(points.shape[1])
    for rows, columns in _pieces(len(points), points.shape[1], 1):
        out[columns] += np.einsum("p,pi->i", signs[rows], points[rows, columns])
    return out
