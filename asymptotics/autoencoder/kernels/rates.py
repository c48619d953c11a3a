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
    COUNT,
    COUNT_SHIFTED,
    CUT,
    DECADES,
    DISTANCE,
    GAUSSIAN,
    KIND,
    LATTICE,
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

#: Added to every generated module of the compiled back end.
IMPORTS = (
    "from asymptotics.autoencoder.kernels.compiled_types import AVERAGED, ORTHANT, RATES\n"
    "from asymptotics.autoencoder.kernels.fields import channel_roots, conditions, overlap_sums\n"
    "from asymptotics.autoencoder.kernels.rates import "
    "average_over_times, lattice_nodes, orthant_nodes, pack, share_noise, unpack\n"
    "from asymptotics.autoencoder.kernels.regression import regress"
)

AVERAGE = '''
def averaged(stage, y, given, nodes, room):
    """Fills room.averaged with the moments of every cluster, averaged over the times."""
    unpack(y, given, room)
    schedule, b = given.schedule[stage], y[room.theta.size + room.q.shape[0] * VECTORS * (VECTORS + 1) // 2]
    c0, c1 = _weights(schedule[0], schedule[1], schedule[2], schedule[3], b)
    overlap_sums(room.theta, room.q, given.c, given.varsigma, room.Q, room.M, room.Qc)
    tiled, mixing = room.tiled, room.mixing
    times = schedule.shape[1]
    for i in range(tiled.shape[1]):
        h = i % times
        for k in range(4):
            tiled[k, i] = schedule[k, h]
        mixing[0, i], mixing[1, i], mixing[2, i], mixing[3, i] = schedule[0, h], schedule[1, h], c0[h], c1[h]
    conditions(
        room.Q, room.M, room.Qc, schedule[0], schedule[1], c0, c1, given.encoders, given.decoders, room.mean, room.root,
        room.inverse, room.emean, room.eroot, room.cross, room.residual,
    )
    kind = nodes.mode[0]
    if kind == ORTHANT:
        for i in range(room.mean.shape[0]):
            count = orthant_nodes(i, nodes, room)
            moments(
                nodes.z[:count], nodes.w[:count], room.mean[i : i + 1], room.conditional[i : i + 1],
                room.emean[i : i + 1], room.econditional[i : i + 1], room.residual[i : i + 1], room.Q,
                tiled[0, i : i + 1], tiled[1, i : i + 1], tiled[2, i : i + 1], tiled[3, i : i + 1], b, room.kappa,
                room.out[i : i + 1],
            )
    else:
        shifted, count = lattice_nodes(nodes, room)
        z, w = (nodes.shifted_z, nodes.shifted_w) if shifted else (nodes.z, nodes.w)
        moments(
            z[:count], w[:count], room.mean, room.root, room.emean, room.eroot, room.residual, room.Q,
            tiled[0], tiled[1], tiled[2], tiled[3], b, room.kappa, room.out,
        )
    regress(room.out, given, room)
    average_over_times(stage, given, room)
    if nodes.pair_w.shape[0] > 0:
        zero, one = channel_roots(room.Q, room.M, room.Qc, given.encoders, given.decoders)
        noise(
            nodes.pair_z, nodes.pair_w, one[0], zero[1], one[1], one[3], zero[4], one[4], zero[6], one[6], room.Q,
            schedule[0], schedule[1], schedule[2], schedule[3], given.weights[stage], b, room.kappa, room.noise,
        )
    share_noise(stage, given, nodes, room)
'''

RATES_TEXT = '''
def rates(stage, y, dy, given, nodes, room):
    """dy/dtau of a packed state."""
    averaged(stage, y, given, nodes, room)
    scale, Lambda, eta, decay, rho_b = (
        given.numbers[stage, 0], given.numbers[stage, 1], given.numbers[stage, 2], given.numbers[stage, 3],
        given.numbers[stage, 4],
    )
    b = y[room.theta.size + room.q.shape[0] * VECTORS * (VECTORS + 1) // 2]
    assemble(
        room.averaged, given.pi, given.c, given.t, given.varsigma, given.mass, room.theta, room.q, eta, decay,
        scale * given.rho, room.dtheta, room.dq,
    )
    schedule = given.schedule[stage]
    _, slope = _bulk(schedule[0], schedule[1], schedule[2], schedule[3], Lambda, b)
    pack(stage, rho_b * scale, slope, given, room, dy)
'''


@njit(cache=True, nogil=True, error_model="numpy")
def unpack(y: np.ndarray, given: Given, room: Room) -> None:
    """Θ(s), q(s), κ of a packed state (see `Layout`), q held where it follows Θ."""
    theta, q = room.theta, room.q
    S, p, K = theta.shape
    m = 0
    for s in range(S):
        for a in range(p):
            for k in range(K):
                theta[s, a, k] = y[m]
                m += 1
    for s in range(S):
        for a in range(p):
            for e in range(a, p):
                q[s, a, e] = y[m]
                q[s, e, a] = y[m]
                m += 1
    m += 1
    for k in range(room.kappa.shape[0]):
        room.kappa[k] = y[m + k]
    for n in range(given.held.shape[0]):
        s = given.held[n]
        for a in range(p):
            for e in range(p):
                value = 0.0
                for k in range(K):
                    for m in range(K):
                        value += theta[s, a, k] * given.lift[n, k, m] * theta[s, e, m]
                q[s, a, e] = value


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
    """room.averaged = E_t of room.out, cluster by cluster."""
    times = given.weights.shape[1]
    for g in range(room.averaged.shape[0]):
        for k in range(room.averaged.shape[1]):
            value = 0.0
            for h in range(times):
                value += given.weights[stage, h] * room.out[g * times + h, k]
            room.averaged[g, k] = value


@njit(cache=True, nogil=True, error_model="numpy")
def share_noise(stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """N of a sample that serves all times in its columns, and all N over the samples of a step."""
    first, count, batch = given.columns[6], room.noise.shape[1], given.numbers[stage, 5]
    for g in range(room.averaged.shape[0]):
        for k in range(count):
            value = room.noise[g, k] if nodes.pair_w.shape[0] > 0 else room.averaged[g, first + k]
            room.averaged[g, first + k] = value / batch


@njit(cache=True, nogil=True, error_model="numpy")
def pack(stage: int, rate: float, slope: np.ndarray, given: Given, room: Room, dy: np.ndarray) -> None:
    """dΘ(s), upper dq(s), db, dκ in one vector."""
    S, p, K = room.dtheta.shape
    m = 0
    for s in range(S):
        for a in range(p):
            for k in range(K):
                dy[m] = room.dtheta[s, a, k]
                m += 1
    for s in range(S):
        for a in range(p):
            for e in range(a, p):
                dy[m] = room.dq[s, a, e]
                m += 1
    value = 0.0
    for h in range(slope.shape[0]):
        value += given.weights[stage, h] * slope[h]
    dy[m] = rate * value
    first, scale = given.columns[7], given.numbers[stage, 0]
    for k in range(room.kappa.shape[0]):
        value = 0.0
        for g in range(given.pi.shape[0]):
            value += given.pi[g] * room.averaged[g, first + k]
        dy[m + 1 + k] = scale * value


@njit(cache=True, nogil=True, error_model="numpy")
def orthant_nodes(i: int, nodes: Nodes, room: Room) -> int:
    """Nodes of condition i split at every field's zero."""
    return 0
