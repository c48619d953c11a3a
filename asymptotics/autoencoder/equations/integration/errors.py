"""The error of a path: what nodes and steps do wrong, carried along the path."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ....common.numerics.quadrature.expectations import Rule
from ..derivative.arguments import stages
from ..derivative.drift import Drift
from ..derivative.layout import Layout
from ..derivative.linearised import KRYLOV, STEEPEST, carried, exponential_column, lasting_column, orthogonalised
from .steps import Steps

#: Displacement of a difference along an error, in units of 1 + |y|; split rules drop nodes, and a drift jumps by that much.
STEP, KINK_STEP = 1e-5, 1e-3
#: Other scramblings of Sobol' points that their error is estimated from, and what an estimate is taken times: over hundreds of states
#: more than 95 of 100 errors are smaller then. Gauss–Hermite nodes are compared with one more, whose errors have the other sign where
#: poles make them, and with so many times as many.
SCRAMBLINGS, RESERVE, DENSER = 4, 1.3, 1.5
#: States of a path at which nodes that were fixed beforehand are compared with others.
COMPARED = 4


def path_error(steps: Steps, drift: Drift, lasting: bool = False) -> float:
    """Largest error of Θ, Q, b and κ along a path, estimated.

    The error obeys de/dτ = J e + (what the nodes do wrong), and every step adds its local error. e^{J × step} of the
    error itself is taken in the Krylov space of a few differences: a relaxing direction forgets, a growing one is not overlooked,
    and what only seems to grow at the first moment of a long step is not taken for growth.

    Parameters
    ----------
    steps : Steps
    drift : Drift
        A cheap one, right to a few per cent.
    lasting : bool
        Whether what the nodes do wrong, alone, is forgotten or grows within a step too (a step of many times of relaxation adds little).
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
        drift.evaluations += (1 + KRYLOV * (1 + lasting)) * len(states)
        return float(
            carried(
                drift.functions, np.ascontiguousarray(states), lengths, changes, errors, added, inside,
                displacement, int(lasting), given, drift.nodes, drift.room,
            )
        )  # fmt: skip
    whole, error, worst = np.zeros(changes.shape[1]), 0.0, 0.0
    V, H = np.empty((KRYLOV + 1, len(whole))), np.zeros((KRYLOV + 1, KRYLOV))
    for k, length in enumerate(lengths):
        y, tau, factor, share = states[k], float(taus[k]), 1.0, 1.0
        h = displacement * (1.0 + float(np.max(np.abs(y))))
        size, source = float(np.linalg.norm(whole)), float(np.linalg.norm(changes[k])) if lasting else 0.0
        base = drift(tau, y) if size + source > 0 else y
        if size > 0:
            V[0] = whole / size
            used = _krylov(drift, tau, y, base, h, V, H)
            column = exponential_column(H, used, float(length))
            factor = min(float(np.linalg.norm(column)), STEEPEST)
            whole = size * (column @ V[:used])
        if source > 0:
            V[0] = changes[k] / source
            used = _krylov(drift, tau, y, base, h, V, H)
            column = lasting_column(H, used, float(length))
            share = min(float(np.linalg.norm(column)) / float(length), STEEPEST)
            whole = whole + source * (column @ V[:used])
        else:
            whole = whole + length * changes[k]
        whole = whole + errors[k]
        error = error * factor + share * added[k]
        if lasting:
            error = min(error, float(np.linalg.norm(whole)) * math.sqrt(drift.layout.atoms))
        worst = max(worst, error + inside[k])
    return float(worst)


def _krylov(drift: Drift, tau: float, y: np.ndarray, base: np.ndarray, h: float, V: np.ndarray, H: np.ndarray) -> int:
    """V, H of the Krylov space of the Jacobian that V[0] spans, by differences of length h; how many vectors it has."""
    used = 0
    while used < min(KRYLOV, len(y)):
        V[used + 1] = (drift(tau, y + h * V[used]) - base) / h
        used += 1
        if not orthogonalised(V, H, used - 1):
            break
    return used


def of_other_nodes(rule: Rule, values: np.ndarray, slopes: Callable[[Rule], np.ndarray]) -> np.ndarray:
    """What the nodes of a rule are wrong by: the difference from the mean over other scramblings of as many Sobol' points, as large as
    both it and their spread say (a difference may be small by chance), or from more Gauss–Hermite nodes in the same way.

    Parameters
    ----------
    rule : Rule
    values : (m, n)
        The derivative at several states by that rule.
    slopes : callable
        The same by another rule.
    """
    if rule.kind == "sobol":
        others = [replace(rule, seed=rule.seed + k) for k in range(1, SCRAMBLINGS + 1)]
    else:
        others = [replace(rule, nodes=nodes) for nodes in (rule.nodes + 1, math.ceil(DENSER * rule.nodes))]
    found = np.array([slopes(other) for other in others])
    change = values - found.mean(axis=0)
    size, spread = np.sum(change**2, axis=1), np.sum(found.var(axis=0, ddof=1), axis=1)
    factor = RESERVE * np.sqrt(1.0 + np.divide(spread, size, out=np.zeros_like(size), where=size > 0))
    return np.asarray(factor[:, None] * change)


def fixed_nodes_error(steps: Steps, drift: Drift, rough: Drift) -> float:
    """The part of a path's error that nodes make which were fixed beforehand: they are compared with others on the path itself.

    Parameters
    ----------
    steps : Steps
    drift : Drift
        That of the path.
    rough : Drift
        A cheap one, right to a few per cent.
    """
    kernels, knots = drift.kernels, steps.knots
    single = drift.rule if isinstance(drift.rule, Rule) and "moments" not in kernels.exact else None
    pairs = None if "noise" in kernels.exact else drift.pairs
    if single is None and pairs is None:
        return 0.0
    looked = np.unique(np.linspace(0, len(knots) - 1, COMPARED).round().astype(np.int64))
    states, taus = np.concatenate([steps.values[:1, 0], steps.values[:, -1]])[looked], knots[looked]

    def slopes(of: Drift) -> np.ndarray:
        values = np.array([of(float(tau), y) for tau, y in zip(taus, states, strict=True)])
        if of is not drift:
            drift.evaluations += of.evaluations
        return values

    values, changes = slopes(drift), np.zeros_like(states)
    if single is not None:
        changes += of_other_nodes(single, values, lambda rule: slopes(drift.with_rule(rule)))
    if pairs is not None:
        changes += of_other_nodes(pairs, values, lambda rule: slopes(drift.with_pairs(rule)))
    along = np.stack([np.interp(knots, taus, change) for change in changes.T], axis=1)
    return nodes_error(replace(steps, changes=along), rough)


def nodes_error(steps: Steps, drift: Drift) -> float:
    """The part of a path's error that nodes make; arguments as those of `path_error`."""
    nothing = {"errors": np.zeros_like(steps.errors), "inside": np.zeros_like(steps.inside)}
    return path_error(replace(steps, **nothing), drift, lasting=True)


def _totals(layout: Layout, y: np.ndarray) -> np.ndarray:
    """(Θ, Q, b, κ) of the changes of packed states."""
    n = layout.sizes[0]
    parts = [part.reshape(len(y), layout.atoms, -1).sum(axis=1) for part in (y[:, :n], y[:, n : layout.at_b])]
    return np.concatenate([*parts, y[:, layout.at_b :]], axis=1)
