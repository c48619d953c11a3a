"""The whole right-hand side in compiled code: packed state → fields → nodes → moments → packed derivative.

What every denoiser shares stands here, compiled once for all; what a denoiser has of its own (``moments``, ``noise``,
``increments`` and ``linear`` of its generated module) is called by its address.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.numerics.code.compiled import njit
from ...common.numerics.code.pointers import function_at
from ...common.numerics.quadrature.lattices import fill_lattice, finest_level, level_of
from .assembly import assemble
from .calls import AVERAGED_AT, averaged_at
from .compiled_types import (
    AVERAGED,
    BATCH,
    COUNT,
    COUNT_SHIFTED,
    CUT,
    ETA,
    FROZEN,
    FUNCTIONS,
    KIND,
    LAMBDA,
    LATTICE,
    OF_B,
    OF_KAPPA,
    ORTHANT,
    OVERFLOW,
    RATES,
    RUNG,
    RUNG_SHIFTED,
    SHIFTED,
    STRETCHED,
    USED,
    Given,
    Nodes,
    Room,
)
from .conditioned import choose_axes, conditioned_nodes, dual_vector, widest_field
from .fields import channel_roots, conditions, overlap_sums
from .regression import regress

_moments, _noise, _increments, _linear, _breaks = (function_at(signature) for _, signature in FUNCTIONS)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
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


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
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


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def lattice_nodes(nodes: Nodes, room: Room) -> tuple[bool, int]:
    """Which of the two tables to take, and how many nodes of it; tables are made anew where the fields need another spacing."""
    mode, law = nodes.mode, nodes.law
    shifted = mode[SHIFTED] == 1
    if mode[KIND] != LATTICE:
        return False, nodes.w.shape[0]
    if mode[FROZEN] == 1 and not shifted:
        return False, mode[COUNT]
    rung = level_of(dual_vector(widest_field(room), law))
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


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
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


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def share_noise(stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """N of a sample that serves all times in its columns, and all N over the samples of a step."""
    first, count, batch = given.columns[6], room.noise.shape[1], given.numbers[stage, BATCH]
    for g in range(room.averaged.shape[0]):
        for k in range(count):
            value = room.noise[g, k] if nodes.pair_w.shape[0] > 0 else room.averaged[g, first + k]
            room.averaged[g, first + k] = value / batch


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
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
def _all_zero(values: np.ndarray) -> bool:
    for row in values:
        for value in row:
            if value != 0.0:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _moments_of(
    address: int, a: int, b: int, z: np.ndarray, w: np.ndarray, root: np.ndarray, eroot: np.ndarray, room: Room
) -> None:
    """room.out of the conditions a, …, b − 1."""
    moments, tiled = _moments(address), room.tiled
    moments(
        z, w, room.mean[a:b], root[a:b], room.emean[a:b], eroot[a:b], room.residual[a:b], room.Q, tiled[0, a:b],
        tiled[1, a:b], tiled[2, a:b], tiled[3, a:b], tiled[4, a:b], tiled[5, a:b], room.told[a:b], room.kappa,
        room.out[a:b],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _as_its_twin(g: int, times: int, given: Given, room: Room) -> bool:
    """Whether the moments of a cell were those of an earlier one of opposite means, but for signs; then they are set."""
    twin = given.twin[g]
    if twin < 0 or twin >= g:
        return False
    for i in range(times):
        for k in range(room.out.shape[1]):
            room.out[g * times + i, k] = given.parity[k] * room.out[twin * times + i, k]
    return True


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _without_odd(a: int, b: int, half: bool, given: Given, room: Room) -> None:
    """What is odd has no mean where the fields have none: exactly, or a state of rest would be left by roundings.

    ``half``: of what is even half was summed.
    """
    scale = 1.0 if half else 0.5
    for i in range(a, b):
        for k in range(room.out.shape[1]):
            room.out[i, k] *= scale * (1.0 + given.parity[k])


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def by_table(address: int, given: Given, nodes: Nodes, room: Room) -> None:
    """room.out with the same nodes z in every condition."""
    shifted, count = lattice_nodes(nodes, room)
    z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
    if given.parity.shape[0] == 0:
        _moments_of(address, 0, room.mean.shape[0], z[:count], w[:count], room.root, room.eroot, room)
        return
    # A lattice about a point of it is its own mirror image, node by node.
    halved = nodes.mode[KIND] == LATTICE and not shifted and count % 2 == 1
    times, middle, cells = given.first.shape[1], count // 2, given.twin.shape[0]
    g = 0
    while g < cells:
        a, b = g * times, (g + 1) * times
        g += 1
        if _as_its_twin(g - 1, times, given, room):
            continue
        centred = _all_zero(room.mean[a:b]) and _all_zero(room.emean[a:b])
        # Cells that are neither mirrored nor centred go together.
        while not centred and g < cells and given.twin[g] == -1 and not _all_zero(room.mean[b : b + times]):
            b += times
            g += 1
        half = halved and centred
        number = middle + 1 if half else count
        if half:
            w[middle] *= 0.5
        _moments_of(address, a, b, z[:number], w[:number], room.root, room.eroot, room)
        if half:
            w[middle] *= 2.0
        if centred:
            _without_odd(a, b, half, given, room)


@njit(cache=True, nogil=True, error_model="numpy")
def by_condition(address: int, given: Given, nodes: Nodes, room: Room) -> None:
    """room.out with nodes of every condition's own."""
    times, mirror, n = given.first.shape[1], given.parity.shape[0] > 0, room.mean.shape[1]
    for g in range(given.twin.shape[0]):
        a, b = g * times, (g + 1) * times
        if mirror and _as_its_twin(g, times, given, room):
            continue
        centred = mirror and _all_zero(room.mean[a:b]) and _all_zero(room.emean[a:b])
        half = centred and nodes.mode[KIND] == LATTICE and _all_zero(room.breaks[a:b, :n])
        for i in range(a, b):
            count = conditioned_nodes(i, half, nodes, room)
            _moments_of(address, i, i + 1, nodes.z[:count], nodes.w[:count], room.conditional, room.econditional, room)
        if centred:
            _without_odd(a, b, False, given, room)


