"""DOP853 in compiled code, over any compiled right-hand side: steps, dense output, local errors, and a check of the nodes.

The step control is that of SciPy's solver of the same name (its numbers agree to rounding). At the end of every step the
derivative is taken a second time with the nodes shifted (`fill_lattice`): the difference says how wrong the
expectations are. Where that is more than allowed, the lattice is made finer and the step is done again.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from ....common.numerics.code.compiled import njit
from ...kernels.shared.calls import RATES_AT, rates_at
from ...kernels.shared.compiled_types import (
    DECADES,
    FIXED,
    GIVEN,
    KIND,
    LATTICE,
    NODES,
    OVERFLOW,
    REFINED,
    ROOM,
    SHIFTED,
    Nodes,
)
from .trial import ENDS, all_stages, bending, dense_output, embedded_error

#: Entries of ``clock``: τ, the next step, the end, the most that a derivative may be wrong, beyond which |y| has diverged, and how
#: fine the lattice had to be at the last step.
NOW, STEP, END, ALLOWED, LIMIT, NEEDED = range(6)
#: Entries of ``counts``: trials wanted, steps done, evaluations, status, whether k[0] is known, whether a step was rejected, states
#: of the path for whose nodes there was no room.
TRIALS, STEPS, EVALUATIONS, STATUS, KNOWN, REJECTED, CROWDED = range(7)
#: Status: on its way, at the end, diverged, too short a step (by its error; by what is not finite), no room for nodes.
RUNNING: int = 0
DONE: int = 1
DIVERGED: int = 2
SHORT: int = 3
NOT_FINITE: int = 4
NO_ROOM: int = 5
#: A lattice that errs by more than allowed is made finer by this factor (up to the second), one that errs by less than this share
#: of it coarser by what the error's exponential decay allows, at most so much at once (and down to the last).
FINER, FINEST, IDLE, COARSER, COARSEST = 1.1, 8.0, 0.2, 0.88, 0.3

_v, _m, _t, _i = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]
_SHARED = (_v, _v, _v, _m, _i, _v, _t, _m, _m, _v, GIVEN, NODES, ROOM)


@njit(cache=True, nogil=True, error_model="numpy")
def largest_total(change: np.ndarray, atoms: int, block: int, p: int) -> float:
    """Largest entry of a derivative's Θ, Q (sums over the atoms), b and κ."""
    pairs = p * (p + 1) // 2
    worst = 0.0
    for k in range(block):
        value = 0.0
        for s in range(atoms):
            value += change[s * block + k]
        worst = max(worst, abs(value))
    first = atoms * block
    for k in range(pairs):
        value = 0.0
        for s in range(atoms):
            value += change[first + s * pairs + k]
        worst = max(worst, abs(value))
    for k in range(first + atoms * pairs, change.shape[0]):
        worst = max(worst, abs(change[k]))
    return worst


@njit(types.float64(_i, int64, _v, _v, _v, GIVEN, NODES, ROOM), cache=True, nogil=True, error_model="numpy")
def nodes_error(functions, stage, y, slope, change, given, nodes, room):  # type: ignore[no-untyped-def]
    """``change`` = the derivative with shifted nodes minus ``slope``; its largest entry."""
    if nodes.mode[KIND] == FIXED:
        change[:] = 0.0
        return 0.0
    nodes.mode[SHIFTED] = 1
    rates = rates_at(functions[RATES_AT])
    rates(functions, stage, y, change, given, nodes, room)
    nodes.mode[SHIFTED] = 0
    for i in range(y.shape[0]):
        change[i] -= slope[i]
    return largest_total(change, room.q.shape[0], room.theta.shape[1] * room.theta.shape[2], room.q.shape[1])


@njit(cache=True, nogil=True, error_model="numpy")
def coarser(worst: float, allowed: float, nodes: Nodes) -> float:
    """Factor on the dual vectors after which an error of ``worst`` is `IDLE` × allowed, as it falls by e^{decades} with their length."""
    if nodes.mode[KIND] != LATTICE or not worst < IDLE * allowed:
        return 1.0
    spare = math.log(IDLE * allowed / max(worst, 1e-300)) / (2.0 * nodes.law[DECADES])
    return max(COARSER, 1.0 - spare)


