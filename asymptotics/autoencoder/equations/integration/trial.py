"""One trial step of DOP853 in compiled code: its stages, its error, its dense output and how far that is from the solution."""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.code.compiled import inlined
from ....common.numerics.flows import dop853
from ....common.numerics.flows.panels import lobatto
from ...kernels.shared.calls import RATES_AT, rates_at
from ...kernels.shared.compiled_types import Given, Nodes, Room

#: Node of the dense output at which its defect is taken; its largest error between the ends in units of step × defect there
#: (steps that stability limits err most near x = 0.8, and not below 0.2); how much less exact than the ends it may be.
INSIDE: int = 6
BETWEEN, LOOSER = 0.25, 5.0
#: Error at the end of a step in units of that between its ends: over 1000 steps from all regimes (stability-limited ones too) a median of
#: 0.02 and nine tenths between 0.005 and 0.1, where what the embedded formulas extrapolate to scatters ten times as widely.
ENDS = 0.12

_A, _B, _E3, _E5, _D = dop853.A, dop853.B, dop853.E3, dop853.E5, dop853.D
_NODES = np.array(lobatto(8))


@inlined
def _stages(
    first: int, last: int, functions: np.ndarray, several: int, h: float, y: np.ndarray, new: np.ndarray, k: np.ndarray,
    given: Given, nodes: Nodes, room: Room,
) -> None:  # fmt: skip
    """k[first], …, k[last − 1]; ``new`` is the state of the last."""
    rates = rates_at(functions[RATES_AT])
    for s in range(first, last):
        for i in range(y.shape[0]):
            value = 0.0
            for j in range(s):
                value += _A[s, j] * k[j, i]
            new[i] = y[i] + h * value
        rates(functions, s * several, new, k[s], given, nodes, room)


@inlined
def all_stages(
    functions: np.ndarray, several: int, h: float, y: np.ndarray, new: np.ndarray, k: np.ndarray, given: Given,
    nodes: Nodes, room: Room,
) -> None:  # fmt: skip
    """The state ``new`` after a step of h, the stages k[1], …, k[11] that lead to it, and the derivative k[12] there.

    Parameters
    ----------
    functions : (7,)
        See `asymptotics.autoencoder.kernels.shared.calls`.
    several : int
        1 where every stage has coefficients of its own, else 0.
    y, new : (n,), (n,)
    k : (16, n)
        k[0] is the derivative at y.
    """
    rates = rates_at(functions[RATES_AT])
    _stages(1, 12, functions, several, h, y, new, k, given, nodes, room)
    for i in range(y.shape[0]):
        value = 0.0
        for j in range(12):
            value += _B[j] * k[j, i]
        new[i] = y[i] + h * value
    rates(functions, 12 * several, new, k[12], given, nodes, room)


@inlined
def embedded_error(
    h: float, rtol: float, atol: np.ndarray, y: np.ndarray, new: np.ndarray, k: np.ndarray
) -> tuple[float, bool]:
    """The error that the step control looks at; whether all is finite."""
    n = y.shape[0]
    e5 = e3 = 0.0
    finite = True
    for i in range(n):
        scale = atol[i] + rtol * max(abs(y[i]), abs(new[i]))
        u = v = 0.0
        for j in range(12):
            u += _E5[j] * k[j, i]
            v += _E3[j] * k[j, i]
        e5 += (u / scale) ** 2
        e3 += (v / scale) ** 2
        finite = finite and math.isfinite(new[i]) and math.isfinite(k[12, i])
    total = e5 + 0.01 * e3
    if total == 0.0:
        return 0.0, finite
    return abs(h) * e5 / math.sqrt(total * n), finite


@inlined
def dense_output(
    functions: np.ndarray, several: int, h: float, y: np.ndarray, new: np.ndarray, k: np.ndarray, dense: np.ndarray,
    values: np.ndarray, given: Given, nodes: Nodes, room: Room,
) -> None:  # fmt: skip
    """The polynomial between y and ``new``: its coefficients ``dense`` (7, n), and values at seven nodes (8, n)."""
    _stages(13, 16, functions, several, h, y, dense[6], k, given, nodes, room)
    for i in range(y.shape[0]):
        difference = new[i] - y[i]
        dense[0, i] = difference
        dense[1, i] = h * k[0, i] - difference
        dense[2, i] = 2.0 * difference - h * (k[12, i] + k[0, i])
        for m in range(4):
            value = 0.0
            for j in range(16):
                value += _D[m, j] * k[j, i]
            dense[3 + m, i] = h * value
    for m in range(7):
        x = _NODES[m]
        for i in range(y.shape[0]):
            value = 0.0
            for e in range(6, -1, -1):
                value = (value + dense[e, i]) * (x if e % 2 == 0 else 1.0 - x)
            values[m, i] = y[i] + value


@inlined
def bending(
    functions: np.ndarray, several: int, h: float, rtol: float, atol: np.ndarray, y: np.ndarray, new: np.ndarray,
    dense: np.ndarray, values: np.ndarray, defect: np.ndarray, given: Given, nodes: Nodes, room: Room,
) -> float:  # fmt: skip
    """How far the polynomial is from the solution between the ends of the step, by its ``defect`` at one point; 1 is allowed."""
    rates = rates_at(functions[RATES_AT])
    x, bent, n = _NODES[INSIDE], 0.0, y.shape[0]
    rates(functions, 16 * several, values[INSIDE], defect, given, nodes, room)
    for i in range(n):
        value = slope = 0.0
        for e in range(6, -1, -1):
            value += dense[e, i]
            if e % 2 == 0:
                value, slope = value * x, value + slope * x
            else:
                value, slope = value * (1.0 - x), slope * (1.0 - x) - value
        defect[i] = BETWEEN * (slope - h * defect[i])
        bent += (defect[i] / (LOOSER * (atol[i] + rtol * max(abs(y[i]), abs(new[i]))))) ** 2
    return math.sqrt(bent / n)
