"""The whole right-hand side in compiled code: packed state → fields → nodes → moments → packed derivative.

What every denoiser shares stands here, compiled once for all; what a denoiser has of its own (``moments``, ``noise``,
``increments`` and ``linear`` of its generated module) is called by its address.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...common.numerics.compiled import njit
from ...common.numerics.lattices import dual_radius, fill_lattice, finest_level, level_of
from ...common.numerics.pointers import function_at
from ...common.numerics.truncated import split_axis
from .assembly import assemble
from .compiled_types import (
    AVERAGED,
    BATCH,
    COUNT,
    COUNT_SHIFTED,
    CUT,
    DECADES,
    DISTANCE,
    ETA,
    FROZEN,
    FUNCTIONS,
    GAUSSIAN,
    KIND,
    LAMBDA,
    LATTICE,
    OF_B,
    OF_KAPPA,
    ORDER,
    ORTHANT,
    OVERFLOW,
    PRUNED,
    RATES,
    REFINED,
    RUNG,
    RUNG_SHIFTED,
    SHIFTED,
    USED,
    Given,
    Nodes,
    Room,
)
from .fields import channel_roots, conditions, overlap_sums
from .regression import regress

_moments, _noise, _increments, _linear, _breaks = (function_at(signature) for _, signature in FUNCTIONS)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def unpack(stage: int, y: np.ndarray, given: Given, room: Room) -> None:
    """Θ(s), q(s), b, κ of a packed state (see `Layout`), q held where it follows Θ; the network's own part; s(t)."""
    theta, q = room.theta, room.q
    S, P, K = theta.shape
    m = 0
    for s in range(S):
        for a in range(P):
            for k in range(K):
                theta[s, a, k] = y[m]
                m += 1
    for s in range(S):
        for a in range(P):
            for e in range(a, P):
                q[s, a, e] = y[m]
                q[s, e, a] = y[m]
                m += 1
    for k in range(room.b.shape[0]):
        room.b[k] = y[m]
        m += 1
    for k in range(room.kappa.shape[0]):
        room.kappa[k] = y[m + k]
    for n in range(given.held.shape[0]):
        s = given.held[n]
        for a in range(P):
            for e in range(P):
                value = 0.0
                for k in range(K):
                    for j in range(K):
                        value += theta[s, a, k] * given.lift[n, k, j] * theta[s, e, j]
                q[s, a, e] = value
    p = room.own_q.shape[1]
    for s in range(S):
        for a in range(p):
            for k in range(K):
                room.own_theta[s, a, k] = theta[s, a, k]
            for e in range(p):
                room.own_q[s, a, e] = q[s, a, e]
    for h in range(room.skip.shape[0]):
        value = given.fixed[stage, h]
        for k in range(given.psi.shape[1]):
            value += room.b[k] * given.psi[stage, k, h]
        room.skip[h] = value


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def set_laws(stage: int, given: Given, room: Room) -> None:
    """The laws of the fields in every condition (cell 0 at all times, cell 1 …), and what else depends on the time and the cell."""
    told = given.told[stage]
    times = told.shape[1]
    for i in range(room.tiled.shape[1]):
        h = i % times
        for k in range(5):
            room.tiled[k, i] = told[k, h]
        room.tiled[5, i] = room.skip[h]
        for k in range(room.told.shape[1]):
            room.told[i, k] = given.labels[i // times, k]
        room.mixing[0, i], room.mixing[1, i] = told[0, h], told[1, h]
        room.mixing[2, i], room.mixing[3, i] = room.c0[h], room.c1[h]
    overlap_sums(room.own_theta, room.own_q, given.c, given.varsigma, room.Q, room.M, room.Qc)
    conditions(
        room.Q, room.M, room.Qc, told[0], told[1], room.c0, room.c1, given.encoders, given.decoders, room.mean,
        room.root, room.inverse, room.emean, room.eroot, room.cross, room.residual,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def lattice_nodes(nodes: Nodes, room: Room) -> tuple[bool, int]:
    """Which of the two tables to take, and how many nodes of it; tables are made anew where the fields need another spacing."""
    mode, law = nodes.mode, nodes.law
    shifted = mode[SHIFTED] == 1
    if mode[KIND] != LATTICE:
        return False, nodes.w.shape[0]
    if mode[FROZEN] == 1 and not shifted:
        return False, mode[COUNT]
    root = room.root
    widest = 0.0
    for i in range(root.shape[0]):
        for a in range(root.shape[1]):
            value = 0.0
            for e in range(root.shape[2]):
                value += root[i, a, e] * root[i, a, e]
            widest = max(widest, value)
    if not widest < 1e300:
        widest = 1.0
    radius = dual_radius(math.sqrt(widest), law[DECADES], law[DISTANCE], law[ORDER], law[GAUSSIAN])
    rung = level_of(radius * law[REFINED])
    which, number = (RUNG_SHIFTED, COUNT_SHIFTED) if shifted else (RUNG, COUNT)
    z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
    # The shifted nodes reach farther: a ball that is too small shows too.
    cut = law[CUT] + (0.5 if shifted else 0.0)
    finest = finest_level(z.shape[1], cut, w.shape[0])
    if rung < finest:
        # No room: the caller is told, and the check of the nodes says how wrong that is.
        rung = finest
        mode[OVERFLOW] = 1
    if rung != mode[which]:
        mode[which] = rung
        mode[number] = max(fill_lattice(rung, cut, shifted, z, w), 1)
    count = mode[number]
    mode[USED] = max(mode[USED], count)
    return shifted, count


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def average_over_times(stage: int, given: Given, room: Room) -> None:
    """room.averaged = E_t of room.out, cell by cell; N with the weights of squares."""
    times, first, count = given.first.shape[1], given.columns[6], room.noise.shape[1]
    for g in range(room.averaged.shape[0]):
        for k in range(room.averaged.shape[1]):
            squared = first <= k < first + count
            value = 0.0
            for h in range(times):
                weight = given.second[stage, h] if squared else given.first[stage, h]
                value += weight * room.out[g * times + h, k]
            room.averaged[g, k] = value


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def share_noise(stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """N of a sample that serves all times in its columns, and all N over the samples of a step."""
    first, count, batch = given.columns[6], room.noise.shape[1], given.numbers[stage, BATCH]
    for g in range(room.averaged.shape[0]):
        for k in range(count):
            value = room.noise[g, k] if nodes.pair_w.shape[0] > 0 else room.averaged[g, first + k]
            room.averaged[g, first + k] = value / batch


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def pack(stage: int, y: np.ndarray, given: Given, room: Room, dy: np.ndarray) -> None:
    """dΘ(s), upper dq(s), db, dκ, and what the averages of b and κ do, in one vector."""
    S, P, K = room.dtheta.shape
    m = 0
    for s in range(S):
        for a in range(P):
            for k in range(K):
                dy[m] = room.dtheta[s, a, k]
                m += 1
    for s in range(S):
        for a in range(P):
            for e in range(a, P):
                dy[m] = room.dq[s, a, e]
                m += 1
    start, basis, parameters = m, room.b.shape[0], room.kappa.shape[0]
    for k in range(basis):
        value = 0.0
        if k < given.psi.shape[1]:
            for h in range(room.slope.shape[0]):
                value += given.psi[stage, k, h] * given.first[stage, h] * room.slope[h]
        dy[m] = given.numbers[stage, OF_B] * value
        m += 1
    for k in range(parameters):
        value = 0.0
        for g in range(given.pi.shape[0]):
            value += given.pi[g] * room.averaged[g, given.columns[7] + k]
        dy[m] = given.numbers[stage, OF_KAPPA] * value
        m += 1
    for a in range(given.gammas.shape[1]):
        for k in range(basis + parameters):
            dy[m] = given.gammas[stage, a] * (y[start + k] - y[m])
            m += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _conditional(i: int, room: Room) -> np.ndarray:
    """Order of the fields of condition i, widest first, and the triangular root in that order (`room.conditional`)."""
    root, L = room.root[i], room.conditional[i]
    n, J = root.shape[0], room.eroot.shape[1]
    omega, order = np.empty((n, n)), np.arange(n)
    for a in range(n):
        for e in range(n):
            value = 0.0
            for k in range(n):
                value += root[a, k] * root[e, k]
            omega[a, e] = value
    # Cholesky with pivoting: at every step the field that is widest given the ones before.
    left = np.empty(n)
    for a in range(n):
        left[a] = omega[a, a]
    largest = 1e-300
    for a in range(n):
        largest = max(largest, left[a])
    scale = 1e-14 * largest
    L[:] = 0.0
    for k in range(n):
        widest = k
        for a in range(k + 1, n):
            if left[order[a]] > left[order[widest]]:
                widest = a
        order[k], order[widest] = order[widest], order[k]
        at = order[k]
        if left[at] <= scale:
            break
        pivot = math.sqrt(left[at])
        L[at, k] = pivot
        for a in range(k + 1, n):
            other = order[a]
            value = omega[other, at]
            for m in range(k):
                value -= L[other, m] * L[at, m]
            L[other, k] = value / pivot
            left[other] -= L[other, k] * L[other, k]
    # e = … + Cov(e, ω) Ω⁺ L z.
    for j in range(J):
        for k in range(n):
            value = 0.0
            for a in range(n):
                inner = 0.0
                for m in range(n):
                    inner += room.inverse[i, a, m] * L[m, k]
                value += room.eroot[i, j, a] * inner
            room.econditional[i, j, k] = value
    return order


@njit(cache=True, nogil=True, error_model="numpy")
def orthant_nodes(i: int, nodes: Nodes, room: Room) -> int:
    """Nodes of condition i: every field given the ones before, split at its break; their number."""
    shifted = nodes.mode[SHIFTED] == 1
    outer, inner = (nodes.shifted_outer, nodes.shifted_inner) if shifted else (nodes.outer, nodes.inner)
    pruned = nodes.law[PRUNED] * (0.1 if shifted else 1.0)
    order, L = _conditional(i, room), room.conditional[i]
    n = L.shape[0]
    most = 2 * max(outer.shape[2], inner.shape[2])
    z, w = np.empty((n, most)), np.empty((n, most))
    number, place, weight = np.zeros(n, np.int64), np.zeros(n, np.int64), np.ones(n + 1)
    count, level = 0, 0
    fresh = True
    while level >= 0:
        if fresh:
            at = order[level]
            s = L[at, level]
            if s > 0.0:
                mean = room.mean[i, at]
                for k in range(level):
                    mean += L[at, k] * z[k, place[k]]
                t = (room.breaks[i, at] - mean) / s
                negligible = pruned / max(weight[level], 1e-300)
                number[level] = split_axis(t, inner if level == n - 1 else outer, negligible, z[level], w[level])
            else:
                z[level, 0], w[level, 0] = 0.0, 1.0
                number[level] = 1
            place[level] = 0
        else:
            place[level] += 1
        if place[level] >= number[level]:
            level -= 1
            fresh = False
            continue
        weight[level + 1] = weight[level] * w[level, place[level]]
        if weight[level + 1] < pruned:
            fresh = False
            continue
        if level < n - 1:
            level += 1
            fresh = True
            continue
        for k in range(n):
            nodes.z[count, k] = z[k, place[k]]
        nodes.w[count] = weight[n]
        count += 1
        fresh = False
    total = 0.0
    for k in range(count):
        total += nodes.w[k]
    for k in range(count):
        nodes.w[k] /= total
    nodes.mode[USED] = max(nodes.mode[USED], count)
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _all_zero(values: np.ndarray) -> bool:
    for row in values:
        for value in row:
            if value != 0.0:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def average(functions, stage, y, given, nodes, room):  # type: ignore[no-untyped-def]
    """Fills room.averaged with the moments of every cell, averaged over the times.

    Parameters
    ----------
    functions : (5,)
        Addresses (`FUNCTIONS`).
    stage : int
        Which of the coefficients to take.
    y : (size,)
    given, nodes, room : Given, Nodes, Room
    """
    moments, noise, linear = _moments(functions[0]), _noise(functions[1]), _linear(functions[3])
    breaks = _breaks(functions[4])
    unpack(stage, y, given, room)
    told, tiled = given.told[stage], room.tiled
    linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    if nodes.mode[KIND] == ORTHANT:
        now = np.empty(5)
        for i in range(room.mean.shape[0]):
            for k in range(5):
                now[k] = tiled[k, i]
            breaks(now, room.told[i], room.kappa, room.breaks[i])
            count = orthant_nodes(i, nodes, room)
            moments(
                nodes.z[:count], nodes.w[:count], room.mean[i : i + 1], room.conditional[i : i + 1],
                room.emean[i : i + 1], room.econditional[i : i + 1], room.residual[i : i + 1], room.Q,
                tiled[0, i : i + 1], tiled[1, i : i + 1], tiled[2, i : i + 1], tiled[3, i : i + 1],
                tiled[4, i : i + 1], tiled[5, i : i + 1], room.told[i : i + 1], room.kappa, room.out[i : i + 1],
            )  # fmt: skip
    else:
        shifted, count = lattice_nodes(nodes, room)
        z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
        if given.parity.shape[0] == 0:
            moments(
                z[:count], w[:count], room.mean, room.root, room.emean, room.eroot, room.residual, room.Q,
                tiled[0], tiled[1], tiled[2], tiled[3], tiled[4], tiled[5], room.told, room.kappa, room.out,
            )  # fmt: skip
        else:
            # A lattice about a point of it is its own mirror image, node by node.
            halved = nodes.mode[KIND] == LATTICE and not shifted and count % 2 == 1
            times, middle, cells = given.first.shape[1], count // 2, given.twin.shape[0]
            g = 0
            while g < cells:
                a, twin = g * times, given.twin[g]
                if twin >= 0 and twin < g:
                    for i in range(times):
                        for k in range(room.out.shape[1]):
                            room.out[a + i, k] = given.parity[k] * room.out[twin * times + i, k]
                    g += 1
                    continue
                # What is odd has no mean where the fields have none: exactly, or a state of rest would be left by roundings.
                b = a + times
                centred = _all_zero(room.mean[a:b]) and _all_zero(room.emean[a:b])
                g += 1
                # Cells that are neither mirrored nor centred go together.
                while not centred and g < cells and given.twin[g] == -1:
                    b += times
                    g += 1
                half = halved and centred
                number = middle + 1 if half else count
                if half:
                    w[middle] *= 0.5
                moments(
                    z[:number], w[:number], room.mean[a:b], room.root[a:b], room.emean[a:b], room.eroot[a:b],
                    room.residual[a:b], room.Q, tiled[0, a:b], tiled[1, a:b], tiled[2, a:b], tiled[3, a:b],
                    tiled[4, a:b], tiled[5, a:b], room.told[a:b], room.kappa, room.out[a:b],
                )  # fmt: skip
                if half:
                    w[middle] *= 2.0
                if centred:
                    scale = 1.0 if half else 0.5
                    for i in range(a, b):
                        for k in range(room.out.shape[1]):
                            room.out[i, k] *= scale * (1.0 + given.parity[k])
    regress(room.out, given, room)
    average_over_times(stage, given, room)
    if nodes.pair_w.shape[0] > 0:
        zero, one = channel_roots(room.Q, room.M, room.Qc, given.encoders, given.decoders)
        noise(
            nodes.pair_z, nodes.pair_w, one[0], zero[1], one[1], one[3], zero[4], one[4], zero[6], one[6], room.Q,
            told[0], told[1], told[2], told[3], told[4], given.first[stage], room.skip, given.labels, room.kappa,
            room.noise,
        )  # fmt: skip
    share_noise(stage, given, nodes, room)


@njit(AVERAGED, cache=True, nogil=True, error_model="numpy")
def averaged(functions, stage, y, given, nodes, room):  # type: ignore[no-untyped-def]
    """`average` by its address."""
    average(functions, stage, y, given, nodes, room)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def finish(stage: int, y: np.ndarray, dy: np.ndarray, given: Given, room: Room) -> None:
    """dy/dτ from what a gradient step does."""
    assemble(
        room.A, room.B, room.N, given.pi, given.c, given.t, given.mass, room.theta, room.q, given.numbers[stage, ETA],
        given.R[stage], given.L[stage], room.dtheta, room.dq,
    )  # fmt: skip
    pack(stage, y, given, room, dy)


@njit(RATES, cache=True, nogil=True, error_model="numpy")
def rates(functions, stage, y, dy, given, nodes, room):  # type: ignore[no-untyped-def]
    """dy/dτ of a packed state; arguments as those of `average`."""
    average(functions, stage, y, given, nodes, room)
    _increments(functions[2])(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    finish(stage, y, dy, given, room)


def averaged_by_arrays(module: Any, stage: int, y: np.ndarray, given: Given, nodes: Nodes, room: Room) -> None:
    """`averaged` with the functions of the NumPy back end."""
    unpack(stage, y, given, room)
    told, tiled = given.told[stage], room.tiled
    module.linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    shifted, count = lattice_nodes(nodes, room)
    z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
    fields = room.mean, room.root, room.emean, room.eroot, room.residual
    module.moments(z[:count], w[:count], *fields, room.Q, *tiled, room.told, room.kappa, room.out)
    regress(room.out, given, room)
    average_over_times(stage, given, room)
    if len(nodes.pair_w):
        zero, one = channel_roots(room.Q, room.M, room.Qc, given.encoders, given.decoders)
        laws = one[0], zero[1], one[1], one[3], zero[4], one[4], zero[6], one[6]
        times = *told, given.first[stage], room.skip
        module.noise(nodes.pair_z, nodes.pair_w, *laws, room.Q, *times, given.labels, room.kappa, room.noise)
    share_noise(stage, given, nodes, room)


def rates_by_arrays(
    module: Any, stage: int, y: np.ndarray, dy: np.ndarray, given: Given, nodes: Nodes, room: Room
) -> None:
    """`rates` with the functions of the NumPy back end."""
    averaged_by_arrays(module, stage, y, given, nodes, room)
    module.increments(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    finish(stage, y, dy, given, room)
