"""Nodes of one condition, field after field: every field given the ones before, its axis made for what φ does along it.

Two such axes are made: split at the break of a φ that is polynomial on both sides (`truncated`), and stretched about the place where a
φ that saturates varies (`stretched`), for fields so wide that a lattice fine enough there has far too many nodes.
"""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.code.compiled import inlined, njit
from ....common.numerics.quadrature.lattices import dual_radius, nodes_in_ball
from ....common.numerics.quadrature.stretched import spacing, stretched_axis
from ....common.numerics.quadrature.truncated import split_axis
from .compiled_types import (
    COUNT,
    CUT,
    DECADES,
    DISTANCE,
    FREQUENCY,
    FROZEN,
    GAUSSIAN,
    KIND,
    ORDER,
    ORTHANT,
    OVERFLOW,
    PRUNED,
    REFINED,
    RUNG,
    SHIFTED,
    STRETCHED,
    USED,
    Nodes,
    Room,
)

#: The rung of a table that holds no lattice.
GONE: int = -(2**62)
#: A lattice may have this many times the nodes that stretched axes need: those are made for every condition anew.
DEARER = 20.0
#: Most nodes of a stretched axis.
AXIS: int = 4096
#: Where a conditional mean moves by less than this share of its own deviation along an axis it is taken to stand still.
STILL = 1e-7
#: Share of −ln of the error that is given up where there is no room.
FEWER = 0.8


@inlined
def widest_field(room: Room) -> float:
    """Largest standard deviation of a field in any condition (1 where it is not finite)."""
    root, widest = room.root, 0.0
    for i in range(root.shape[0]):
        for a in range(root.shape[1]):
            value = 0.0
            for e in range(root.shape[2]):
                value += root[i, a, e] * root[i, a, e]
            widest = max(widest, value)
    return math.sqrt(widest) if widest < 1e300 else 1.0


@inlined
def dual_vector(widest: float, law: np.ndarray) -> float:
    """Length of the shortest dual vectors of a lattice for fields of that width."""
    return law[REFINED] * dual_radius(widest, law[DECADES], law[DISTANCE], law[ORDER], law[GAUSSIAN], law[FREQUENCY])