@njit(cache=True, nogil=True, error_model="numpy")
def foresee(worst: float, clock: np.ndarray, nodes: Nodes) -> None:
    """Take a lattice for the next step that errs by `IDLE` × allowed, where what is needed goes on rising as it did."""
    refined = nodes.law[REFINED]
    excess = math.log(max(worst, 1e-300) / (IDLE * clock[ALLOWED])) / (2.0 * nodes.law[DECADES])
    needed = refined * (1.0 + excess)
    rising = max(needed - clock[NEEDED], 0.0) if clock[NEEDED] > 0.0 else 0.0
    clock[NEEDED] = needed
    nodes.law[REFINED] = max(min(needed + rising, FINER * refined), COARSER * refined, COARSEST)


@njit(types.void(_i, float64, *_SHARED), cache=True, nogil=True, error_model="numpy")
def begin(functions, rtol, clock, atol, y, k, counts, knots, values, errors, changes, inside, given, nodes, room):  # type: ignore[no-untyped-def]
    """k[0], a lattice fine enough for the start, changes[0], and the first step (as SciPy chooses it)."""
    n = y.shape[0]
    clock[NEEDED] = 0.0
    rates = rates_at(functions[RATES_AT])
    rates(functions, 0, y, k[0], given, nodes, room)
    counts[EVALUATIONS] += 1
    nodes.mode[OVERFLOW] = 0
    finer = False
    while True:
        worst = nodes_error(functions, 0, y, k[0], changes[0], given, nodes, room)
        counts[EVALUATIONS] += nodes.mode[KIND] != FIXED
        factor = 1.0
        if not finer and nodes.law[REFINED] > COARSEST:
            factor = coarser(worst, clock[ALLOWED], nodes)
        if worst > clock[ALLOWED] and nodes.law[REFINED] < FINEST and nodes.mode[OVERFLOW] == 0:
            factor, finer = FINER, True
        if nodes.mode[KIND] != LATTICE or (factor > 0.98 and factor <= 1.0):
            break
        nodes.law[REFINED] *= factor
        rates(functions, 0, y, k[0], given, nodes, room)
        counts[EVALUATIONS] += 1
    counts[KNOWN] = 1
    d0 = d1 = d2 = 0.0
    for i in range(n):
        scale = atol[i] + rtol * abs(y[i])
        d0 += (y[i] / scale) ** 2
        d1 += (k[0, i] / scale) ** 2
    d0, d1 = math.sqrt(d0 / n), math.sqrt(d1 / n)
    length = clock[END] - clock[NOW]
    h = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    h = min(h, length)
    for i in range(n):
        k[2, i] = y[i] + h * k[0, i]
    rates(functions, 0, k[2], k[1], given, nodes, room)
    counts[EVALUATIONS] += 1
    for i in range(n):
        d2 += ((k[1, i] - k[0, i]) / (atol[i] + rtol * abs(y[i]))) ** 2
    d2 = math.sqrt(d2 / n) / h
    largest = max(d1, d2)
    other = max(1e-6, h * 1e-3) if largest <= 1e-15 else (0.01 / largest) ** (1.0 / 8.0)
    h = min(100.0 * h, other, length)
    # (What is not a number here is told by the first step.)
    clock[STEP] = h if h > 0.0 else 1e-6 * length


