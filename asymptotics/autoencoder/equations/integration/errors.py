"""The error of a path: what nodes and steps do wrong, carried along the path."""

from __future__ import annotations

import numpy as np

from ..derivative.arguments import stages
from ..derivative.drift import Drift
from ..derivative.layout import Layout
from ..derivative.linearised import KRYLOV, STEEPEST, carried, exponential_column, orthogonalised
from .steps import Steps

#: Displacement of a difference along an error, in units of 1 + |y|; split rules drop nodes, and a drift jumps by that much.
STEP, KINK_STEP = 1e-5, 1e-3


def path_error(steps: Steps, drift: Drift) -> float:
    """Largest error of Θ, Q, b and κ along a path, estimated.

    The error obeys de/dτ = J e + (what the nodes do wrong), and every step adds its local error. e^{J × step} of the
    error itself is taken in the Krylov space of a few differences: a relaxing direction forgets, a growing one is not overlooked,
    and what only seems to grow at the first moment of a long step is not taken for growth.

    Parameters
    ----------
    steps : Steps
    drift : Drift
        A cheap one, right to a few per cent.
    """
    states, lengths = steps.values[:, steps.values.shape[1] // 2], np.diff(steps.knots)
    wrong = np.abs(_totals(drift.layout, steps.changes))
    wrong = np.maximum(wrong[1:], wrong[:-1])
    added = lengths * wrong.max(axis=1) + np.abs(_totals(drift.layout, steps.errors)).max(axis=1)
    displacement = KINK_STEP if drift.kernels.kink else STEP
    inside, taus = steps.inside, steps.knots[:-1] + lengths / 2
    changes, errors = np.ascontiguousarray(steps.changes[1:]), np.ascontiguousarray(steps.errors)
    if drift.kernels.compiled:
        given = stages(drift.given, len(states)) if drift.varies else drift.given
        if drift.varies:
            drift.fill(given, taus)
        drift.evaluations += (1 + KRYLOV) * len(states)
        return float(
            carried(
                drift.functions, np.ascontiguousarray(states), lengths, changes, errors, added, inside,
                displacement, given, drift.nodes, drift.room,
            )
        )  # fmt: skip
    whole, error, worst = np.zeros(changes.shape[1]), 0.0, 0.0
    V, H = np.empty((KRYLOV + 1, len(whole))), np.zeros((KRYLOV + 1, KRYLOV))
    for k, length in enumerate(lengths):
        size, factor = float(np.linalg.norm(whole)), 1.0
        if size > 0:
            y, tau = states[k], float(taus[k])
            h, base = displacement * (1.0 + float(np.max(np.abs(y)))), drift(tau, y)
            V[0], used = whole / size, 0
            while used < min(KRYLOV, len(whole)):
                V[used + 1] = (drift(tau, y + h * V[used]) - base) / h
                used += 1
                if not orthogonalised(V, H, used - 1):
                    break
            column = exponential_column(H, used, float(length))
            factor = min(float(np.linalg.norm(column)), STEEPEST)
            whole = size * (column @ V[:used])
        whole = whole + length * changes[k] + errors[k]
        error = error * factor + added[k]
        worst = max(worst, error + inside[k])
    return float(worst)


def _totals(layout: Layout, y: np.ndarray) -> np.ndarray:
    """(Θ, Q, b, κ) of the changes of packed states."""
    n = layout.sizes[0]
    parts = [part.reshape(len(y), layout.atoms, -1).sum(axis=1) for part in (y[:, :n], y[:, n : layout.at_b])]
    return np.concatenate([*parts, y[:, layout.at_b :]], axis=1)
