"""What the steps of the reduced chain draw: samples in the frame of the weights, and Bartlett's triangle for what is outside it.

A standard Gaussian sample has independent normal coordinates in an orthonormal frame; what is outside the frame enters only through
squared norms and inner products of the samples of one step, a Wishart matrix of the remaining ν dimensions, drawn exactly by
Bartlett's decomposition. Nothing here depends on the weights: all is made for a block of steps at once, step by step in the lanes.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import float64, int64, types

from ....common.numerics.code.compiled import njit
from ....common.numerics.laws.normals import LANES, TILE64, normal_tile64, uniform, uniforms

#: Streams of the generator; the counter's step is a block of steps (normals) or a step (uniform numbers).
NORMALS, CLUSTER, TIME, ACCEPT, RETRY, LABEL = range(16, 22)
#: Steps whose normals are drawn together: one tile for every number that a step needs.
BLOCK = TILE64
#: Words of the generator, uniform numbers, spreads and clusters: room for one block.
Scratch: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Frame(NamedTuple):
    """Where samples are: dimensions of the frame and of what is outside, in every atom, and what the clusters are there.

    Attributes
    ----------
    ranks, widths, rest : (atoms,)
        Dimensions of the reference directions, of the rest of the frame, and outside it (ν).
    means, spreads : (clusters, atoms, span), (clusters, atoms)
        Centroids in the frame; √ς.
    """

    ranks: np.ndarray
    widths: np.ndarray
    rest: np.ndarray
    means: np.ndarray
    spreads: np.ndarray


_integers = int64[::1]
FRAME = types.NamedTuple((_integers, _integers, _integers, float64[:, :, ::1], float64[:, ::1]), Frame)


@njit(cache=True, error_model="numpy")
def chi_square(degrees: int, x: float, key0: int, key1: int, step: int, index: int) -> float:
    """A χ² variate of ``degrees`` ≥ 0 degrees of freedom: Marsaglia and Tsang's exact rejection, from the normal x.

    G. Marsaglia, W. W. Tsang, *A simple method for generating gamma variables*, ACM Trans. Math. Softw. 26 (2000) 363:
    shape k ≥ 1, accept k′ v with k′ = k − 1/3, v = (1 + x/√(9k′))³ if ln u < x²/2 + k′ (1 − v + ln v).
    """
    if degrees < 2:
        return x * x if degrees == 1 else 0.0
    shape, scale = gamma_shape(degrees)
    return accepted(shape, scale, x, uniform(key0, key1, ACCEPT, step, index), key0, key1, step, index)


@njit(cache=True, error_model="numpy")
def gamma_shape(degrees: int) -> tuple[float, float]:
    """k′ and 1/√(9k′) of a χ² variate of ``degrees`` ≥ 2 degrees of freedom."""
    shape = 0.5 * degrees - 1.0 / 3.0
    return shape, 1.0 / math.sqrt(9.0 * shape)


@njit(cache=True, error_model="numpy")
def accepted(shape: float, scale: float, x: float, u: float, key0: int, key1: int, step: int, index: int) -> float:
    """The variate from a first attempt x and its uniform number u, and fresh ones where that is rejected."""
    attempt = 0
    while True:
        v = 1.0 + scale * x
        if v > 0.0:
            v = v * v * v
            square = x * x
            if u < 1.0 - 0.0331 * square * square:
                break
            if math.log(u) < 0.5 * square + shape * (1.0 - v + math.log(v)):
                break
        # A rejection (once in hundreds for few degrees of freedom, never for many): fresh numbers from a stream of their own.
        first = 4096 * index + 4 * attempt
        radius = math.sqrt(-2.0 * math.log(uniform(key0, key1, RETRY, step, first)))
        x = radius * math.cos(2.0 * math.pi * uniform(key0, key1, RETRY, step, first + 1))
        u = uniform(key0, key1, RETRY, step, first + 2)
        attempt += 1
    return 2.0 * shape * v


@njit(cache=True)
def numbers(columns: int, m: int) -> int:
    """How many numbers m samples need in an atom: coordinates in the frame, and a triangle."""
    return m * columns + m * (m + 1) // 2


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _radii(degrees: int, row: np.ndarray, key0: int, key1: int, first: int, index: int, u: np.ndarray) -> None:
    """√χ² variates in the place of the normals of a row, for the steps first, first + 1, …."""
    if degrees < 2:
        for lane in range(BLOCK):
            row[lane] = abs(row[lane]) if degrees == 1 else 0.0
        return
    shape, scale = gamma_shape(degrees)
    uniforms(key0, key1, ACCEPT, first, index, u)
    rejected = 0
    for lane in range(BLOCK):
        square = row[lane] * row[lane]
        rejected += 0 if (1.0 + scale * row[lane] > 0.0) & (u[lane] < 1.0 - 0.0331 * square * square) else 1
    if rejected > 0:
        for lane in range(BLOCK):
            row[lane] = math.sqrt(accepted(shape, scale, row[lane], u[lane], key0, key1, first + lane, index))
        return
    for lane in range(BLOCK):
        v = 1.0 + scale * row[lane]
        row[lane] = math.sqrt(2.0 * shape * (v * v * v))


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def draw_block(
    key0: int, key1: int, block: int, at: int, picks: np.ndarray, batch: int, columns: int, frame: Frame, work: Scratch,
    z: np.ndarray, s: np.ndarray,
) -> None:  # fmt: skip
    """All that the steps of a block draw: ``z`` (numbers, BLOCK), for each atom the coordinates of x₀, x₁ of the first sample,
    of the second, … and the rows of their triangle; ``s`` (3 batch, BLOCK), x₀·x₀, x₀·x₁, x₁·x₁ of each sample.

    Its first step has the samples batch × at, … of ``picks`` (steps that are not among them have cluster 0: not used).
    ``work`` = (words, uniform numbers, spreads, clusters).
    """
    words, u, spread, cluster = work
    m, span, count = 2 * batch, frame.means.shape[2], picks.shape[0]
    for j in range(z.shape[0]):
        normal_tile64(key0, key1, NORMALS, block, j, words, z[j])
    for j in range(s.shape[0]):
        for lane in range(BLOCK):
            s[j, lane] = 0.0
    for k in range(frame.rest.shape[0]):
        atom = z[k * numbers(columns, m) : (k + 1) * numbers(columns, m)]
        for j in range(m):
            of_target, place = j % 2 == 1, m * columns + j * (j + 1) // 2
            _radii(frame.rest[k] - j, atom[place + j], key0, key1, block * BLOCK, k * m + j, u)
            for lane in range(BLOCK):
                n = (at + lane) * batch + j // 2
                cluster[lane] = picks[n] if (n >= 0) & (n < count) else 0
                spread[lane] = frame.spreads[cluster[lane], k] if of_target else 1.0
            for i in range(columns + j + 1):
                row = atom[j * columns + i] if i < columns else atom[place + i - columns]
                inside = i < frame.ranks[k] or span <= i < span + frame.widths[k]
                # Row j of a singular Wishart matrix's factor ends once the dimensions are used up.
                if not (inside if i < columns else i - columns <= min(j, frame.rest[k] - 1)):
                    for lane in range(BLOCK):
                        row[lane] = 0.0
                elif of_target:
                    for lane in range(BLOCK):
                        row[lane] *= spread[lane]
                    if i < frame.ranks[k]:
                        for lane in range(BLOCK):
                            row[lane] += frame.means[cluster[lane], k, i]
        for draw in range(batch):
            own, cross, other = s[3 * draw], s[3 * draw + 1], s[3 * draw + 2]
            for i in range(columns + 2 * draw + 2):
                first, second = 2 * draw * columns + i, (2 * draw + 1) * columns + i
                if i >= columns:
                    first = m * columns + draw * (2 * draw + 1) + i - columns
                    second = first + 2 * draw + 1
                y, x = atom[first], atom[second]
                if i < columns + 2 * draw + 1:
                    for lane in range(BLOCK):
                        own[lane] += y[lane] * y[lane]
                        cross[lane] += y[lane] * x[lane]
                for lane in range(BLOCK):
                    other[lane] += x[lane] * x[lane]


@njit(cache=True, error_model="numpy")
def room_of_block(needed: int, batch: int) -> tuple[Scratch, np.ndarray, np.ndarray]:
    """(Work, z and s) of `draw_block`."""
    work = np.empty((4, LANES), np.uint32), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK, np.int64)
    return work, np.empty((needed, BLOCK)), np.empty((3 * batch, BLOCK))