@njit(types.void(_i, float64, *_SHARED), cache=True, nogil=True, error_model="numpy")
def advance(functions, rtol, clock, atol, y, k, counts, knots, values, errors, changes, inside, given, nodes, room):  # type: ignore[no-untyped-def]
    """Trial steps from clock[NOW] towards clock[END], as many as wanted, there is room for and are needed.

    Parameters
    ----------
    functions : (7,)
        Addresses of a denoiser's own functions and of the right-hand side (`asymptotics.autoencoder.kernels.shared.calls`).
    rtol, atol : float, (n,)
    clock, counts : (6,), (7,)
        See the names above.
    y : (n,)
        The state, in place.
    k : (16, n)
        Stages; k[0] is the derivative at y.
    knots, values, errors, changes, inside : (steps + 1,), (steps, 8, n), (steps, n), (steps + 1, n), (steps,)
        Ends of the steps, dense output, local errors, errors of the derivative by its nodes, errors of the dense output.
    given, nodes, room :
        What `rates` takes.
    """
    n = y.shape[0]
    rates = rates_at(functions[RATES_AT])
    several = 1 if given.numbers.shape[0] > 1 else 0
    new, dense, defect = np.empty(n), np.empty((7, n)), np.empty(n)
    for _ in range(counts[TRIALS]):
        if counts[STATUS] != RUNNING or counts[STEPS] == values.shape[0]:
            return
        t, remaining = clock[NOW], clock[END] - clock[NOW]
        h = min(clock[STEP], remaining)
        if counts[KNOWN] == 0:
            rates(functions, 0, y, k[0], given, nodes, room)
            counts[EVALUATIONS] += 1
            counts[KNOWN] = 1
        all_stages(functions, several, h, y, new, k, given, nodes, room)
        counts[EVALUATIONS] += 12
        step = counts[STEPS]
        error, finite = embedded_error(h, rtol, atol, y, new, k)
        if not finite or not error < 1.0:
            counts[REJECTED] = 1
            clock[STEP] = h * (max(0.2, 0.9 * error ** (-0.125)) if finite and error >= 1.0 else 0.2)
            if not clock[STEP] > 1e-14 * clock[END]:
                counts[STATUS] = SHORT if finite else NOT_FINITE
            continue
        dense_output(functions, several, h, y, new, k, dense, values[step], given, nodes, room)
        bent = bending(functions, several, h, rtol, atol, y, new, dense, values[step], defect, given, nodes, room)
        counts[EVALUATIONS] += 4
        if not bent < 1.0:
            counts[REJECTED] = 1
            clock[STEP] = h * max(0.2, 0.9 * bent ** (-0.125))
            if not clock[STEP] > 1e-14 * clock[END]:
                counts[STATUS] = SHORT
            continue
        inside[step] = largest_total(
            defect, room.q.shape[0], room.theta.shape[1] * room.theta.shape[2], room.q.shape[1]
        )
        nodes.mode[OVERFLOW] = 0
        worst = nodes_error(functions, 12 * several, new, k[12], changes[step + 1], given, nodes, room)
        counts[EVALUATIONS] += nodes.mode[KIND] != FIXED
        crowded = nodes.mode[OVERFLOW] == 1
        if crowded and worst > clock[ALLOWED]:
            counts[CROWDED] += 1
            counts[STATUS] = NO_ROOM
            continue
        if not crowded and nodes.mode[KIND] == LATTICE and worst > clock[ALLOWED] and nodes.law[REFINED] < FINEST:
            nodes.law[REFINED] *= FINER
            counts[KNOWN] = 0
            continue
        if nodes.mode[KIND] == LATTICE:
            foresee(worst, clock, nodes)
        largest = 0.0
        for i in range(n):
            largest = max(largest, abs(new[i]))
        if largest > clock[LIMIT]:
            clock[NOW] = t + h
            counts[STATUS] = DIVERGED
            continue
        for i in range(n):
            errors[step, i] = ENDS * defect[i]
            y[i] = new[i]
            values[step, 7, i] = new[i]
            k[0, i] = k[12, i]
        largest = max(error, bent)
        factor = 10.0 if largest == 0.0 else min(10.0, 0.9 * largest ** (-0.125))
        if counts[REJECTED] == 1:
            factor = min(1.0, factor)
        counts[REJECTED] = 0
        last = h >= remaining
        clock[NOW] = clock[END] if last else t + h
        clock[STEP] = h * factor
        counts[STEPS] = step + 1
        knots[step + 1] = clock[NOW]
        if last:
            counts[STATUS] = DONE
