"""The equations of the stacked vectors: what the optimiser's linear map makes of the gradient's drift and noise."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import njit


@njit(cache=True, nogil=True, error_model="numpy")
def along_centres(A: np.ndarray, pi: np.ndarray, c: np.ndarray, out: np.ndarray) -> None:
    """Σ_g π_g A_ga c_g, (p, K): what the means m_gb = Θ_b·c_g are multiplied with."""
    for a in range(out.shape[0]):
        for k in range(out.shape[1]):
            value = 0.0
            for g in range(A.shape[0]):
                value += pi[g] * A[g, a] * c[g, k]
            out[a, k] = value


@njit(cache=True, nogil=True, error_model="numpy")
def along_vectors(
    s: int,
    A: np.ndarray,
    B: np.ndarray,
    pi: np.ndarray,
    t: np.ndarray,
    mean: np.ndarray,
    theta: np.ndarray,
    q: np.ndarray,
    along: np.ndarray,
    across: np.ndarray,
) -> None:
    """D of atom s along the reference directions, (p, K), and along all stacked vectors, (p, P); see `assemble`."""
    p, K = along.shape
    for a in range(p):
        for k in range(K):
            value = 0.0
            for g in range(A.shape[0]):
                value += pi[g] * A[g, a] * t[g, s, k]
            for e in range(p):
                value += B[s, a, e] * theta[s, e, k]
            along[a, k] = value
        for b in range(across.shape[1]):
            value = 0.0
            for k in range(K):
                value += mean[a, k] * theta[s, b, k]
            for e in range(p):
                value += B[s, a, e] * q[s, e, b]
            across[a, b] = value


@njit(cache=True, nogil=True, error_model="numpy")
def assemble(
    A: np.ndarray,
    B: np.ndarray,
    N: np.ndarray,
    pi: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    mass: np.ndarray,
    theta: np.ndarray,
    q: np.ndarray,
    eta: float,
    R: np.ndarray,
    L: np.ndarray,
    dtheta: np.ndarray,
    dq: np.ndarray,
) -> None:
    """dΘ_a = Σ_b R_ab D_b + Σ_b L_ab Θ_b and dq = X + Xᵀ + 2η p_s R N Rᵀ, X_ab = Σ_c R_ac D_c(w_b) + Σ_c L_ac q_cb, for every atom.

    D_a(v) = Σ_g π_g A_ga (v·μ_g) + Σ_e B_ae (w_e·v) is the drift of −∇_{w_a} loss along v.

    Parameters
    ----------
    A, B, N : (cells, p), (atoms, p, p), (atoms, p, p)
        Of the network's vectors, averaged over the cells but for A.
    pi, c, t, mass : (cells,), (cells, K), (cells, atoms, K), (atoms,)
    theta, q : (atoms, P, K), (atoms, P, P)
        Of all stacked vectors, the network's first.
    eta : float
    R, L : (P, p), (P, P)
    dtheta, dq : as theta, q
        Filled.
    """
    S, P, K = theta.shape
    p = A.shape[1]
    along = np.empty((p, K))
    across = np.empty((p, P))
    mean = np.empty((p, K))
    X = np.empty((P, P))
    spread = np.empty((P, p))
    along_centres(A, pi, c, mean)
    for s in range(S):
        along_vectors(s, A, B, pi, t, mean, theta, q, along, across)
        for a in range(P):
            for k in range(K):
                value = 0.0
                for e in range(p):
                    value += R[a, e] * along[e, k]
                for e in range(P):
                    value += L[a, e] * theta[s, e, k]
                dtheta[s, a, k] = value
            for b in range(P):
                value = 0.0
                for e in range(p):
                    value += R[a, e] * across[e, b]
                for e in range(P):
                    value += L[a, e] * q[s, e, b]
                X[a, b] = value
            for e in range(p):
                value = 0.0
                for f in range(p):
                    value += R[a, f] * N[s, f, e]
                spread[a, e] = 2.0 * eta * mass[s] * value
        for a in range(P):
            for b in range(a, P):
                value = X[a, b] + X[b, a]
                for e in range(p):
                    value += spread[a, e] * R[b, e]
                dq[s, a, b] = value
                dq[s, b, a] = value
