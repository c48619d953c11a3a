"""Compiled steps of the order parameters' own Markov chain: online SGD at dimension d in law, at a cost free of d.

In every atom the weights over √d are written in an orthonormal frame that follows them: first the span of the reference
directions, then at most p more directions (a lower triangle). After the step the part of the weights outside the reference
directions is turned back to triangular form (Cholesky), which no inner product notices.

The update is that of `asymptotics.autoencoder.process.training.steps`: nothing is averaged and no order in 1/d is dropped. Vectors that an
optimiser carries along (velocities, averages) are rows of the same frame.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64, int64, types, uint32

from ....common.numerics.code import codegen, pointers
from ....common.numerics.code.compiled import Kinds, njit
from ....common.numerics.code.specialised import specialised
from ...process.training.gradient import (
    MAP,
    SAMPLES,
    SLOPES,
    TOLD,
    Map,
    Samples,
    Slopes,
    Told,
    Work,
    averaged,
    begin,
    move_scalars,
)
from .chain_samples import BLOCK, FRAME, Frame, draw_block, numbers, room_of_block

#: A pivot below this share of its diagonal entry is rounding: the direction is empty.
EMPTY = 1e-14


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def triangle(G: np.ndarray, L: np.ndarray) -> None:
    """Lower triangle L with L Lᵀ = G (positive semi-definite); G is used up.

    By elimination, so that the roots are taken beside it and not one after the other.
    """
    p = G.shape[0]
    for j in range(p):
        L[j, j] = EMPTY * G[j, j]
    for j in range(p):
        pivot = G[j, j]
        if pivot <= L[j, j]:
            for i in range(j, p):
                L[i, j] = 0.0
        else:
            root = math.sqrt(pivot)
            L[j, j] = root
            for i in range(j + 1, p):
                factor = G[i, j] / pivot
                L[i, j] = factor * root
                for c in range(j + 1, i + 1):
                    G[i, c] -= factor * G[c, j]
        for k in range(j + 1, p):
            L[j, k] = 0.0


@njit(cache=True, error_model="numpy")
def _mapped(
    decoders: np.ndarray, moved: Map, n: int, gains: np.ndarray, D: np.ndarray, coefficients: np.ndarray,
    mix: np.ndarray, reach: np.ndarray,
) -> None:  # fmt: skip
    """What step n makes of the stacked vectors and of the samples: (1 + L + R D) W and R × coefficients."""
    m, rows = reach.shape
    for r in range(rows):
        for c in range(rows):
            mix[r, c] = 1.0 if r == c else 0.0
        for i in range(m):
            reach[i, r] = 0.0
    for e in range(moved.linear_of.shape[0]):
        mix[moved.linear_of[e, 0], moved.linear_of[e, 1]] += moved.linear_by[n, e]
    for e in range(moved.gradient_of.shape[0]):
        r, a = moved.gradient_of[e]
        gain = moved.gradient_by[n, e] * gains[a]
        for j in range(decoders.shape[0]):
            mix[r, decoders[j]] += gain * D[a, j]
        for i in range(m):
            reach[i, r] += gain * coefficients[i, a]


@njit(cache=True)
def room(*shape: int) -> np.ndarray:
    """A small array of a step."""
    return np.empty(shape)


def advance(
    slopes: Slopes, told: Told, samples: Samples, moved: Map, frame: Frame, state: np.ndarray, scalars: np.ndarray,
    d: float, key0: int, key1: int, start: int, batch: int,
) -> None:  # fmt: skip
    """SGD steps start, start + 1, … (as many as ``told.factors``), in place.

    Parameters
    ----------
    slopes : function
        φ_j and their slopes (`Forward.module.slopes`).
    told, samples, moved : Told, Samples, Map
    frame : Frame
    state : (atoms, rows, span + rows)
        Stacked vectors over √d in the frame of every atom, the p of the network first: along the reference directions, and the rest.
    scalars : (S, skips + parameters)
        b_k, κ, in every row of scalars.
    d : float
    start, batch
        Number of the first step, samples a step.
    """
    # Sizes: where the code is written for one problem they stand outside, as numbers.
    decoders = told.decoders
    atoms, rows, columns = state.shape
    p, terms = told.rates.shape[0] - 2, decoders.shape[0]
    skips, times = told.clock.shape[1] - 9, told.time_weights.shape[0]
    parameters, scalar_rows = scalars.shape[1] - skips, scalars.shape[0]
    labels, m, plain = samples.label_count, 2 * batch, moved.gradient_of.shape[0] == 0
    span = columns - rows
    per_atom = numbers(columns, m)
    block_work, z, s = room_of_block(atoms * per_atom, batch)
    W, x, A = room(atoms, rows, columns), room(atoms, m, columns), room(atoms, m, m)
    lambda0, lambda1, Q, gains = room(p), room(p), room(p, p), room(p)
    coefficients, mix, reach = room(m, p), room(rows, rows), room(m, rows)
    fresh, outside, G = room(rows, columns), room(rows, m), room(rows, rows)
    work = Work(
        room(p), room(5 + labels), room(terms), room(terms, p), room(terms, parameters), room(p), room(p),
        room(terms), room(scalar_rows, skips + parameters), room(skips), room(parameters), room(p, terms),
        room(skips), room(parameters),
    )  # fmt: skip
    for k in range(atoms):
        for a in range(rows):
            for i in range(columns):
                W[k, a, i] = state[k, a, i]
    block = -1
    for n in range(told.factors.shape[0]):
        lane = (start + n) % BLOCK
        if (start + n) // BLOCK != block:
            block = (start + n) // BLOCK
            draw_block(key0, key1, block, n - lane, samples.picks, batch, columns, frame, block_work, z, s)
        for k in range(atoms):
            for j in range(m):
                for i in range(columns):
                    x[k, j, i] = z[k * per_atom + j * columns + i, lane]
                for i in range(j + 1):
                    A[k, j, i] = z[k * per_atom + m * columns + j * (j + 1) // 2 + i, lane]
        for a in range(p):
            for c in range(a + 1):
                total = 0.0
                for k in range(atoms):
                    for i in range(columns):
                        total += W[k, a, i] * W[k, c, i]
                Q[a, c] = total
                Q[c, a] = total
        begin(scalars, work)
        for draw in range(batch):
            for a in range(p):
                lambda0[a] = 0.0
                lambda1[a] = 0.0
                for k in range(atoms):
                    for i in range(columns):
                        lambda0[a] += W[k, a, i] * x[k, 2 * draw, i]
                        lambda1[a] += W[k, a, i] * x[k, 2 * draw + 1, i]
            index = n * batch + draw
            averaged(
                slopes, decoders, told, n if told.clock.shape[0] > 1 else 0, times, samples.times[index], samples.labels[index],
                batch, lambda0, lambda1, Q, s[3 * draw, lane], s[3 * draw + 1, lane], s[3 * draw + 2, lane], work,
                coefficients[2 * draw], coefficients[2 * draw + 1],
            )  # fmt: skip
        for a in range(p):
            gains[a] = 2.0 * told.factors[n] * told.rates[a] / d
        if plain:
            for a in range(rows):
                for c in range(rows):
                    mix[a, c] = 1.0 - 0.5 * gains[a] * told.decays[n] if a == c else 0.0
                for j in range(terms):
                    mix[a, decoders[j]] += gains[a] * work.D[a, j]
                for j in range(m):
                    reach[j, a] = gains[a] * coefficients[j, a]
        else:
            _mapped(decoders, moved, n, gains, work.D, coefficients, mix, reach)
        for k in range(atoms):
            for a in range(rows):
                for i in range(columns):
                    total = 0.0
                    for c in range(rows):
                        total += mix[a, c] * W[k, c, i]
                    for j in range(m):
                        total += reach[j, a] * x[k, j, i]
                    fresh[a, i] = total
                for i in range(m):
                    total = 0.0
                    for j in range(i, m):
                        total += reach[j, a] * A[k, j, i]
                    outside[a, i] = total
            for a in range(rows):
                for i in range(columns):
                    W[k, a, i] = fresh[a, i]
            if frame.rest[k] > 0:
                for a in range(rows):
                    for c in range(a + 1):
                        total = 0.0
                        for i in range(span, columns):
                            total += fresh[a, i] * fresh[c, i]
                        for i in range(m):
                            total += outside[a, i] * outside[c, i]
                        G[a, c] = total
                triangle(G, W[k, :, span:])
        move_scalars(told, n, d, moved, work, scalars)
    for k in range(atoms):
        for a in range(rows):
            for i in range(columns):
                state[k, a, i] = W[k, a, i]


SIGNATURE = types.void(
    SLOPES, TOLD, SAMPLES, MAP, FRAME, float64[:, :, ::1], float64[:, ::1], float64, uint32, uint32, int64, int64
)


#: The steps of any problem.
steps_of = Kinds[str](lambda _: (advance, SIGNATURE))


def written(network: str, sizes: tuple[tuple[str, Any], ...]) -> Any:
    """The steps with the functions of one network (source of `Forward`) and these sizes in their places."""
    given = {name: repr(value) for name, value in sizes} | {"decoders": "numpy.array(DECODERS)", "room": "stack_array"}
    decorator = "@njit(SIGNATURE, cache=True, nogil=True, error_model='numpy', fastmath={'contract'})"
    imports = f"from {__name__} import SIGNATURE\nfrom {pointers.__name__} import stack_array\n"
    text = specialised(advance, given | {"slopes": "slopes"}, decorator)
    return codegen.load_module("\n".join([network, imports, text])).advance
