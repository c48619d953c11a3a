"""Moments of all conditions: with one table of nodes for all, or with nodes of every condition's own; mirrored cells once."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import inlined, njit
from ....common.numerics.code.pointers import function_at
from ....common.numerics.quadrature.lattices import fill_lattice, finest_level, level_of
from .compiled_types import (
    BREAKS,
    COUNT,
    COUNT_SHIFTED,
    CUT,
    FROZEN,
    KIND,
    LATTICE,
    MOMENTS,
    OVERFLOW,
    RUNG,
    RUNG_SHIFTED,
    SHIFTED,
    USED,
    Given,
    Nodes,
    Room,
)
from .conditioned import conditioned_nodes, dual_vector

_moments, _breaks = function_at(MOMENTS), function_at(BREAKS)


@inlined
def lattice_nodes(widest: float, nodes: Nodes) -> tuple[bool, int]:
    """Which of the two tables to take, and how many nodes of it; tables are made anew where fields so wide need another spacing."""
    mode, law = nodes.mode, nodes.law
    shifted = mode[SHIFTED] == 1
    if mode[KIND] != LATTICE:
        return False, nodes.w.shape[0]
    if mode[FROZEN] == 1 and not shifted:
        return False, mode[COUNT]
    rung = level_of(dual_vector(widest, law))
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


@inlined
def _all_zero(values: np.ndarray) -> bool:
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            if values[i, k] != 0.0:
                return False
    return True


@inlined
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


@inlined
def _as_its_twin(g: int, times: int, given: Given, room: Room) -> bool:
    """Whether the moments of a cell were those of an earlier one of opposite means, but for signs; then they are set."""
    twin = given.twin[g]
    if twin < 0 or twin >= g:
        return False
    for i in range(times):
        for k in range(room.out.shape[1]):
            room.out[g * times + i, k] = given.parity[k] * room.out[twin * times + i, k]
    return True


@inlined
def _without_odd(a: int, b: int, half: bool, given: Given, room: Room) -> None:
    """What is odd has no mean where the fields have none: exactly, or a state of rest would be left by roundings.

    ``half``: of what is even half was summed.
    """
    scale = 1.0 if half else 0.5
    for i in range(a, b):
        for k in range(room.out.shape[1]):
            room.out[i, k] *= scale * (1.0 + given.parity[k])


@inlined
def by_table(address: int, widest: float, given: Given, nodes: Nodes, room: Room) -> None:
    """room.out with the same nodes z in every condition."""
    shifted, count = lattice_nodes(widest, nodes)
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
def by_condition(functions: np.ndarray, given: Given, nodes: Nodes, room: Room) -> None:
    """room.out with nodes of every condition's own."""
    breaks, now = _breaks(functions[4]), np.empty(5)
    for i in range(room.mean.shape[0]):
        for k in range(5):
            now[k] = room.tiled[k, i]
        breaks(now, room.told[i], room.kappa, room.breaks[i])
    times, mirror, n = given.first.shape[1], given.parity.shape[0] > 0, room.mean.shape[1]
    for g in range(given.twin.shape[0]):
        a, b = g * times, (g + 1) * times
        if mirror and _as_its_twin(g, times, given, room):
            continue
        centred = mirror and _all_zero(room.mean[a:b]) and _all_zero(room.emean[a:b])
        half = centred and nodes.mode[KIND] == LATTICE and _all_zero(room.breaks[a:b, :n])
        for i in range(a, b):
            count = conditioned_nodes(i, half, nodes, room)
            _moments_of(
                functions[0], i, i + 1, nodes.z[:count], nodes.w[:count], room.conditional, room.econditional, room
            )
        if centred:
            _without_odd(a, b, False, given, room)
