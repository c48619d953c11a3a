"""Compiled steps of online SGD in R^d: draw a sample, take inner products, combine, update.

What an optimiser makes of the gradients (`asymptotics.autoencoder.process.training.gradient`), and vectors that the network does not use
(averages, velocities), is a linear map of the stacked vectors (`asymptotics.autoencoder.process.training.optimiser`); plain SGD on batches
takes a path of its own, without them, and on single samples one that reads the weights once a step
(`asymptotics.autoencoder.process.training.mixed_steps`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types, uint32

from ....common.numerics.code.compiled import Kinds, Signature, njit, real_type
from ....common.numerics.laws.normals import LANES, TILE32, normal_block
from ...model.streams import BASE, TARGET
from .arithmetic import BLOCK, add, combined, dot, dots, product, scaled
from .gradient import MAP, SAMPLES, SLOPES, TOLD, Map, Samples, Slopes, Told, averaged, begin, move_scalars, room_for

_TINY, _HUGE = 2.0**-20, 2.0**20


@njit(cache=True, error_model="numpy")
def _update(
    V: np.ndarray, scale: np.ndarray, after: np.ndarray, trained: np.ndarray, decoders: np.ndarray, D: np.ndarray,
    gradient: np.ndarray, delta: np.ndarray,
) -> None:  # fmt: skip
    """V_a += (gradient_a + Σ_k D_ak u_k)/after_a, all at the old vectors; W_a = scale_a V_a."""
    p, d = V.shape
    for lo in range(0, d, BLOCK):
        hi = min(lo + BLOCK, d)
        for a in range(p):
            if not trained[a]:
                continue
            row = delta[a, : hi - lo]
            scaled(row, 1.0 / after[a], gradient[a, lo:hi])
            for j in range(decoders.shape[0]):
                if D[a, j] != 0.0:
                    add(row, D[a, j] * scale[decoders[j]] / after[a], V[decoders[j], lo:hi])
        for a in range(p):
            if trained[a]:
                # One rounding a step: the increments are summed before they meet the weights.
                add(V[a, lo:hi], 1.0, delta[a, : hi - lo])


@njit(cache=True, error_model="numpy")
def _stacked_update(
    V: np.ndarray, trained: np.ndarray, decoders: np.ndarray, x0: np.ndarray, x1: np.ndarray, a0: np.ndarray,
    a1: np.ndarray, D: np.ndarray, gradient: np.ndarray, batched: bool, delta: np.ndarray, fresh: np.ndarray,
    moved: Map, k: int,
) -> None:  # fmt: skip
    """V_a += Σ_c R_ac (a0_c x₀ + a1_c x₁ + Σ_k D_ck u_k) + Σ_c L_ac V_c, all at the old vectors; R and L of step k."""
    p, d = delta.shape[0], V.shape[1]
    for lo in range(0, d, BLOCK):
        hi = min(lo + BLOCK, d)
        for a in range(p):
            row = delta[a, : hi - lo]
            if not trained[a]:
                scaled(row, 0.0, row)
                continue
            if batched:
                scaled(row, 1.0, gradient[a, lo:hi])
            else:
                combined(row, a0[a], x0[lo:hi], a1[a], x1[lo:hi])
            for j in range(decoders.shape[0]):
                if D[a, j] != 0.0:
                    add(row, D[a, j], V[decoders[j], lo:hi])
        for a in range(V.shape[0]):
            for i in range(fresh.shape[1]):
                fresh[a, i] = 0.0
        for e in range(moved.gradient_of.shape[0]):
            r, c = moved.gradient_of[e]
            add(fresh[r, : hi - lo], moved.gradient_by[k, e], delta[c, : hi - lo])
        for e in range(moved.linear_of.shape[0]):
            r, c = moved.linear_of[e]
            add(fresh[r, : hi - lo], moved.linear_by[k, e], V[c, lo:hi])
        for a in range(V.shape[0]):
            add(V[a, lo:hi], 1.0, fresh[a, : hi - lo])


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _rescale(V: np.ndarray, scale: np.ndarray) -> None:
    """Keep the factors from running away, by powers of two (exact)."""
    for a in range(V.shape[0]):
        power = _TINY if scale[a] < _TINY else (_HUGE if scale[a] > _HUGE else 1.0)
        if power != 1.0:
            scale[a] /= power
            factor = V.dtype.type(power)
            for i in range(V.shape[1]):
                V[a, i] *= factor


class Target(NamedTuple):
    """What samples x₁ are made of.

    Attributes
    ----------
    references, coordinates : (K, d), (clusters, K)
        u_k and c.
    spreads, spread_of : (rows, d), (clusters,)
        √ς of every coordinate, and the row of each cluster.
    data : (n, d)
        Samples to use instead of the Gaussian mixture; none if n = 0.
    """

    references: np.ndarray
    coordinates: np.ndarray
    spreads: np.ndarray
    spread_of: np.ndarray
    data: np.ndarray


def target_type(real: types.Float) -> types.NamedTuple:
    """The type of a `Target` in one precision."""
    rows = real[:, ::1]
    return types.NamedTuple((rows, float64[:, ::1], rows, int64[::1], rows), Target)


def _advance(
    slopes: Slopes, told: Told, samples: Samples, moved: Map, target: Target, V: np.ndarray, scale: np.ndarray,
    scalars: np.ndarray, key0: int, key1: int, first: int, batch: int,
) -> None:  # fmt: skip
    """Steps first, first + 1, … (as many as ``told.factors``) of an optimiser or of plain SGD on batches, in place.

    Parameters
    ----------
    slopes : function
        φ_j and their slopes (`Forward.module.slopes`).
    told, samples, moved, target : Told, Samples, Map, Target
    V, scale : (P, d), (P,)
        Weights W_a = scale_a V_a, those of the network first. The factor carries the weight decay (1 − ηλ/d is no number of
        single precision) unless an optimiser's map does.
    scalars : (S, skips + parameters)
        b_1, b_2, …, κ of the network, and rows that the network does not use.
    first, batch :
        Number of the first step, samples a step.
    """
    clock, decoders, rates, data = told.clock, told.decoders, told.rates, target.data
    p, d, skips = rates.shape[0] - 2, V.shape[1], clock.shape[1] - 9
    terms, times = decoders.shape[0], told.time_weights.shape[0]
    stacked = moved.gradient_of.shape[0] > 0
    root = np.sqrt(np.float64(d))
    words = np.empty((4, LANES), np.uint32)
    z = np.empty(BLOCK, np.float32)
    x0, x1 = np.empty(d, V.dtype), np.empty(d, V.dtype)
    delta = np.empty((p, min(d, BLOCK)), V.dtype)
    gradient = np.empty((p, d if batch > 1 else 1), V.dtype)
    lambda0, lambda1, Q = np.empty(p), np.empty(p), np.empty((p, p))
    a0, a1, after, trained = np.empty(p), np.empty(p), np.empty(p), rates[:p] != 0.0
    work = room_for(p, terms, skips, scalars.shape[1] - skips, samples.label_count, scalars.shape[0])
    fresh = np.empty((V.shape[0] if stacked else 0, min(d, BLOCK)), V.dtype)
    for k in range(told.factors.shape[0]):
        frame = k if clock.shape[0] > 1 else 0
        begin(scalars, work)
        for draw in range(batch):
            index = k * batch + draw
            pick = samples.picks[index]
            if data.shape[0] > 0:
                x1 = data[pick]
            # inner products, block by block
            for a in range(p):
                lambda0[a] = 0.0
                lambda1[a] = 0.0
                for c in range(p if draw == 0 else 0):
                    Q[a, c] = 0.0
            s00, s01, s11 = 0.0, 0.0, 0.0
            for lo in range(0, d, BLOCK):
                hi = min(lo + BLOCK, d)
                tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
                y0, y1 = x0[lo:hi], x1[lo:hi]
                normal_block(key0, key1, BASE, first * batch + index, lo, words, tiled)
                scaled(y0, 1.0, tiled)
                if data.shape[0] == 0:
                    normal_block(key0, key1, TARGET, first * batch + index, lo, words, tiled)
                    product(y1, target.spreads[target.spread_of[pick], lo:hi], tiled)
                    for m in range(target.coordinates.shape[1]):
                        if target.coordinates[pick, m] != 0.0:
                            add(y1, target.coordinates[pick, m], target.references[m, lo:hi])
                s, t = dots(y0, y0, y1)
                s00 += s
                s01 += t
                s11 += dot(y1, y1)
                for a in range(p):
                    s, t = dots(V[a, lo:hi], y0, y1)
                    lambda0[a] += s
                    lambda1[a] += t
                    if draw == 0:
                        for c in range(a + 1):
                            Q[a, c] += dot(V[a, lo:hi], V[c, lo:hi])
            for a in range(p):
                lambda0[a] *= scale[a] / root
                lambda1[a] *= scale[a] / root
                if draw == 0:
                    for c in range(a + 1):
                        Q[a, c] *= scale[a] * scale[c] / d
                        Q[c, a] = Q[a, c]
            averaged(
                slopes, decoders, told, frame, times, samples.times[index], samples.labels[index], batch, lambda0, lambda1, Q,
                s00, s01, s11, work, a0, a1,
            )  # fmt: skip
            for a in range(p):
                a0[a] *= 2.0 * told.factors[k] * rates[a] / root
                a1[a] *= 2.0 * told.factors[k] * rates[a] / root
            if batch > 1:
                for a in range(p):
                    if draw == 0:
                        scaled(gradient[a], a0[a], x0)
                    else:
                        add(gradient[a], a0[a], x0)
                    add(gradient[a], a1[a], x1)
        for a in range(p):
            after[a] = scale[a] * (1.0 - told.factors[k] * rates[a] * told.decays[k] / d)
            for j in range(terms):
                work.D[a, j] *= 2.0 * told.factors[k] * rates[a] / d
        if stacked:
            _stacked_update(V, trained, decoders, x0, x1, a0, a1, work.D, gradient, batch > 1, delta, fresh, moved, k)
        else:
            _update(V, scale, after, trained, decoders, work.D, gradient, delta)
            for a in range(p):
                scale[a] = after[a]
            _rescale(V, scale)
        move_scalars(told, k, d, moved, work, scalars)


def _signature(real: types.Float) -> Signature:
    rows = real[:, ::1]
    return types.void(
        SLOPES, TOLD, SAMPLES, MAP, target_type(real), rows, float64[::1], float64[:, ::1], uint32, uint32, int64, int64
    )


#: The compiled `_advance` for weights of single or double precision, by the name of their type.
advance = Kinds[str](lambda dtype: (_advance, _signature(real_type(dtype))))
