"""Compiled steps of plain online SGD, one sample a step: the weights are read and written once a step.

The weights are W = S V with a small matrix S (p, p) in double precision: weight decay and the part of the gradient along the
decoders touch S alone, so that a step (`asymptotics.autoencoder.process.training.steps`)

    W' = (1 − ηλ/d) W + D W_u + a₀ x₀ᵀ + a₁ x₁ᵀ     is     S' = (1 − ηλ/d) S + D S_u,   V' = V + S'⁻¹ (a₀ x₀ᵀ + a₁ x₁ᵀ).

The change of V waits for the pass that takes the inner products with the next sample. The Gram matrix G = V Vᵀ/d follows from the
inner products in closed form; every `EXACT` steps it is taken of the vectors again. Where S is far from 1 it is multiplied into V.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, types, uint32

from ....common.numerics.code.compiled import Kinds, Signature, njit, real_type
from ....common.numerics.laws.normals import LANES, TILE32, normal_block
from ...model.streams import BASE, TARGET
from .arithmetic import BLOCK, add, dot, product, scaled
from .gradient import MAP, SAMPLES, SLOPES, TOLD, Map, Samples, Slopes, Told, averaged, begin, move_scalars, room_for
from .mixing import far, fold, sandwiched, solved
from .steps import Target, target_type

#: Steps from one Gram matrix of the vectors themselves to the next (by number, so that no chunk changes it).
EXACT = 32

_SUMS = {"contract", "reassoc", "nsz"}


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def _one(
    v: np.ndarray, a0: float, a1: float, x0: np.ndarray, x1: np.ndarray, y0: np.ndarray, y1: np.ndarray
) -> tuple[np.float64, np.float64]:
    """v += a0 x₀ + a1 x₁, then v·y₀ and v·y₁ (summed in the vectors' own precision)."""
    s, t = v.dtype.type(0), v.dtype.type(0)
    for i in range(v.shape[0]):
        u = v[i] + a0 * x0[i] + a1 * x1[i]
        v[i] = u
        s += u * y0[i]
        t += u * y1[i]
    return np.float64(s), np.float64(t)


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def _two(
    v: np.ndarray, w: np.ndarray, a0: float, a1: float, b0: float, b1: float, x0: np.ndarray, x1: np.ndarray,
    y0: np.ndarray, y1: np.ndarray,
) -> tuple[np.float64, np.float64, np.float64, np.float64]:  # fmt: skip
    """`_one` of two rows, so that x and y are read once."""
    s, t, q, r = v.dtype.type(0), v.dtype.type(0), v.dtype.type(0), v.dtype.type(0)
    for i in range(v.shape[0]):
        x, y, f, g = x0[i], x1[i], y0[i], y1[i]
        u = v[i] + a0 * x + a1 * y
        v[i] = u
        s += u * f
        t += u * g
        u = w[i] + b0 * x + b1 * y
        w[i] = u
        q += u * f
        r += u * g
    return np.float64(s), np.float64(t), np.float64(q), np.float64(r)


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def _kept(y0: np.ndarray, y1: np.ndarray, x0: np.ndarray, x1: np.ndarray) -> tuple[np.float64, np.float64, np.float64]:
    """y₀·y₀, y₀·y₁, y₁·y₁; x takes the place of y, for the change of the weights that waits."""
    s, t, u = y0.dtype.type(0), y0.dtype.type(0), y0.dtype.type(0)
    for i in range(y0.shape[0]):
        f, g = y0[i], y1[i]
        s += f * f
        t += f * g
        u += g * g
        x0[i] = f
        x1[i] = g
    return np.float64(s), np.float64(t), np.float64(u)


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _spread_1(out: np.ndarray, spread: np.ndarray, z: np.ndarray, a: float, x: np.ndarray) -> None:
    s = out.dtype.type(a)
    for i in range(out.shape[0]):
        out[i] = spread[i] * z[i] + s * x[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _spread_2(
    out: np.ndarray, spread: np.ndarray, z: np.ndarray, a: float, x: np.ndarray, b: float, y: np.ndarray
) -> None:
    s, t = out.dtype.type(a), out.dtype.type(b)
    for i in range(out.shape[0]):
        out[i] = spread[i] * z[i] + s * x[i] + t * y[i]


@njit(cache=True, error_model="numpy")
def _sample(out: np.ndarray, pick: int, z: np.ndarray, target: Target, lo: int) -> None:
    """out = √ς z + Σ_m c_m u_m of cluster ``pick`` over a block that begins at ``lo``."""
    hi, coordinates, references = lo + out.shape[0], target.coordinates[pick], target.references
    spread = target.spreads[target.spread_of[pick], lo:hi]
    count, one, two = 0, 0, 0
    for m in range(coordinates.shape[0]):
        if coordinates[m] != 0.0:
            one, two = (m, two) if count == 0 else (one, m)
            count += 1
    if count == 1:
        _spread_1(out, spread, z, coordinates[one], references[one, lo:hi])
    elif count == 2:
        _spread_2(out, spread, z, coordinates[one], references[one, lo:hi], coordinates[two], references[two, lo:hi])
    else:
        product(out, spread, z)
        for m in range(coordinates.shape[0]):
            if coordinates[m] != 0.0:
                add(out, coordinates[m], references[m, lo:hi])


def _advance(
    slopes: Slopes, told: Told, samples: Samples, moved: Map, target: Target, V: np.ndarray, S: np.ndarray,
    G: np.ndarray, scalars: np.ndarray, key0: int, key1: int, first: int,
) -> None:  # fmt: skip
    """SGD steps first, first + 1, … (as many as ``told.factors``), in place.

    Parameters
    ----------
    V, S, G : (p, d), (p, p), (p, p)
        Weights W = S V, and V Vᵀ/d (taken of V at every step that is a multiple of `EXACT`, and so at step 0).
    scalars : (1, skips + parameters)
        b_1, b_2, …, κ.
    slopes, told, samples, moved, target, first
        As in `asymptotics.autoencoder.process.training.steps`.
    """
    (p, d), skips = V.shape, told.clock.shape[1] - 9
    decoders, data, times = told.decoders, target.data, told.time_weights.shape[0]
    terms, steps = decoders.shape[0], told.factors.shape[0]
    root = np.sqrt(np.float64(d))
    words, z = np.empty((4, LANES), np.uint32), np.empty(BLOCK, np.float32)
    y0, y1 = np.zeros(BLOCK, V.dtype), np.zeros(BLOCK, V.dtype)
    x0, x1 = np.zeros(d, V.dtype), np.zeros(d, V.dtype)
    wait0, wait1 = np.zeros(p, V.dtype), np.zeros(p, V.dtype)
    row, small = np.empty((p, min(d, BLOCK)), V.dtype), np.empty((2 * p + 2, p))
    d0, d1, lambda0, lambda1 = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    a0, a1, Q, change = np.empty(p), np.empty(p), np.empty((p, p)), np.empty((p, p))
    work = room_for(p, terms, skips, scalars.shape[1] - skips, samples.label_count, 1)
    # One pass more than there are steps: what waits at the end goes into the weights by the same code as on the way.
    for k in range(steps + 1):
        last = k == steps
        exact = (first + k) % EXACT == 0 and not last
        pick = 0 if last else samples.picks[k]
        for a in range(p):
            d0[a] = 0.0
            d1[a] = 0.0
            for c in range(p if exact else 0):
                G[a, c] = 0.0
        s00, s01, s11 = 0.0, 0.0, 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            n = hi - lo
            if not last:
                padded = (n + TILE32 - 1) // TILE32 * TILE32
                normal_block(key0, key1, BASE, first + k, lo, words, z[:padded])
                scaled(y0[:n], 1.0, z[:n])
                if data.shape[0] > 0:
                    scaled(y1[:n], 1.0, data[pick, lo:hi])
                else:
                    normal_block(key0, key1, TARGET, first + k, lo, words, z[:padded])
                    _sample(y1[:n], pick, z[:n], target, lo)
            f, g, of0, of1 = y0[:n], y1[:n], x0[lo:hi], x1[lo:hi]
            for a in range(0, p - 1, 2):
                s, t, q, r = _two(
                    V[a, lo:hi], V[a + 1, lo:hi], wait0[a], wait1[a], wait0[a + 1], wait1[a + 1], of0, of1, f, g
                )
                d0[a] += s
                d1[a] += t
                d0[a + 1] += q
                d1[a + 1] += r
            if p % 2 == 1:
                s, t = _one(V[p - 1, lo:hi], wait0[p - 1], wait1[p - 1], of0, of1, f, g)
                d0[p - 1] += s
                d1[p - 1] += t
            if exact:
                for a in range(p):
                    for c in range(a + 1):
                        G[a, c] += dot(V[a, lo:hi], V[c, lo:hi])
            s, t, u = _kept(f, g, of0, of1)
            s00 += s
            s01 += t
            s11 += u
        if last:
            break
        if exact:
            for a in range(p):
                for c in range(a + 1):
                    G[a, c] /= d
                    G[c, a] = G[a, c]
        sandwiched(S, G, small)
        for a in range(p):
            s, t = 0.0, 0.0
            for c in range(p):
                s += S[a, c] * d0[c]
                t += S[a, c] * d1[c]
                Q[a, c] = small[p + a, c]
            lambda0[a], lambda1[a] = s / root, t / root
        frame = k if told.clock.shape[0] > 1 else 0
        begin(scalars, work)
        averaged(
            slopes, decoders, told, frame, times, samples.times[k], samples.labels[k], 1, lambda0, lambda1, Q, s00, s01, s11, work,
            a0, a1,
        )  # fmt: skip
        # the matrix after the step
        for a in range(p):
            rate = told.factors[k] * told.rates[a]
            gain, after = 2.0 * rate, 1.0 - rate * told.decays[k] / d
            a0[a] *= gain / root
            a1[a] *= gain / root
            for c in range(p):
                change[a, c] = after * S[a, c]
            for j in range(terms):
                share = work.D[a, j] * gain / d
                for c in range(p):
                    change[a, c] += share * S[decoders[j], c]
        for a in range(p):
            for c in range(p):
                S[a, c] = change[a, c]
        if far(S):
            fold(S, V, G, d0, d1, row, small)
        solved(S, small, a0, a1)
        for a in range(p):
            wait0[a], wait1[a] = a0[a], a1[a]
            a0[a], a1[a] = np.float64(wait0[a]), np.float64(wait1[a])
        for a in range(p):
            for c in range(a + 1):
                s = a0[a] * d0[c] + a1[a] * d1[c] + d0[a] * a0[c] + d1[a] * a1[c]
                s += a0[a] * a0[c] * s00 + (a0[a] * a1[c] + a1[a] * a0[c]) * s01 + a1[a] * a1[c] * s11
                G[a, c] += s / d
                G[c, a] = G[a, c]
        move_scalars(told, k, d, moved, work, scalars)


def _signature(real: types.Float) -> Signature:
    rows, square = real[:, ::1], float64[:, ::1]
    return types.void(
        SLOPES, TOLD, SAMPLES, MAP, target_type(real), rows, square, square, square, uint32, uint32, int64
    )


#: The compiled `_advance` for weights of single or double precision, by the name of their type.
advance = Kinds[str](lambda dtype: (_advance, _signature(real_type(dtype))))
