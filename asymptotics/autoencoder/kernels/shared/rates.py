"""The whole right-hand side in compiled code: packed state → fields → nodes → moments → packed derivative.

What every denoiser shares stands here, compiled once for all; what a denoiser has of its own (``moments``, ``noise``,
``increments`` and ``linear`` of its generated module) is called by its address.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from ....common.numerics.code.compiled import inlined, njit
from ....common.numerics.code.pointers import function_at
from ....common.running.threads import single_threaded
from .assembly import assemble
from .calls import AVERAGED_AT, averaged_at
from .compiled_types import (
    AVERAGED,
    BATCH,
    ETA,
    INCREMENTS,
    KIND,
    LAMBDA,
    LATTICE,
    LINEAR,
    NOISE,
    ORTHANT,
    RATES,
    STRETCHED,
    Given,
    Nodes,
    Room,
)
from .conditioned import choose_axes, conditioned_nodes, widest_field
from .conditions import by_condition, by_table, lattice_nodes
from .fields import channel_roots, conditions, overlap_sums
from .regression import regress
from .states import pack, unpack

_noise, _increments, _linear = function_at(NOISE), function_at(INCREMENTS), function_at(LINEAR)


@inlined
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


@inlined
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


@inlined
def share_noise(stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """N of a sample that serves all times in its columns, and all N over the samples of a step."""
    first, count, batch = given.columns[6], room.noise.shape[1], given.numbers[stage, BATCH]
    for g in range(room.averaged.shape[0]):
        for k in range(count):
            value = room.noise[g, k] if nodes.pair_w.shape[0] > 0 else room.averaged[g, first + k]
            room.averaged[g, first + k] = value / batch


@njit(cache=True, nogil=True, error_model="numpy")
def over_pairs(address: int, stage: int, given: Given, nodes: Nodes, room: Room) -> None:
    """room.noise with the nodes of both channels."""
    noise, told = _noise(address), given.told[stage]
    zero, one = channel_roots(room.Q, room.M, room.Qc, given.encoders, given.decoders)
    noise(
        nodes.pair_z, nodes.pair_w, one[0], zero[1], one[1], one[3], zero[4], one[4], zero[6], one[6], room.Q,
        told[0], told[1], told[2], told[3], told[4], given.first[stage], room.skip, given.labels, room.kappa,
        room.noise,
    )  # fmt: skip


@njit(AVERAGED, cache=True, nogil=True, error_model="numpy", _nrt=False)
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
    linear = _linear(functions[3])
    unpack(stage, y, given, room)
    told = given.told[stage]
    linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    widest = 0.0
    if nodes.mode[KIND] == LATTICE:
        widest = widest_field(room)
        choose_axes(widest, room.mean.shape[1], nodes)
    if nodes.mode[KIND] == ORTHANT or nodes.mode[STRETCHED] == 1:
        by_condition(functions, given, nodes, room)
    else:
        by_table(functions[0], widest, given, nodes, room)
    regress(room.out, given, room)
    average_over_times(stage, given, room)
    if nodes.pair_w.shape[0] > 0:
        over_pairs(functions[1], stage, given, nodes, room)
    share_noise(stage, given, nodes, room)


@inlined
def finish(stage: int, y: np.ndarray, dy: np.ndarray, given: Given, room: Room) -> None:
    """dy/dτ from what a gradient step does."""
    assemble(
        room.A, room.B, room.N, given.pi, given.c, given.t, given.mass, room.theta, room.q, given.numbers[stage, ETA],
        given.R[stage], given.L[stage], room.dtheta, room.dq,
    )  # fmt: skip
    pack(stage, y, given, room, dy)


@njit(RATES, cache=True, nogil=True, error_model="numpy", _nrt=False)
def rates(functions, stage, y, dy, given, nodes, room):  # type: ignore[no-untyped-def]
    """dy/dτ of a packed state; arguments as those of `averaged`."""
    averaged_at(functions[AVERAGED_AT])(functions, stage, y, given, nodes, room)
    _increments(functions[2])(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    finish(stage, y, dy, given, room)


# (Its products are small: BLAS threads wait for one another more than they work.)
@single_threaded()
def averaged_by_arrays(module: ModuleType, stage: int, y: np.ndarray, given: Given, nodes: Nodes, room: Room) -> None:
    """`averaged` with the functions of the NumPy back end."""
    unpack(stage, y, given, room)
    told, tiled = given.told[stage], room.tiled
    module.linear(told, given.numbers[stage, LAMBDA], room.skip, room.c0, room.c1, room.bulk, room.slope)
    set_laws(stage, given, room)
    widest = widest_field(room)
    if nodes.mode[KIND] == LATTICE:
        choose_axes(widest, room.mean.shape[1], nodes)
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
        shifted, count = lattice_nodes(widest, nodes)
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
    module: ModuleType, stage: int, y: np.ndarray, dy: np.ndarray, given: Given, nodes: Nodes, room: Room
) -> None:
    """`rates` with the functions of the NumPy back end."""
    averaged_by_arrays(module, stage, y, given, nodes, room)
    module.increments(room.averaged, given.pi, given.varsigma, room.A, room.B, room.N)
    finish(stage, y, dy, given, room)
