"""Adjoint of what the optimiser's linear map makes of the gradient's drift and noise (`equations.assembly`)."""

from __future__ import annotations

import numpy as np

from ..equations.coefficients import Coefficients
from ..model.optimiser import Average, LinearMap
from .worths import Worths

#: What the assembly passes on: worths of Θ, q, (A, B, N), R and L.
Passed = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]


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
    p = A.shape[1]
    weighted = given.pi[:, None] * A
    mean = weighted.T @ given.c
    D = np.einsum("ga,gsk->sak", weighted, given.t) + B @ theta[:, :p]
    Y = mean @ np.swapaxes(theta, 1, 2) + B @ q[:, :p]
    half = (bar_dq + np.swapaxes(bar_dq, 1, 2)) / 2
    G = 2 * half
    bar_D, bar_Y = R.T @ bar_dtheta, R.T @ G
    # noise
    RN = R @ N
    by_mass = np.einsum("sab,sac,bc->s", half, RN, R)
    strength = 2 * given.eta * given.mass
    worths["eta"] += 2 * float(given.mass @ by_mass)
    worths["mass"] += 2 * given.eta * by_mass
    bar_N = strength[:, None, None] * (R.T @ half @ R)
    bar_R = np.einsum("sak,sbk->ab", bar_dtheta, D) + np.einsum("sac,sbc->ab", G, Y)
    bar_R += 2 * np.einsum("s,sab,sbc->ac", strength, half, RN)
    bar_L = np.einsum("sak,sbk->ab", bar_dtheta, theta) + np.einsum("sac,sbc->ab", G, q)
    bar_theta, bar_q = L.T @ bar_dtheta, L.T @ G
    bar_B = bar_D @ np.swapaxes(theta[:, :p], 1, 2) + bar_Y @ np.swapaxes(q[:, :p], 1, 2)
    bar_theta[:, :p] += np.swapaxes(B, 1, 2) @ bar_D
    bar_q[:, :p] += np.swapaxes(B, 1, 2) @ bar_Y
    bar_theta += np.swapaxes(bar_Y, 1, 2) @ mean
    bar_mean = np.einsum("saP,sPk->ak", bar_Y, theta)
    bar_weighted = np.einsum("gsk,sak->ga", given.t, bar_D) + given.c @ bar_mean.T
    worths["pi"] += np.sum(A * bar_weighted, axis=1)
    worths["t"] += np.einsum("ga,sak->gsk", weighted, bar_D)
    worths["c"] += weighted @ bar_mean
    bar_A = given.pi[:, None] * bar_weighted
    return bar_theta, bar_q, (bar_A, np.ascontiguousarray(bar_B), np.ascontiguousarray(bar_N)), bar_R, bar_L


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
