"""Compiled work at many states of a path: Jacobians by differences, errors carried along, and potentials of the loss."""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from ....common.numerics.code.compiled import inlined, njit
from ...kernels.shared.calls import AVERAGED_AT, RATES_AT, averaged_at, rates_at
from ...kernels.shared.compiled_types import ETA, FROZEN, GIVEN, NODES, ROOM, Given, Nodes, Room

#: Largest growth of an error in one step; vectors of the Krylov space in which it is followed through one; what is left of such
#: a vector, relative to it, that counts as nothing.
STEEPEST: float = 5e21
KRYLOV: int = 3
INVARIANT = 1e-5

_v, _m, _t, _i = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]


@njit(
    types.void(_i, _m, float64, _m, _t, _m, _m, GIVEN, NODES, ROOM),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def jacobians(functions, states, step, basis, J, base, quiet, given, nodes, room):  # type: ignore[no-untyped-def]
    """J[i] = basisᵀ (∂ dy/dτ) basis at every state by one-sided differences; base[i] = dy/dτ there; quiet[i] (if any) = that at η = 0.

    Parameters
    ----------
    functions : (7,)
        Addresses; see `asymptotics.autoencoder.kernels.shared.calls`.
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
    rates = rates_at(functions[RATES_AT])
    y, slope = np.empty(n), np.empty(n)
    several = 1 if given.numbers.shape[0] > 1 else 0
    for i in range(m):
        stage = i * several
        eta = given.numbers[stage, ETA]
        largest = 0.0
        for a in range(n):
            y[a] = states[i, a]
            largest = max(largest, abs(y[a]))
        if quiet.shape[0] > 0:
            given.numbers[stage, ETA] = 0.0
            rates(functions, stage, y, slope, given, nodes, room)
            for a in range(n):
                quiet[i, a] = slope[a]
            given.numbers[stage, ETA] = eta
        rates(functions, stage, y, slope, given, nodes, room)
        for a in range(n):
            base[i, a] = slope[a]
        nodes.mode[FROZEN] = 1
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
        nodes.mode[FROZEN] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def exponential_column(H: np.ndarray, m: int, length: float) -> np.ndarray:
    """The first column of exp(length × H[:m, :m]), by a Taylor polynomial of a part of it, squared."""
    size = 0.0
    for i in range(m):
        for j in range(m):
            size += abs(H[i, j])
    size *= abs(length)
    halved = 0
    while size > 0.25 and halved < 60:
        size *= 0.5
        halved += 1
    A, E, T = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m))
    for i in range(m):
        E[i, i] = T[i, i] = 1.0
        for j in range(m):
            A[i, j] = H[i, j] * length * 0.5**halved
    for order in range(1, 10):
        T = _product(T, A)
        for i in range(m):
            for j in range(m):
                T[i, j] /= order
                E[i, j] += T[i, j]
    for _ in range(halved):
        E = _product(E, E)
    return E[:, 0].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    m = A.shape[0]
    out = np.zeros((m, m))
    for i in range(m):
        for k in range(m):
            for j in range(m):
                out[i, j] += A[i, k] * B[k, j]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def orthogonalised(V: np.ndarray, H: np.ndarray, e: int) -> bool:
    """V[e + 1] made orthonormal to the rows before, with H[: e + 2, e] (one step of Arnoldi's); whether anything was left of it."""
    n = V.shape[1]
    before = 0.0
    for i in range(n):
        before += V[e + 1, i] * V[e + 1, i]
    for c in range(e + 1):
        value = 0.0
        for i in range(n):
            value += V[c, i] * V[e + 1, i]
        H[c, e] = value
        for i in range(n):
            V[e + 1, i] -= value * V[c, i]
    left = 0.0
    for i in range(n):
        left += V[e + 1, i] * V[e + 1, i]
    if not left > INVARIANT * INVARIANT * before:
        return False
    left = math.sqrt(left)
    H[e + 1, e] = left
    for i in range(n):
        V[e + 1, i] /= left
    return True


@inlined
def _krylov(
    functions: np.ndarray, stage: int, state: np.ndarray, base: np.ndarray, y: np.ndarray, slope: np.ndarray, h: float,
    V: np.ndarray, H: np.ndarray, given: Given, nodes: Nodes, room: Room,
) -> int:  # fmt: skip
    """V, H of the Krylov space of the Jacobian that V[0] spans, by differences of length h; how many vectors it has."""
    rates, used, n = rates_at(functions[RATES_AT]), 0, y.shape[0]
    while used < min(KRYLOV, n):
        for a in range(n):
            y[a] = state[a] + h * V[used, a]
        rates(functions, stage, y, slope, given, nodes, room)
        for a in range(n):
            V[used + 1, a] = (slope[a] - base[a]) / h
        used += 1
        if not orthogonalised(V, H, used - 1):
            break
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def lasting_column(H: np.ndarray, m: int, length: float) -> np.ndarray:
    """The first column of ∫₀^length exp(s × H[:m, :m]) ds: what a source makes that lasts all the time."""
    with_source = np.zeros((m + 1, m + 1))
    with_source[1, 0] = 1.0
    for i in range(m):
        for j in range(m):
            with_source[i + 1, j + 1] = H[i, j]
    return exponential_column(with_source, m + 1, length)[1:].copy()


@njit(
    types.float64(_i, _m, _v, _m, _m, _v, _v, float64, int64, GIVEN, NODES, ROOM),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def carried(functions, states, lengths, changes, errors, added, inside, displacement, lasting, given, nodes, room):  # type: ignore[no-untyped-def]
    """The largest error along a path to which every step adds; see `asymptotics.autoencoder.equations.integration.errors.path_error`.

    Parameters
    ----------
    functions : (7,)
        Addresses; see `asymptotics.autoencoder.kernels.shared.calls`.
    states, lengths : (steps, n), (steps,)
        A state of every step, with coefficients of their own where ``given`` has several stages.
    changes, errors : (steps, n), (steps, n)
        What the nodes do wrong to the derivative, and the local errors.
    added, inside : (steps,), (steps,)
        Largest entries of what a step adds, and errors of the dense output.
    displacement : float
        Of the differences, in units of 1 + |y|.
    lasting : int
        1: ``changes``, of which alone ``added`` is then made, are forgotten or grow within a step too.
    """
    m, n = states.shape
    rates = rates_at(functions[RATES_AT])
    whole, y, slope, base = np.zeros(n), np.empty(n), np.empty(n), np.empty(n)
    V, H = np.empty((KRYLOV + 1, n)), np.zeros((KRYLOV + 1, KRYLOV))
    several = 1 if given.numbers.shape[0] > 1 else 0
    error = worst = 0.0
    for k in range(m):
        size, largest, factor = 0.0, 0.0, 1.0
        for a in range(n):
            size += whole[a] * whole[a]
            largest = max(largest, abs(states[k, a]))
        size, h = math.sqrt(size), displacement * (1.0 + largest)
        if size > 0.0 or lasting == 1:
            rates(functions, k * several, states[k], base, given, nodes, room)
            nodes.mode[FROZEN] = 1
        if size > 0.0:
            for a in range(n):
                V[0, a] = whole[a] / size
            used = _krylov(functions, k * several, states[k], base, y, slope, h, V, H, given, nodes, room)
            column = exponential_column(H, used, lengths[k])
            factor = 0.0
            for e in range(used):
                factor += column[e] * column[e]
            factor = min(math.sqrt(factor), STEEPEST)
            for a in range(n):
                value = 0.0
                for e in range(used):
                    value += column[e] * V[e, a]
                whole[a] = size * value
        share, source = 1.0, 0.0
        if lasting == 1:
            for a in range(n):
                source += changes[k, a] * changes[k, a]
            source = math.sqrt(source)
        if source > 0.0:
            for a in range(n):
                V[0, a] = changes[k, a] / source
            used = _krylov(functions, k * several, states[k], base, y, slope, h, V, H, given, nodes, room)
            column = lasting_column(H, used, lengths[k])
            share = 0.0
            for e in range(used):
                share += column[e] * column[e]
                for a in range(n):
                    whole[a] += source * column[e] * V[e, a]
            share = min(math.sqrt(share) / lengths[k], STEEPEST)
        else:
            for a in range(n):
                whole[a] += lengths[k] * changes[k, a]
        for a in range(n):
            whole[a] += errors[k, a]
        nodes.mode[FROZEN] = 0
        error = error * factor + share * added[k]
        if lasting == 1:
            # What the same nodes do wrong all along goes on in the same directions: no more than its own length (atoms add up).
            size = 0.0
            for a in range(n):
                size += whole[a] * whole[a]
            error = min(error, math.sqrt(size * room.q.shape[0]))
        worst = max(worst, error + inside[k])
    return worst


@njit(
    types.void(_i, _m, _v, GIVEN, NODES, ROOM),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def potentials(functions, states, out, given, nodes, room):  # type: ignore[no-untyped-def]
    """out = E[ℓ] averaged over clusters and times, at every state."""
    averaged = averaged_at(functions[AVERAGED_AT])
    several = 1 if given.numbers.shape[0] > 1 else 0
    for i in range(states.shape[0]):
        averaged(functions, i * several, states[i], given, nodes, room)
        value = 0.0
        for g in range(given.pi.shape[0]):
            value += given.pi[g] * room.averaged[g, room.averaged.shape[1] - 1]
        out[i] = value
