"""Eigenvalues of small symmetric matrices in compiled code, by Jacobi rotations: no LAPACK has to be loaded for a 3 × 3 matrix."""

from __future__ import annotations

import math

import numpy as np

from ..code.compiled import njit

#: Sweeps are quadratically convergent: a handful do.
SWEEPS = 60


@njit(cache=True, nogil=True, error_model="numpy")
def eigen(c: np.ndarray, values: np.ndarray, vectors: np.ndarray) -> None:
    """Ascending eigenvalues of c (n, n) and their vectors in columns; what is not finite in c is not finite in both."""
    n = c.shape[0]
    a = np.empty((n, n))
    size = 0.0
    for i in range(n):
        for j in range(n):
            a[i, j] = 0.5 * (c[i, j] + c[j, i])
            vectors[i, j] = 1.0 if i == j else 0.0
            size += abs(a[i, j])
    for _ in range(SWEEPS):
        off = 0.0
        for i in range(n):
            for j in range(i + 1, n):
                off += abs(a[i, j])
        # (A comparison with what is not a number is false.)
        if not off > 1e-17 * size:
            break
        for p in range(n):
            for q in range(p + 1, n):
                if a[p, q] == 0.0:
                    continue
                theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                if theta < 0.0:
                    t = -t
                cosine = 1.0 / math.sqrt(t * t + 1.0)
                sine = t * cosine
                for k in range(n):
                    x, y = a[k, p], a[k, q]
                    a[k, p], a[k, q] = cosine * x - sine * y, sine * x + cosine * y
                for k in range(n):
                    x, y = a[p, k], a[q, k]
                    a[p, k], a[q, k] = cosine * x - sine * y, sine * x + cosine * y
                    x, y = vectors[k, p], vectors[k, q]
                    vectors[k, p], vectors[k, q] = cosine * x - sine * y, sine * x + cosine * y
                a[p, q] = a[q, p] = 0.0
    for i in range(n):
        values[i] = a[i, i]
    for i in range(n - 1):
        least = i
        for j in range(i + 1, n):
            if values[j] < values[least]:
                least = j
        if least != i:
            values[i], values[least] = values[least], values[i]
            for k in range(n):
                vectors[k, i], vectors[k, least] = vectors[k, least], vectors[k, i]
