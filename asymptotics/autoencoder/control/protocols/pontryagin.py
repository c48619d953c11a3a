"""What Pontryagin's principle says of a protocol: the switching function, how far it is from optimal, and bang-bang arcs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....common.input.checks import ComputationError
from ...equations.integration.stepping import StepError
from .controls import Control
from .protocol import Protocols

#: A value within this share of its bounds (a share: of one) is at them.
AT_BOUND = 1e-3
#: More arcs than this are no bang-bang protocol worth naming.
ARCS = 12


def residual(protocols: Protocols, u: np.ndarray, gradient: np.ndarray, value: float) -> float:
    """How far a protocol is from stationary: the largest change of 𝒥, to first order and relative, that one piece would give.

    Of a value between its bounds |∂𝒥/∂u| (high − low), of one at a bound what points inwards of that, of shares the gap
    Σ p_t ∂_t𝒥 − min_t ∂_t𝒥; each over the share of the horizon on which a value acts, so that it does not depend on how finely a
    control is cut. Of a spline the values are its coefficients.
    """
    worst = 0.0
    for control, g, v in zip(protocols.controls, protocols.split(gradient), protocols.split(u), strict=True):
        width = control.high - control.low
        if control.share:
            gap = np.sum(v * g, axis=1) - np.min(g, axis=1)
        else:
            inward = np.where(g > 0, v - control.low, control.high - v)
            gap = np.max(np.abs(g) * np.where(inward > 1e-9 * width, width, 0.0), axis=1)
        worst = max(worst, float(np.max(gap / control.along.areas)))
    return worst / max(abs(value), 1e-300)


@dataclass(frozen=True)
class Arcs:
    """A protocol that is at its bounds, arc by arc: values (arcs, size) between knots (arcs + 1,) in n/d."""

    value: float
    values: np.ndarray
    knots: np.ndarray
    residual: float


def bang_bang(protocols: Protocols, u: np.ndarray) -> Arcs | None:
    """The protocol with its switches where they are best, if it is at its bounds but for pieces that a switch falls in."""
    if len(protocols.controls) != 1 or protocols.varied:
        return None
    control = protocols.controls[0]
    values = protocols.split(u)[0]
    corner, at = _corners(control, values)
    arcs: list[np.ndarray] = []
    knots = [0.0]
    step = protocols.horizon / control.pieces
    j = 0
    while j < len(values):
        if not at[j]:
            # One piece between two corners: the switch is where its mean says.
            if j == 0 or j + 1 == len(values) or not at[j - 1] or not at[j + 1]:
                return None
            before, after = corner[j - 1], corner[j + 1]
            difference = after - before
            size = float(difference @ difference)
            part = float((values[j] - before) @ difference) / size if size > 0 else 1.0
            knots.append((j + 1 - float(np.clip(part, 0.0, 1.0))) * step)
            arcs.append(after)
            j += 2
            continue
        if not arcs:
            arcs.append(corner[j])
        elif not np.array_equal(arcs[-1], corner[j]):
            arcs.append(corner[j])
            knots.append(j * step)
        j += 1
    if len(arcs) < 2 or len(arcs) > ARCS:
        return None
    return _best_switches(protocols, np.array(arcs), np.array([*knots, protocols.horizon]))


def _corners(control: Control, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest corner of every value, and whether it is there."""
    if control.share:
        rest = 1 - (control.size - 1) * control.low
        corner = np.where(np.arange(control.size) == np.argmax(values, axis=1)[:, None], rest, control.low)
        if rest > control.high:
            return corner, np.zeros(len(values), dtype=bool)
        return corner, np.max(np.abs(values - corner), axis=1) < AT_BOUND
    width = control.high - control.low
    corner = np.where(values > control.low + width / 2, control.high, control.low)
    return corner, np.max(np.abs(values - corner), axis=1) < AT_BOUND * width


def _best_switches(protocols: Protocols, arcs: np.ndarray, knots: np.ndarray) -> Arcs | None:
    from scipy.optimize import Bounds, minimize

    alone = Protocols(
        protocols.setting, protocols.objective, [replace(protocols.controls[0], pieces=len(arcs))], protocols.horizon,
        protocols.method, protocols.refine,
    )  # fmt: skip
    between = (knots[1:] + knots[:-1]) / 2
    best: list[tuple[float, np.ndarray, np.ndarray]] = []

    def function(inner: np.ndarray) -> tuple[float, np.ndarray]:
        at = np.concatenate([[0.0], inner, [protocols.horizon]])
        value, slope = alone.switched(arcs, at)
        if not best or value < best[0][0]:
            best[:] = [(value, at, slope)]
        return value, slope

    low, high = between[:-1].copy(), between[1:].copy()
    # The first and the last arc may become as short as they like.
    low[0], high[-1] = 1e-6 * protocols.horizon, (1 - 1e-6) * protocols.horizon
    try:
        minimize(
            function, knots[1:-1], jac=True, method="L-BFGS-B", bounds=Bounds(low, high),
            options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 60},
        )  # fmt: skip
    except (StepError, ComputationError):
        return None
    value, at, slope = best[0]
    return Arcs(value, arcs, at, float(np.max(np.abs(slope))) * protocols.horizon / max(abs(value), 1e-300))


def switching(protocols: Protocols, gradient: np.ndarray) -> Sequence[np.ndarray]:
    """∂H/∂u on every piece, (pieces, size) by control: per n/d, what a control's value adds to the objective.

    Of a spline its mean weighted by B_j, for every coefficient.
    """
    return [
        g / c.along.areas[:, None] / protocols.horizon
        for c, g in zip(protocols.controls, protocols.split(gradient), strict=True)
    ]