@inlined
def choose_axes(widest: float, n: int, nodes: Nodes) -> None:
    """Whether the axes of n fields so wide are stretched, of a φ that saturates: where a lattice would have far more nodes."""
    mode, law = nodes.mode, nodes.law
    if law[FREQUENCY] > 0.0 or mode[FROZEN] == 1 or mode[SHIFTED] == 1:
        return
    place = law[DISTANCE] if law[DISTANCE] > 0.0 else 1.0
    if widest < place:
        mode[STRETCHED] = 0
        return
    along = (2.0 * math.asinh(law[CUT] * widest / place) + 3.0) / spacing(law[DECADES] * law[REFINED])
    lattice = nodes_in_ball(n, law[CUT], 2.0 * math.pi / dual_vector(widest, law))
    mode[STRETCHED] = 1 if lattice > min(DEARER * along**n, float(nodes.w.shape[0])) else 0


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
def _stretched(
    i: int,
    level: int,
    order: np.ndarray,
    z: np.ndarray,
    square: float,
    decades: float,
    cut: float,
    mirrored: bool,
    nodes: Nodes,
    room: Room,
    axis: np.ndarray,
    weight: np.ndarray,
) -> int:
    """The axis of one field given the ones before (at z): stretched where it varies itself, and where the means of later ones cross."""
    L, n = room.conditional[i], order.shape[0]
    places = room.breaks.shape[1] // (2 * n)
    centres, widths, count = np.empty(n * places), np.empty(n * places), 0
    for j in range(level, n):
        at = order[j]
        mean, left = room.mean[i, at], 0.0
        for k in range(level):
            mean += L[at, k] * z[k]
        for k in range(level + 1, j + 1):
            left += L[at, k] * L[at, k]
        slope = L[at, level]
        for m in range(places):
            own = room.breaks[i, (places + m) * n + at]
            scale = math.sqrt(own * own + left)
            if abs(slope) > STILL * scale:
                centres[count], widths[count] = (room.breaks[i, m * n + at] - mean) / slope, scale / abs(slope)
                count += 1
    reach = math.sqrt(max(cut * cut - square, 1.0))
    shifted = nodes.mode[SHIFTED] == 1
    return stretched_axis(centres, widths, count, decades, reach, shifted, mirrored and level == 0, axis, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(i: int, decades: float, mirrored: bool, nodes: Nodes, room: Room) -> int:
    split, shifted = nodes.mode[KIND] == ORTHANT, nodes.mode[SHIFTED] == 1
    outer, inner = (nodes.shifted_outer, nodes.shifted_inner) if shifted else (nodes.outer, nodes.inner)
    pruned = nodes.law[PRUNED] * (0.1 if shifted else 1.0)
    # The shifted nodes reach farther: a ball that is too small shows too.
    cut = nodes.law[CUT] * math.sqrt(max(1.0, decades / nodes.law[DECADES])) + (0.5 if shifted else 0.0)
    order, L = _conditional(i, room), room.conditional[i]
    n, found, masses, means, breaks = L.shape[0], nodes.z, nodes.w, room.mean, room.breaks
    most = max(outer.shape[2], inner.shape[2]) if split else AXIS
    z, w, at_node = np.empty((n, most)), np.empty((n, most)), np.empty(n)
    number, place, weight, square = np.zeros(n, np.int64), np.zeros(n, np.int64), np.ones(n + 1), np.zeros(n + 1)
    count, level = 0, 0
    fresh = True
    while level >= 0:
        if fresh:
            at = order[level]
            s = L[at, level]
            if not s > 0.0:
                z[level, 0], w[level, 0] = 0.0, 1.0
                number[level] = 1
            elif split:
                mean = means[i, at]
                for k in range(level):
                    mean += L[at, k] * at_node[k]
                t = (breaks[i, at] - mean) / s
                negligible = pruned / max(weight[level], 1e-300)
                number[level] = split_axis(t, inner if level == n - 1 else outer, negligible, z[level], w[level])
            else:
                number[level] = _stretched(
                    i, level, order, at_node, square[level], decades, cut, mirrored, nodes, room, z[level], w[level]
                )
                if number[level] < 0:
                    return -1
            if level == n - 1:
                if count + number[level] > masses.shape[0]:
                    return -1
                # (Without a branch: which nodes are pruned cannot be foreseen.)
                for m in range(number[level]):
                    for k in range(level):
                        found[count, k] = at_node[k]
                    found[count, level] = z[level, m]
                    masses[count] = weight[level] * w[level, m]
                    count += masses[count] >= pruned
                level -= 1
                fresh = False
                continue
            place[level] = 0
        else:
            place[level] += 1
        if place[level] >= number[level]:
            level -= 1
            fresh = False
            continue
        at_node[level] = z[level, place[level]]
        weight[level + 1] = weight[level] * w[level, place[level]]
        square[level + 1] = square[level] + at_node[level] * at_node[level]
        fresh = weight[level + 1] >= pruned
        if fresh:
            level += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def conditioned_nodes(i: int, mirrored: bool, nodes: Nodes, room: Room) -> int:
    """Nodes of condition i in ``nodes.z``, ``nodes.w``, to be taken with `Room.conditional`; their number.

    ``mirrored``: the fields have no mean and nothing has another centre; half of the nodes, with both their weights, are enough then for
    what is even.
    """
    mode, masses, decades = nodes.mode, nodes.w, nodes.law[DECADES] * nodes.law[REFINED]
    count = _fill(i, decades, mirrored, nodes, room)
    while count < 0:
        # No room: the caller is told, and the check of the nodes says how wrong that is.
        mode[OVERFLOW] = 1
        decades *= FEWER
        count = _fill(i, decades, mirrored, nodes, room)
    total = 0.0
    for k in range(count):
        total += masses[k]
    for k in range(count):
        masses[k] /= total
    mode[USED] = max(mode[USED], count)
    if mode[KIND] != ORTHANT:
        # What the table of a lattice held is gone.
        mode[RUNG], mode[COUNT] = GONE, count
    return count
