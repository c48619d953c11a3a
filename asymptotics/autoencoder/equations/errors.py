"""The error of a path: what nodes and steps do wrong, carried along the path by its tangent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.gram import TINY
from .layout import Layout
from .steps import Steps

#: So many steps are carried one by one; of longer integrations only the sum is.
SEPARATE = 200


def _exponentials(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """e^A and ∫₀¹ e^{As} ds of a stack, by Taylor series at a small share of A and doubling."""
    norm = float(np.max(np.sum(np.abs(A), axis=-1), initial=1e-300))
    doublings = max(0, int(np.ceil(np.log2(norm / 0.25))))
    a, one = A / 2.0**doublings, np.eye(A.shape[-1])
    series = one + np.zeros_like(A)
    for k in range(8, 1, -1):
        series = one + a @ series / k
    U, V = one + a @ series, series
    for _ in range(doublings):
        V = (V + U @ V) / 2
        U = U @ U
    return U, V


@dataclass(frozen=True)
class Linearisation:
    """How deviations move, at some points of a path.

    Attributes
    ----------
    tau : (m,)
    clock : (m,)
        By which rates count (see `asymptotics.autoencoder.model.rate_schedule`).
    J : (m, r, r)
        The Jacobian there by the clock (none: r = 0).
    rate : (m,)
        Its largest growth rate.
    basis : (size, r)
        Directions in which a state can move.
    """

    tau: np.ndarray
    clock: np.ndarray
    J: np.ndarray
    rate: np.ndarray
    basis: np.ndarray


def path_error(steps: Steps, layout: Layout, about: Linearisation, clock: np.ndarray) -> float:
    """Largest error of Θ, Q, b and κ along a path.

    de/dτ = J e + (what the nodes do wrong), and every step adds its local error. Errors of the nodes have a sign; those of the
    steps, known by their size, are added without one.

    Parameters
    ----------
    steps : Steps
    layout : Layout
    about : Linearisation
    clock : (steps + 1,)
        What the clock shows at the knots.
    """
    tau, J, basis = about.clock, about.J, about.basis
    if not J.shape[-1]:
        return _by_rate(steps, layout, np.interp((clock[1:] + clock[:-1]) / 2, tau, about.rate) * np.diff(clock))
    totals = layout.totals() @ basis
    middle, lengths = (clock[1:] + clock[:-1]) / 2, np.diff(steps.knots)
    place = np.clip(np.searchsorted(tau, middle, side="right") - 1, 0, len(tau) - 2)
    share = (middle - tau[place]) / np.maximum(tau[place + 1] - tau[place], TINY)
    share = np.clip(share, 0.0, 1.0)[:, None, None]
    A = ((1 - share) * J[place] + share * J[place + 1]) * np.diff(clock)[:, None, None]
    source = (steps.changes[1:] + steps.changes[:-1]) / 2 @ basis * lengths[:, None]
    local = steps.errors @ basis
    count, r = local.shape
    Us, Vs = _exponentials(A)
    whole, separate, worst = np.zeros(r), np.zeros((r, 0)), 0.0
    for k in range(count):
        U = Us[k]
        whole = U @ whole + Vs[k] @ source[k]
        separate = np.concatenate([U @ separate, local[k][:, None]], axis=1)
        if separate.shape[1] > SEPARATE:
            separate = np.sum(np.abs(separate), axis=1)[:, None]
        error = np.abs(totals @ whole) + np.sum(np.abs(totals @ separate), axis=1)
        worst = max(worst, float(np.max(error, initial=0.0)))
    return worst


def _by_rate(steps: Steps, layout: Layout, growth: np.ndarray) -> float:
    """The same where only the largest growth exponent of every step is known."""
    lengths = np.diff(steps.knots)
    error = worst = 0.0
    for k, (exponent, length) in enumerate(zip(growth, lengths, strict=True)):
        change = np.max(np.abs(_totals(layout, steps.changes[k + 1])))
        local = np.max(np.abs(_totals(layout, steps.errors[k])))
        error = error * np.exp(min(exponent, 50.0)) + change * length + local
        worst = max(worst, error)
    return float(worst)


def _totals(layout: Layout, y: np.ndarray) -> np.ndarray:
    """(Θ, Q, b, κ) of a packed state's change."""
    theta, q, b, kappa = layout.unpack(y)
    return np.concatenate([theta.sum(axis=0).ravel(), q.sum(axis=0).ravel(), [b], kappa])
