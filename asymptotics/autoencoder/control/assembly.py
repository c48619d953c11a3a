"""Adjoint of what the optimiser's linear map makes of the gradient's drift and noise (`kernels.shared.assembly`)."""

from __future__ import annotations

import numpy as np

from ...common.numerics.code.compiled import njit
from ..equations.derivative.coefficients import Coefficients
from ..kernels.shared.assembly import along_vectors
from ..model.training.optimiser import Average, LinearMap
from .worths import Worths

#: What the assembly passes on: worths of Θ, q, (A, B, N), R and L.
Passed = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]


@njit(cache=True, nogil=True)
def _product(out: np.ndarray, x: np.ndarray, z: np.ndarray) -> None:
    """``out`` += x z, for small matrices of any layout."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            value = 0.0
            for j in range(x.shape[1]):
                value += x[i, j] * z[j, k]
            out[i, k] += value


@njit(cache=True, nogil=True)
def _of_atoms(
    A: np.ndarray,
    B: np.ndarray,
    N: np.ndarray,
    pi: np.ndarray,
    t: np.ndarray,
    strength: np.ndarray,
    mean: np.ndarray,
    theta: np.ndarray,
    q: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    weighted: np.ndarray,
    bar_dtheta: np.ndarray,
    bar_dq: np.ndarray,
    bar_theta: np.ndarray,
    bar_q: np.ndarray,
    bar_B: np.ndarray,
    bar_N: np.ndarray,
    bar_R: np.ndarray,
    bar_L: np.ndarray,
    bar_mean: np.ndarray,
    bar_weighted: np.ndarray,
    by_t: np.ndarray,
    by_strength: np.ndarray,
) -> None:
    """See `assembly_adjoint`, with the symmetric ``bar_dq``, strength 2η p_s and π_g A_g; adds to all from ``bar_theta`` on."""
    S, P, K = theta.shape
    p = A.shape[1]
    D, Y = np.empty((p, K)), np.empty((p, P))
    for s in range(S):
        along_vectors(s, A, B, pi, t, mean, theta, q, D, Y)
        bar_D, bar_Y, bar_S = np.zeros((p, K)), np.zeros((p, P)), np.zeros((p, P))
        _product(bar_D, R.T, bar_dtheta[s])
        _product(bar_Y, R.T, bar_dq[s])
        # noise: 2η p_s R N Rᵀ
        RN, GRN = np.zeros((P, p)), np.zeros((P, p))
        _product(RN, R, N[s])
        _product(GRN, bar_dq[s], RN)
        for a in range(P):
            for e in range(p):
                by_strength[s] += 0.5 * R[a, e] * GRN[a, e]
                bar_R[a, e] += strength[s] * GRN[a, e]
                bar_S[e, a] = 0.5 * strength[s] * bar_Y[e, a]
        _product(bar_N[s], bar_S, R)
        # dΘ = R D + L Θ, X = R Y + L q
        _product(bar_R, bar_dtheta[s], D.T)
        _product(bar_R, bar_dq[s], Y.T)
        _product(bar_L, bar_dtheta[s], theta[s].T)
        _product(bar_L, bar_dq[s], q[s].T)
        _product(bar_theta[s], L.T, bar_dtheta[s])
        _product(bar_q[s], L.T, bar_dq[s])
        # D = Σ_g π_g A_g t_gᵀ + B Θ, Y = Σ_g π_g A_g (c_gᵀ Θᵀ) + B q
        _product(bar_B[s], bar_D, theta[s, :p].T)
        _product(bar_B[s], bar_Y, q[s, :p].T)
        _product(bar_theta[s, :p], B[s].T, bar_D)
        _product(bar_theta[s], bar_Y.T, mean)
        _product(bar_q[s, :p], B[s].T, bar_Y)
        _product(bar_mean, bar_Y, theta[s])
        _product(bar_weighted, t[:, s], bar_D.T)
        _product(by_t[:, s], weighted, bar_D)


def assembly_adjoint(
    increments: tuple[np.ndarray, np.ndarray, np.ndarray],
    given: Coefficients,
    theta: np.ndarray,
    q: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    bar_dtheta: np.ndarray,
    bar_dq: np.ndarray,
    worths: Worths,
) -> Passed:
    """From worths of dΘ (atoms, P, K) and dq (atoms, P, P), upper triangles, back through

    dΘ = R D + L Θ, D = Σ_g π_g A_g t_gᵀ + B Θ; dq = X + Xᵀ + 2η p_s R N Rᵀ, X = R Y + L q, Y = Σ_g π_g A_g (c_gᵀ Θᵀ) + B q.
    """
    A, B, N = increments
    strength, weighted = 2.0 * given.eta * given.mass, given.pi[:, None] * A
    mean = weighted.T @ given.c
    bar_theta, bar_q, bar_B, bar_N, bar_R, bar_L = (np.zeros_like(x) for x in (theta, q, B, N, R, L))
    bar_mean, bar_weighted, by_strength = np.zeros_like(mean), np.zeros_like(weighted), np.zeros_like(strength)
    _of_atoms(
        A, B, N, given.pi, given.t, strength, mean, theta, q, R, L, weighted, bar_dtheta, bar_dq + bar_dq.swapaxes(1, 2),
        bar_theta, bar_q, bar_B, bar_N, bar_R, bar_L, bar_mean, bar_weighted, worths["t"], by_strength,
    )  # fmt: skip
    worths["eta"] += 2.0 * given.mass @ by_strength
    worths["mass"] += 2.0 * given.eta * by_strength
    bar_weighted += given.c @ bar_mean.T
    worths["c"] += weighted @ bar_mean
    worths["pi"] += np.sum(A * bar_weighted, axis=1)
    return bar_theta, bar_q, (given.pi[:, None] * bar_weighted, bar_B, bar_N), bar_R, bar_L


def optimiser_adjoint(
    of: LinearMap,
    tau: float,
    scale: float,
    decay: float,
    R: np.ndarray,
    bar_R: np.ndarray,
    bar_L: np.ndarray,
    worths: Worths,
) -> None:
    """From worths of R (P, p) and L (P, P) to those of the rates, the weight decay, momentum and averages."""
    p = of.p
    diagonal = np.arange(p)
    if of.given is not None:
        worths["scale"] += float(np.vdot(bar_R, R)) / scale if scale > 0 else 0.0
    else:
        rows = diagonal + (of.velocity.start if of.moving else 0)
        own = np.diagonal(bar_L)[:p]
        rates = scale * of.momentum.factor * of.rho
        by_rate = bar_R[rows, diagonal] - 0.5 * decay * own
        worths["decay"] -= 0.5 * float(own @ rates)
        worths["rho"] += scale * of.momentum.factor * by_rate
        worths["scale"] += of.momentum.factor * float(of.rho @ by_rate)
        worths["factor"] += scale * float(of.rho @ by_rate)
    if of.moving:
        worths["gain"] += float(np.trace(bar_L[:p, of.velocity]))
        worths["friction"] -= float(np.trace(bar_L[of.velocity, of.velocity]))
    for k, average in enumerate(of.averages):
        at = of.average(k)
        by_gamma = float(np.trace(bar_L[at, :p]) - np.trace(bar_L[at, at]))
        worths["average"][k] += by_gamma * by_parameter(average, tau, of.end)


def by_parameter(average: Average, tau: float, end: float) -> float:
    """dγ/dγ = 1, or dγ/dk of γ = (1 + k)/τ."""
    return 1.0 if average.gamma is not None else average.rate(tau, end) / (1.0 + float(average.power or 0.0))
