"""Adjoint of what the optimiser's linear map makes of the gradient's drift and noise (`equations.assembly`)."""

from __future__ import annotations

import numpy as np

from ...common.numerics.code.compiled import njit
from ..equations.derivative.coefficients import Coefficients
from ..kernels.shared.assembly import along_centres, along_vectors
from ..model.training.optimiser import Average, LinearMap
from .worths import Worths

#: What the assembly passes on: worths of Θ, q, (A, B, N), R and L.
Passed = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]


@njit(cache=True, nogil=True)
def _assembly_adjoint(
    A: np.ndarray,
    B: np.ndarray,
    N: np.ndarray,
    pi: np.ndarray,
    c: np.ndarray,
    t: np.ndarray,
    mass: np.ndarray,
    eta: float,
    theta: np.ndarray,
    q: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    bar_dtheta: np.ndarray,
    bar_dq: np.ndarray,
    bar_theta: np.ndarray,
    bar_q: np.ndarray,
    bar_A: np.ndarray,
    bar_B: np.ndarray,
    bar_N: np.ndarray,
    bar_R: np.ndarray,
    bar_L: np.ndarray,
    by_eta: np.ndarray,
    by_mass: np.ndarray,
    by_pi: np.ndarray,
    by_t: np.ndarray,
    by_c: np.ndarray,
) -> None:
    """See `assembly_adjoint`; adds to all that begins with ``bar_theta``."""
    S, P, K = theta.shape
    C, p = A.shape
    weighted = np.empty((C, p))
    bar_weighted = np.zeros((C, p))
    for g in range(C):
        for a in range(p):
            weighted[g, a] = pi[g] * A[g, a]
    mean, bar_mean = np.empty((p, K)), np.zeros((p, K))
    along_centres(A, pi, c, mean)
    D, Y = np.empty((p, K)), np.empty((p, P))
    G, RN = np.empty((P, P)), np.empty((P, p))
    bar_D, bar_Y = np.empty((p, K)), np.empty((p, P))
    for s in range(S):
        along_vectors(s, A, B, pi, t, mean, theta, q, D, Y)
        for a in range(P):
            for b in range(P):
                G[a, b] = bar_dq[s, a, b] + bar_dq[s, b, a]
        for a in range(p):
            for k in range(K):
                value = 0.0
                for b in range(P):
                    value += R[b, a] * bar_dtheta[s, b, k]
                bar_D[a, k] = value
            for b in range(P):
                value = 0.0
                for e in range(P):
                    value += R[e, a] * G[e, b]
                bar_Y[a, b] = value
        # noise: 2η p_s R N Rᵀ
        strength = 2.0 * eta * mass[s]
        for a in range(P):
            for e in range(p):
                value = 0.0
                for f in range(p):
                    value += R[a, f] * N[s, f, e]
                RN[a, e] = value
        total = 0.0
        for a in range(P):
            for b in range(P):
                for e in range(p):
                    total += 0.5 * G[a, b] * RN[a, e] * R[b, e]
                    bar_R[a, e] += strength * G[a, b] * RN[b, e]
        by_eta[0] += 2.0 * mass[s] * total
        by_mass[s] += 2.0 * eta * total
        for e in range(p):
            for f in range(p):
                value = 0.0
                for a in range(P):
                    value += bar_Y[e, a] * R[a, f]
                bar_N[s, e, f] += 0.5 * strength * value
        for a in range(P):
            for e in range(p):
                value = 0.0
                for k in range(K):
                    value += bar_dtheta[s, a, k] * D[e, k]
                for b in range(P):
                    value += G[a, b] * Y[e, b]
                bar_R[a, e] += value
            for e in range(P):
                value = 0.0
                for k in range(K):
                    value += bar_dtheta[s, a, k] * theta[s, e, k]
                for b in range(P):
                    value += G[a, b] * q[s, e, b]
                bar_L[a, e] += value
        for e in range(P):
            for k in range(K):
                value = 0.0
                for a in range(P):
                    value += L[a, e] * bar_dtheta[s, a, k]
                for a in range(p):
                    value += bar_Y[a, e] * mean[a, k]
                bar_theta[s, e, k] += value
            for b in range(P):
                value = 0.0
                for a in range(P):
                    value += L[a, e] * G[a, b]
                bar_q[s, e, b] += value
        for a in range(p):
            for e in range(p):
                value = 0.0
                for k in range(K):
                    value += bar_D[a, k] * theta[s, e, k]
                for b in range(P):
                    value += bar_Y[a, b] * q[s, e, b]
                bar_B[s, a, e] += value
                for k in range(K):
                    bar_theta[s, e, k] += B[s, a, e] * bar_D[a, k]
                for b in range(P):
                    bar_q[s, e, b] += B[s, a, e] * bar_Y[a, b]
            for k in range(K):
                value = 0.0
                for b in range(P):
                    value += bar_Y[a, b] * theta[s, b, k]
                bar_mean[a, k] += value
        for g in range(C):
            for a in range(p):
                for k in range(K):
                    bar_weighted[g, a] += t[g, s, k] * bar_D[a, k]
                    by_t[g, s, k] += weighted[g, a] * bar_D[a, k]
    for g in range(C):
        for a in range(p):
            for k in range(K):
                bar_weighted[g, a] += c[g, k] * bar_mean[a, k]
                by_c[g, k] += weighted[g, a] * bar_mean[a, k]
            by_pi[g] += A[g, a] * bar_weighted[g, a]
            bar_A[g, a] += pi[g] * bar_weighted[g, a]


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
    out = [np.zeros_like(x) for x in (theta, q, *increments, R, L)]
    _assembly_adjoint(
        *increments, given.pi, given.c, given.t, given.mass, given.eta, theta, q, R, L, bar_dtheta, bar_dq, *out,
        worths["eta"], worths["mass"], worths["pi"], worths["t"], worths["c"],
    )  # fmt: skip
    bar_theta, bar_q, bar_A, bar_B, bar_N, bar_R, bar_L = out
    return bar_theta, bar_q, (bar_A, bar_B, bar_N), bar_R, bar_L


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