@njit(AVERAGED, cache=True, nogil=True, error_model="numpy")
def averaged(functions, stage, y, given, nodes, room):  # type: ignore[no-untyped-def]
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
    noise, linear, breaks = _noise(functions[1]), _linear(functions[3]), _breaks(functions[4])
    unpack(stage, y, given, room)
    told, tiled = given.told[stage], room.tiled
    linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    if nodes.mode[KIND] == LATTICE:
        choose_axes(nodes, room)
    if nodes.mode[KIND] == ORTHANT or nodes.mode[STRETCHED] == 1:
        now = np.empty(5)
        for i in range(room.mean.shape[0]):
            for k in range(5):
                now[k] = tiled[k, i]
            breaks(now, room.told[i], room.kappa, room.breaks[i])
        by_condition(functions[0], given, nodes, room)
    else:
        by_table(functions[0], given, nodes, room)
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


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def finish(stage: int, y: np.ndarray, dy: np.ndarray, given: Given, room: Room) -> None:
    """dy/dτ from what a gradient step does."""
    assemble(
        room.A, room.B, room.N, given.pi, given.c, given.t, given.mass, room.theta, room.q, given.numbers[stage, ETA],
        given.R[stage], given.L[stage], room.dtheta, room.dq,
    )  # fmt: skip
    pack(stage, y, given, room, dy)


@njit(RATES, cache=True, nogil=True, error_model="numpy")
def rates(functions, stage, y, dy, given, nodes, room):  # type: ignore[no-untyped-def]
    """dy/dτ of a packed state; arguments as those of `averaged`."""
    averaged_at(functions[AVERAGED_AT])(functions, stage, y, given, nodes, room)
    _increments(functions[2])(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    finish(stage, y, dy, given, room)


def averaged_by_arrays(module: Any, stage: int, y: np.ndarray, given: Given, nodes: Nodes, room: Room) -> None:
    """`averaged` with the functions of the NumPy back end."""
    unpack(stage, y, given, room)
    told, tiled = given.told[stage], room.tiled
    module.linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    if nodes.mode[KIND] == LATTICE:
        choose_axes(nodes, room)
    if nodes.mode[STRETCHED] == 1:
        for i in range(len(room.mean)):
            module.breaks(np.ascontiguousarray(tiled[:5, i]), room.told[i], room.kappa, room.breaks[i])
            count, one = conditioned_nodes(i, False, nodes, room), slice(i, i + 1)
            fields = room.mean, room.conditional, room.emean, room.econditional, room.residual
            module.moments(
                nodes.z[:count], nodes.w[:count], *(x[one] for x in fields), room.Q, *tiled[:, one], room.told[one],
                room.kappa, room.out[one],
            )  # fmt: skip
    else:
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
