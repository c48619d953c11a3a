"""Compiled statistics of the local fields: what the expectation kernels need for every cluster and time."""

from __future__ import annotations

import math

import numpy as np

from ...common.numerics.compiled import njit

#: Standard deviations below this fraction of the largest are null directions.
NULL = 3e-7


@njit(cache=True, nogil=True)
def _root(c: np.ndarray, root: np.ndarray, inverse: np.ndarray) -> None:
    """Symmetric square root of one covariance and its pseudo-inverse."""
    n = c.shape[0]
    root[:] = 0.0
    inverse[:] = 0.0
    if n == 1:
        value = math.sqrt(max(c[0, 0], 0.0))
        root[0, 0] = value
        inverse[0, 0] = 1.0 / value if value > 0 else 0.0
        return
    if n == 2:
        # Closed form where it is well conditioned: (C + √det 1)/√(tr + 2√det).
        determinant = c[0, 0] * c[1, 1] - c[0, 1] * c[1, 0]
        trace = c[0, 0] + c[1, 1]
        if determinant > 1e-10 * trace * trace:
            s = math.sqrt(determinant)
            t = math.sqrt(trace + 2.0 * s)
            root[0, 0], root[1, 1] = (c[0, 0] + s) / t, (c[1, 1] + s) / t
            root[0, 1] = root[1, 0] = 0.5 * (c[0, 1] + c[1, 0]) / t
            inverse[0, 0], inverse[1, 1] = root[1, 1] / s, root[0, 0] / s
            inverse[0, 1] = inverse[1, 0] = -root[0, 1] / s
            return
    values, vectors = np.linalg.eigh(c)
    largest = math.sqrt(max(values[n - 1], 0.0))
    for k in range(n):
        value = math.sqrt(max(values[k], 0.0))
        if value <= NULL * largest:
            continue
        for i in range(n):
            for j in range(n):
                product = vectors[i, k] * vectors[j, k]
                root[i, j] += value * product
                inverse[i, j] += product / value


@njit(cache=True, nogil=True)
def overlap_sums(
    theta: np.ndarray, q: np.ndarray, c: np.ndarray, varsigma: np.ndarray, Q: np.ndarray, M: np.ndarray, Qc: np.ndarray
) -> None:
    """Q = Σ_s q(s), M(c) = Θ c, Q^c = Σ_s ς_s(c) q(s)."""
    S, p, K = theta.shape
    C = c.shape[0]
    total = np.zeros((p, K))
    Q[:] = 0.0
    Qc[:] = 0.0
    for s in range(S):
        for a in range(p):
            for k in range(K):
                total[a, k] += theta[s, a, k]
            for e in range(p):
                Q[a, e] += q[s, a, e]
                for g in range(C):
                    Qc[g, a, e] += varsigma[g, s] * q[s, a, e]
    for g in range(C):
        for a in range(p):
            value = 0.0
            for k in range(K):
                value += total[a, k] * c[g, k]
            M[g, a] = value


@njit(cache=True, nogil=True)
def conditions(
    Q: np.ndarray,
    M: np.ndarray,
    Qc: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
    c0: np.ndarray,
    c1: np.ndarray,
    enc: np.ndarray,
    dec: np.ndarray,
    mean: np.ndarray,
    root: np.ndarray,
    inverse: np.ndarray,
    emean: np.ndarray,
    eroot: np.ndarray,
    cross: np.ndarray,
    R: np.ndarray,
) -> None:
    """Means and roots of the encoder fields, and the residual fields given them, for every (cluster, time).

    Ω = α²Q + β²Q^c; Cov(e, ω) = c₀αQ + c₁βQ^c; E[e | ω] = c₁M + Cov(e, ω) Ω⁺ (ω − βM); R is the residual covariance.
    """
    C, T, n, J = M.shape[0], alpha.shape[0], enc.shape[0], dec.shape[0]
    omega = np.empty((n, n))
    for g in range(C):
        for t in range(T):
            i = g * T + t
            for a in range(n):
                mean[i, a] = beta[t] * M[g, enc[a]]
                for e in range(n):
                    omega[a, e] = alpha[t] ** 2 * Q[enc[a], enc[e]] + beta[t] ** 2 * Qc[g, enc[a], enc[e]]
            _root(omega, root[i], inverse[i])
            for j in range(J):
                u = dec[j]
                emean[i, j] = c1[t] * M[g, u]
                for a in range(n):
                    cross[i, j, a] = c0[t] * alpha[t] * Q[u, enc[a]] + c1[t] * beta[t] * Qc[g, u, enc[a]]
                for a in range(n):
                    value = 0.0
                    for e in range(n):
                        value += cross[i, j, e] * inverse[i, e, a]
                    eroot[i, j, a] = value
            for j in range(J):
                for k in range(J):
                    value = c0[t] ** 2 * Q[dec[j], dec[k]] + c1[t] ** 2 * Qc[g, dec[j], dec[k]]
                    for a in range(n):
                        value -= eroot[i, j, a] * eroot[i, k, a]
                    R[i, j, k] = value
