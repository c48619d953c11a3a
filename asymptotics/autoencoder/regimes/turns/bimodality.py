"""t_B: the first time at which the law of the fields Z_t has a curvature upwards at the relevant point.

Without noise p_t is the image of N(0, Q) under the flow: log p_t(X(z₀)) = log p₀(z₀) − log det ∂X/∂z₀. At a symmetric point its
Hessian is congruent to −(1 + E_t) with z₀ = Q^{1/2}y₀,

    E_t = ∫ Mᵀ (Γ ∇² tr(C ∂φ/∂z)) M dt,   Ṁ = (Δ + ΓC ∂φ/∂z) M,   M₀ = Q^{1/2},

the expansion of the odd map z₀ → z_t to third order (for one field Q²σ'''(0) ∫ΓG² = −1). At a point without symmetry the flow is
followed back from points around it. With noise p_t solves Fokker and Planck's equation (`kolmogorov`, `plane`).
"""

from __future__ import annotations

import numpy as np

from ....common.input.checks import ComputationError
from ...generated.coefficients import Clock
from ..sde.fields import LAST, Fields
from ..sde.kolmogorov import curvature_time
from ..sde.plane import plane_curvature_time
from .points import Point

#: Fields up to which Fokker and Planck's equation is solved on a grid.
GRID_FIELDS = 2
#: Steps of the difference quotients of log p, in standard deviations of Z₀.
SPREAD = 0.02
#: Times at which a moving point is looked at.
LOOKS = 49


def bimodality_time(fields: Fields, point: Point) -> tuple[float | None, str]:
    """(t_B or None, why it is not known where it is not)."""
    if not point.exists:
        return None, point.reason
    if not fields.smooth:
        return None, "phi has kinks, and the law of the fields edges"
    if fields.noisy:
        if not fields.odd:
            return None, "epsilon > 0 without symmetry"
        if fields.n == 1:
            return curvature_time(fields), ""
        if fields.n == GRID_FIELDS and np.linalg.matrix_rank(fields.root) == GRID_FIELDS:
            return plane_curvature_time(fields), ""
        return None, "epsilon > 0 with more than two fields"
    return (_symmetric(fields) if fields.odd else _moving(fields, point)), ""


def _symmetric(fields: Fields) -> float | None:
    from scipy.integrate import solve_ivp

    n, clock, zero = fields.n, Clock(fields.problem.interpolant), np.zeros(fields.n)
    start, stop = clock.of(fields.start), clock.of(fields.horizon)

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        t = min(max(float(y[0]), fields.start), 1.0 - LAST / 2)
        rate, k = clock.rate(t), fields.now(t)
        M = y[1 : 1 + n * n].reshape(n, n)
        response, curvature = fields.response(zero[None], t)[0], fields.trace_curvature(zero, t)
        dM = (k.delta * np.eye(n) + k.gamma * response) @ M
        dE = k.gamma * M.T @ curvature @ M
        return rate * np.concatenate([[1.0], dM.ravel(), dE.ravel()])

    def bends(_: float, y: np.ndarray) -> float:
        E = y[1 + n * n :].reshape(n, n)
        # Far beyond the event the entries are too large to be told apart; the sign is all that is asked.
        return float(np.clip(np.max(np.linalg.eigvalsh(-(E + E.T) / 2)) - 1.0, -1.0, 1e3))

    bends.terminal = True  # type: ignore[attr-defined]
    y0 = np.concatenate([[fields.start], fields.root.ravel(), np.zeros(n * n)])
    solved = solve_ivp(slope, (start, stop), y0, method="DOP853", rtol=1e-10, atol=1e-12, events=bends)
    if solved.status == 1:
        return float(solved.y_events[0][0, 0])
    if not solved.success:
        raise ComputationError(f"the expansion of the sampling flow could not be integrated: {solved.message}")
    return None


def _log_density(fields: Fields, points: np.ndarray, t: float) -> np.ndarray:
    """log p_t at points (m, n), up to a constant: the flow followed back, and what it has contracted."""
    from scipy.integrate import solve_ivp

    clock, n = Clock(fields.problem.interpolant), fields.n
    m = len(points)

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        now = min(max(float(y[-1]), fields.start), t)
        z, rate = y[: m * n].reshape(m, n), clock.rate(now)
        trace = np.trace(fields.jacobian(z, now), axis1=1, axis2=2)
        return np.asarray(rate * np.concatenate([fields.drift(z, now).ravel(), trace, [1.0]]))

    y = np.concatenate([points.ravel(), np.zeros(m), [t]])
    solved = solve_ivp(slope, (clock.of(t), clock.of(fields.start)), y, method="DOP853", rtol=1e-10, atol=1e-11)
    if not solved.success:
        raise ComputationError(f"the sampling flow could not be followed back: {solved.message}")
    z0, contracted = solved.y[: m * n, -1].reshape(m, n), solved.y[m * n : -1, -1]
    whitened = z0 @ fields.inverse_root
    return np.asarray(-0.5 * np.sum(whitened**2, axis=1) + contracted)


def _moving(fields: Fields, point: Point) -> float | None:
    """Hessians of log p_t at a moving point, from log p_t at points around it."""
    n = fields.n
    step = SPREAD * np.sqrt(np.maximum(np.diag(fields.Q), 1e-12))
    offsets = [np.zeros(n)]
    offsets += [sign * step * np.eye(n)[a] for a in range(n) for sign in (1, -1)]
    pairs = [(a, b) for a in range(n) for b in range(a)]
    offsets += [
        step * (s * np.eye(n)[a] + u * np.eye(n)[b]) for a, b in pairs for s, u in ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ]

    def curvature(t: float) -> float:
        z = point.at(t)
        values = _log_density(fields, z + np.array(offsets), t)
        H = np.empty((n, n))
        for a in range(n):
            H[a, a] = values[1 + 2 * a] + values[2 + 2 * a] - 2 * values[0]
        for k, (a, b) in enumerate(pairs):
            plus, left, right, minus = values[1 + 2 * n + 4 * k : 5 + 2 * n + 4 * k]
            H[a, b] = H[b, a] = (plus - left - right + minus) / 4
        return float(np.max(np.linalg.eigvalsh(H)))

    from scipy.optimize import brentq

    last = min(float(point.times[-1]), 1.0 - 1e-4)
    looks = fields.start + (last - fields.start) * np.linspace(0.0, 1.0, LOOKS)[1:]
    before = fields.start
    for t in looks:
        if curvature(float(t)) > 0:
            low = max(before, fields.start + 1e-9)
            return float(brentq(curvature, low, t, xtol=1e-8)) if curvature(low) <= 0 else low
        before = float(t)
    return None
