"""Covariances and Gram matrices that may be singular: which directions count as null, roots, ranks.

The tolerances stand here alone, as shares of the largest eigenvalue:

* `NULL`: a matrix known to rounding. A direction below it has no variance.
* `COMPUTED`: a matrix that an integration, or digits written in a file, have left less exact.
* `INDEFINITE`: how far below zero rounding and written digits may leave an eigenvalue of what must be positive semi-definite.
"""

from __future__ import annotations

import math

import numpy as np

NULL, COMPUTED, INDEFINITE = 1e-13, 1e-10, 1e-9
#: `NULL` for standard deviations.
NULL_DEVIATION = math.sqrt(NULL)
#: Stands below every size, where all of a matrix may be zero.
TINY = 1e-300


def present(values: np.ndarray, tolerance: float = NULL) -> np.ndarray:
    """Which of the ascending eigenvalues (…, n) are not null."""
    return np.asarray(values > tolerance * np.maximum(values[..., -1:], TINY))


def rank(gram: np.ndarray, tolerance: float = NULL) -> int:
    """Number of directions of a Gram matrix."""
    return int(present(np.linalg.eigvalsh(gram), tolerance).sum()) if len(gram) else 0


def indefinite(values: np.ndarray) -> bool:
    """Whether ascending eigenvalues, in units of 1 or of the largest, say that no vectors have this Gram matrix."""
    return bool(values[0] < -INDEFINITE * max(float(values[-1]), 1.0))


def symmetric_root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of one positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def square_root(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric square roots of a stack of covariances and their pseudo-inverses.

    The symmetric root depends smoothly on the covariance, also where eigenvalues cross; null directions are null in both.
    """
    if c.shape[-1] == 1:
        value = np.sqrt(np.maximum(c, 0.0))
        return value, np.divide(1.0, value, out=np.zeros_like(value), where=value > 0)
    values, vectors = np.linalg.eigh(c)
    root = np.sqrt(np.maximum(values, 0.0))
    small = root <= NULL_DEVIATION * np.maximum(root[..., -1:], TINY)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=~small)
    root = np.where(small, 0.0, root)
    transposed = np.swapaxes(vectors, -1, -2)
    return (vectors * root[..., None, :]) @ transposed, (vectors * inverse[..., None, :]) @ transposed
