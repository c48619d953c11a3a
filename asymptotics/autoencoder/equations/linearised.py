"""Compiled work at many states of a path: Jacobians by differences, and potentials of the loss."""

from __future__ import annotations

import numpy as np
from numba import float64, int64, types

from ...common.numerics.compiled import njit
from ..kernels.compiled_types import ETA, GIVEN, NODES, ROOM
from ..kernels.rates import averaged, rates

_v, _m, _t, _i = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]


@njit(
    types.void(_i, _m, float64, _m, _t, _m, _m, GIVEN, NODES, ROOM),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def jacobians(functions, states, step, basis, J, base, quiet, given, nodes, room):  # type: ignore[no-untyped-def]
    """J[i] = basisᵀ (∂ dy/dτ) basis at every state by one-sided differences; base[i] = dy/dτ there; quiet[i] = that at η = 0.

    Parameters
    ----------
    functions : (4,)
        Addresses of a denoiser's own functions.
    states : (m, n)
        With coefficients of their own where ``given`` has several stages.
    step : float
        Displacement, in units of 1 + |y|.
    basis : (n, r)
        Orthonormal columns.
    J, base, quiet : (m, r, r), (m, n), (m, n)
        Filled here.
    """
    m, n = states.shape
    r = basis.shape[1]
    y, slope = np.empty(n), np.empty(n)
    several = 1 if given.numbers.shape[0] > 1 else 0
    for i in range(m):
        stage = i * several
        eta = given.numbers[stage, ETA]
        largest = 0.0
        for a in range(n):
            y[a] = states[i, a]
            largest = max(largest, abs(y[a]))
        given.numbers[stage, ETA] = 0.0
        rates(functions, stage, y, slope, given, nodes, room)
        quiet[i] = slope
        given.numbers[stage, ETA] = eta
        rates(functions, stage, y, slope, given, nodes, room)
        base[i] = slope
        h = step * (1.0 + largest)
        for e in range(r):
            for a in range(n):
                y[a] = states[i, a] + h * basis[a, e]
            rates(functions, stage, y, slope, given, nodes, room)
            for a in range(n):
                slope[a] = (slope[a] - base[i, a]) / h
            for c in range(r):
                value = 0.0
                for a in range(n):
                    value += basis[a, c] * slope[a]
                J[i, c, e] = value


@njit(
    types.void(_i, _m, _v, GIVEN, NODES, ROOM),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def potentials(functions, states, out, given, nodes, room):  # type: ignore[no-untyped-def]
    """out = E[ℓ] averaged over clusters and times, at every state."""
    y = np.empty(states.shape[1])
    several = 1 if given.numbers.shape[0] > 1 else 0
    for i in range(states.shape[0]):
        y[:] = states[i]
        averaged(functions, i * several, y, given, nodes, room)
        value = 0.0
        for g in range(given.pi.shape[0]):
            value += given.pi[g] * room.averaged[g, room.averaged.shape[1] - 1]
        out[i] = value
