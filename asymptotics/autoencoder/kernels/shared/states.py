"""A packed state in the arrays that a right-hand side works in, and the derivative from them packed."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import inlined
from .compiled_types import OF_B, OF_KAPPA, Given, Room


@inlined
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


@inlined
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
