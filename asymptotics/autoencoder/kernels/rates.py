"""The whole right-hand side in compiled code: packed state → fields → nodes → moments → packed derivative.

What every denoiser shares stands here as compiled functions; what a denoiser has of its own (``moments``, ``noise``, ``assemble``,
``bulk``, ``channel_weights``) is called by the few lines that `RatesWriter` adds to its generated module.
"""

from __future__ import annotations

import math

import numpy as np

from ...common.numerics.compiled import njit
from ...common.numerics.lattices import dual_radius, fill_lattice, level_of
from .compiled_types import (
    BATCH,
    COUNT,
    COUNT_SHIFTED,
    CUT,
    DECADES,
    DISTANCE,
    GAUSSIAN,
    KIND,
    LATTICE,
    OF_B,
    OF_KAPPA,
    ORDER,
    OVERFLOW,
    REFINED,
    RUNG,
    RUNG_SHIFTED,
    SHIFTED,
    USED,
    Given,
    Nodes,
    Room,
)

#: Added to every generated module.
IMPORTS = (
    "from asymptotics.autoencoder.kernels.assembly import assemble\n"
    "from asymptotics.autoencoder.kernels.compiled_types import AVERAGED, ORTHANT, RATES\n"
    "from asymptotics.autoencoder.kernels.fields import channel_roots, conditions, overlap_sums\n"
    "from asymptotics.autoencoder.kernels.rates import (\n"
    "    average_over_times, lattice_nodes, orthant_nodes, pack, share_noise, tile, unpack,\n)\n"
    "from asymptotics.autoencoder.kernels.regression import regress"
)

AVERAGE = '''
def averaged(stage, y, given, nodes, room):
    """Fills room.averaged with the moments of every cell, averaged over the times."""
    unpack(stage, y, given, room)
    told, skip, tiled = given.told[stage], room.skip, room.tiled
    c0, c1 = _weights(told[0], told[1], told[2], told[3], skip)
    tile(told, c0, c1, given, room)
    overlap_sums(room.own_theta, room.own_q, given.c, given.varsigma, room.Q, room.M, room.Qc)
    conditions(
        room.Q, room.M, room.Qc, told[0], told[1], c0, c1, given.encoders, given.decoders, room.mean, room.root,
        room.inverse, room.emean, room.eroot, room.cross, room.residual,
    )
    if nodes.mode[0] == ORTHANT:
        for i in range(room.mean.shape[0]):
            count = orthant_nodes(i, nodes, room)
            moments(
                nodes.z[:count], nodes.w[:count], room.mean[i : i + 1], room.conditional[i : i + 1],
                room.emean[i : i + 1], room.econditional[i : i + 1], room.residual[i : i + 1], room.Q,
                tiled[0, i : i + 1], tiled[1, i : i + 1], tiled[2, i : i + 1], tiled[3, i : i + 1],
                tiled[4, i : i + 1], tiled[5, i : i + 1], room.told[i : i + 1], room.kappa, room.out[i : i + 1],
            )
    else:
        shifted, count = lattice_nodes(nodes, room)
        z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
        moments(
            z[:count], w[:count], room.mean, room.root, room.emean, room.eroot, room.residual, room.Q,
            tiled[0], tiled[1], tiled[2], tiled[3], tiled[4], tiled[5], room.told, room.kappa, room.out,
        )
    regress(room.out, given, room)
    average_over_times(stage, given, room)
    if nodes.pair_w.shape[0] > 0:
        zero, one = channel_roots(room.Q, room.M, room.Qc, given.encoders, given.decoders)
        noise(
            nodes.pair_z, nodes.pair_w, one[0], zero[1], one[1], one[3], zero[4], one[4], zero[6], one[6], room.Q,
            told[0], told[1], told[2], told[3], told[4], given.first[stage], skip, given.labels, room.kappa, room.noise,
        )
    share_noise(stage, given, nodes, room)
'''

RATES_TEXT = '''
def rates(stage, y, dy, given, nodes, room):
    """dy/dtau of a packed state."""
    averaged(stage, y, given, nodes, room)
    increments(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    assemble(
        room.A, room.B, room.N, given.pi, given.c, given.t, given.mass, room.theta, room.q, given.numbers[stage, 3],
        given.R[stage], given.L[stage], room.dtheta, room.dq,
    )
    told = given.told[stage]
    _, slope = _bulk(told[0], told[1], told[2], told[3], given.numbers[stage, 2], room.skip)
    pack(stage, y, slope, given, room, dy)
'''


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def tile(told: np.ndarray, c0: np.ndarray, c1: np.ndarray, given: Given, room: Room) -> None:
    """What depends on the time and the cell, for every condition (cell 0 at all times, cell 1 …)."""
    times = told.shape[1]
    for i in range(room.tiled.shape[1]):
        h = i % times
        for k in range(5):
            room.tiled[k, i] = told[k, h]
        room.tiled[5, i] = room.skip[h]
        for k in range(room.told.shape[1]):
            room.told[i, k] = given.labels[i // times, k]
        room.mixing[0, i], room.mixing[1, i], room.mixing[2, i], room.mixing[3, i] = told[0, h], told[1, h], c0[h], c1[h]


@njit(cache=True, nogil=True, error_model="numpy")
def lattice_nodes(nodes: Nodes, room: Room) -> tuple[bool, int]:
    """Which of the two tables to take, and how many nodes of it; tables are made anew where the fields need another spacing."""
    mode, law = nodes.mode, nodes.law
    shifted = mode[SHIFTED] == 1
    if mode[KIND] != LATTICE:
        return False, nodes.w.shape[0]
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
    if rung != mode[which]:
        z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
        # The shifted nodes reach farther: a ball that is too small shows too.
        count = fill_lattice(rung, law[CUT] + (0.5 if shifted else 0.0), shifted, z, w)
        if count < 0:
            # No room: the rung that there is stays, and the caller is told.
            mode[OVERFLOW] = 1
            count = max(mode[number], 1)
        else:
            mode[which] = rung
            mode[number] = count
    count = mode[number]
    mode[USED] = max(mode[USED], count)
    return shifted, count


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def share_noise(stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """N of a sample that serves all times in its columns, and all N over the samples of a step."""
    first, count, batch = given.columns[6], room.noise.shape[1], given.numbers[stage, BATCH]
    for g in range(room.averaged.shape[0]):
        for k in range(count):
            value = room.noise[g, k] if nodes.pair_w.shape[0] > 0 else room.averaged[g, first + k]
            room.averaged[g, first + k] = value / batch


@njit(cache=True, nogil=True, error_model="numpy")
def pack(stage: int, y: np.ndarray, slope: np.ndarray, given: Given, room: Room, dy: np.ndarray) -> None:
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
            for h in range(slope.shape[0]):
                value += given.psi[stage, k, h] * given.first[stage, h] * slope[h]
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
def orthant_nodes(i: int, nodes: Nodes, room: Room) -> int:
    """Nodes of condition i split at every field's zero."""
    return 0
