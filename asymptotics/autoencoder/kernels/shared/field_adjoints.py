"""Adjoints of the law of the local fields: from a worth of means and roots to that of Q, M(c), Q^c and of the schedule."""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.algebra.gram import NULL_DEVIATION
from ....common.numerics.code.compiled import njit


@njit(cache=True, nogil=True)
def _root_adjoint(c: np.ndarray, bar_root: np.ndarray, bar_inverse: np.ndarray, bar_c: np.ndarray) -> None:
    """Adds to ``bar_c`` what worths of C^{1/2} and C^{−1/2} make of C.

    With C = V diag(s²) Vᵀ, dR_ij = dC_ij/(s_i + s_j) and, where nothing is singular, d(R⁻¹)_ij = −dR_ij/(s_i s_j) in that basis.
    Directions without variance are taken to stay so.
    """
    n = c.shape[0]
    values, vectors = np.linalg.eigh((c + c.T) / 2)
    s = np.sqrt(np.maximum(values, 0.0))
    for k in range(n):
        if s[k] <= NULL_DEVIATION * s[n - 1]:
            s[k] = 0.0
    g = vectors.T @ ((bar_root + bar_root.T) / 2) @ vectors
    h = vectors.T @ ((bar_inverse + bar_inverse.T) / 2) @ vectors
    for i in range(n):
        for j in range(n):
            total = s[i] + s[j]
            if total == 0.0:
                g[i, j] = 0.0
            elif s[i] > 0.0 and s[j] > 0.0:
                g[i, j] = (g[i, j] - h[i, j] / (s[i] * s[j])) / total
            else:
                g[i, j] = (g[i, j] + h[i, j] / (total * total)) / total
    bar_c += vectors @ g @ vectors.T


@njit(cache=True, nogil=True)
def conditions_adjoint(
    Q: np.ndarray,
    M: np.ndarray,
    Qc: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
    c0: np.ndarray,
    c1: np.ndarray,
    enc: np.ndarray,
    dec: np.ndarray,
    inverse: np.ndarray,
    eroot: np.ndarray,
    cross: np.ndarray,
    bar_mean: np.ndarray,
    bar_root: np.ndarray,
    bar_inverse: np.ndarray,
    bar_emean: np.ndarray,
    bar_eroot: np.ndarray,
    bar_cross: np.ndarray,
    bar_R: np.ndarray,
    bar_Q: np.ndarray,
    bar_M: np.ndarray,
    bar_Qc: np.ndarray,
    bar_mixing: np.ndarray,
) -> None:
    """Adjoint of `fields.conditions`, added to the last four; ``bar_mixing`` (4, times) is that of α, β, c₀, c₁."""
    C, T, n, J = M.shape[0], alpha.shape[0], enc.shape[0], dec.shape[0]
    omega, bar_omega = np.empty((n, n)), np.empty((n, n))
    by_root, by_inverse, by_cross = np.empty((n, n)), np.empty((n, n)), np.empty((J, n))
    for g in range(C):
        for t in range(T):
            i = g * T + t
            by_root[:], by_inverse[:] = bar_root[i], bar_inverse[i]
            for j in range(J):
                u = dec[j]
                for a in range(n):
                    # The residual covariance R = Cov(e) − eroot erootᵀ, and eroot = cross · inverse.
                    worth = bar_eroot[i, j, a]
                    for k in range(J):
                        worth -= (bar_R[i, j, k] + bar_R[i, k, j]) * eroot[i, k, a]
                    for e in range(n):
                        by_inverse[e, a] += cross[i, j, e] * worth
                    by_cross[j, a] = worth
                bar_M[g, u] += c1[t] * bar_emean[i, j]
                bar_mixing[3, t] += M[g, u] * bar_emean[i, j]
                for k in range(J):
                    v, worth = dec[k], bar_R[i, j, k]
                    bar_Q[u, v] += c0[t] ** 2 * worth
                    bar_Qc[g, u, v] += c1[t] ** 2 * worth
                    bar_mixing[2, t] += 2.0 * c0[t] * Q[u, v] * worth
                    bar_mixing[3, t] += 2.0 * c1[t] * Qc[g, u, v] * worth
            for j in range(J):
                u = dec[j]
                for e in range(n):
                    worth = bar_cross[i, j, e]
                    for a in range(n):
                        worth += by_cross[j, a] * inverse[i, e, a]
                    v = enc[e]
                    bar_Q[u, v] += c0[t] * alpha[t] * worth
                    bar_Qc[g, u, v] += c1[t] * beta[t] * worth
                    bar_mixing[0, t] += c0[t] * Q[u, v] * worth
                    bar_mixing[1, t] += c1[t] * Qc[g, u, v] * worth
                    bar_mixing[2, t] += alpha[t] * Q[u, v] * worth
                    bar_mixing[3, t] += beta[t] * Qc[g, u, v] * worth
            for a in range(n):
                for e in range(n):
                    omega[a, e] = alpha[t] ** 2 * Q[enc[a], enc[e]] + beta[t] ** 2 * Qc[g, enc[a], enc[e]]
            bar_omega[:] = 0.0
            if n == 1:
                s = math.sqrt(max(omega[0, 0], 0.0))
                if s > 0.0:
                    bar_omega[0, 0] = 0.5 * (by_root[0, 0] - by_inverse[0, 0] / (s * s)) / s
            else:
                _root_adjoint(omega, by_root, by_inverse, bar_omega)
            for a in range(n):
                bar_M[g, enc[a]] += beta[t] * bar_mean[i, a]
                bar_mixing[1, t] += M[g, enc[a]] * bar_mean[i, a]
                for e in range(n):
                    u, v, worth = enc[a], enc[e], bar_omega[a, e]
                    bar_Q[u, v] += alpha[t] ** 2 * worth
                    bar_Qc[g, u, v] += beta[t] ** 2 * worth
                    bar_mixing[0, t] += 2.0 * alpha[t] * Q[u, v] * worth
                    bar_mixing[1, t] += 2.0 * beta[t] * Qc[g, u, v] * worth
