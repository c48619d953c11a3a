"""Compiled steps of online SGD in R^d: draw a sample, take inner products, combine, update.

Nothing here is averaged. For one sample (x₀, x₁), with the local fields λ₀ = W x₀/√d, λ₁ = W x₁/√d and the Gram matrix
Q = W Wᵀ/d, the residual e_t = y₀x₀ + y₁x₁ − f(x_t) of the network f(x) = b x + Σ_j (u_j/√d) φ_j has the inner products
ε_j = u_j·e_t/√d = y₀λ₀ + y₁λ₁ − bω (components u_j) − Σ_k Q_{u_j u_k} φ_k, and the gradients of ‖e_t‖² are

    ∂_{w_a}: −(2/√d) [Φ_a e_t + F_a x_t],  Φ_a = Σ_{j: u_j = w_a} φ_j,  F_a = Σ_j ε_j ∂φ_j/∂ω_a
    ∂_κ:     −2 Σ_j ε_j ∂φ_j/∂κ            ∂_b: −2 e_t·x_t

so that a step is a linear combination of x₀, x₁ and the decoder vectors for any number of times t.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, float64, int64, types, uint32

from ...common.numerics.cache import LOCK
from ...common.numerics.compiled import njit
from ...common.numerics.normals import LANES, TILE32, normal_block, uniform
from ..model.streams import BASE, TARGET

#: Coordinates taken at once: small enough for the first-level cache, a whole number of tiles.
BLOCK = 4 * TILE32

_SUMS = {"contract", "reassoc", "nsz"}
_TINY, _HUGE = 2.0**-20, 2.0**20


@njit(cache=True, nogil=True)
def choose(key0: Any, key1: Any, stream: Any, first: Any, cumulative: Any, out: Any) -> None:
    """out[i] = index drawn with the given cumulative weights for sample number first + i."""
    last = cumulative.shape[0] - 1
    for i in range(out.shape[0]):
        out[i] = min(np.searchsorted(cumulative, uniform(key0, key1, stream, first + i, 0), side="right"), last)


# Loops run from zero over slices: with any other start numba guards against negative indices, and nothing vectorises.


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def dots(w: Any, x: Any, y: Any) -> Any:
    """w·x and w·y over a block: summed in the vectors' own precision, returned in double."""
    s, t = w.dtype.type(0), w.dtype.type(0)
    for i in range(w.shape[0]):
        s += w[i] * x[i]
        t += w[i] * y[i]
    return np.float64(s), np.float64(t)


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def dot(x: Any, y: Any) -> Any:
    s = x.dtype.type(0)
    for i in range(x.shape[0]):
        s += x[i] * y[i]
    return np.float64(s)


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def scaled(out: Any, a: Any, x: Any) -> None:
    """out = a x."""
    s = out.dtype.type(a)
    for i in range(out.shape[0]):
        out[i] = s * x[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def combined(out: Any, a: Any, x: Any, b: Any, y: Any) -> None:
    """out = a x + b y."""
    s, t = out.dtype.type(a), out.dtype.type(b)
    for i in range(out.shape[0]):
        out[i] = s * x[i] + t * y[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def add(out: Any, a: Any, x: Any) -> None:
    """out += a x."""
    s = out.dtype.type(a)
    for i in range(out.shape[0]):
        out[i] += s * x[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def product(out: Any, x: Any, z: Any) -> None:
    """out = x z, component by component."""
    for i in range(out.shape[0]):
        out[i] = x[i] * z[i]


@njit(cache=True, error_model="numpy")
def _update(
    V: Any, scale: Any, after: Any, trained: Any, decoders: Any, x0: Any, x1: Any, a0: Any, a1: Any, D: Any,
    gradient: Any, batched: Any, delta: Any,
) -> None:  # fmt: skip
    """V_a += (a0_a x₀ + a1_a x₁ + Σ_k D_ak u_k)/after_a, all at the old vectors; W_a = scale_a V_a.

    With a batch the sum over its samples of the first two terms is ``gradient``.
    """
    p, d = V.shape
    for lo in range(0, d, BLOCK):
        hi = min(lo + BLOCK, d)
        for a in range(p):
            if not trained[a]:
                continue
            row = delta[a, : hi - lo]
            if batched:
                scaled(row, 1.0 / after[a], gradient[a, lo:hi])
            else:
                combined(row, a0[a] / after[a], x0[lo:hi], a1[a] / after[a], x1[lo:hi])
            for j in range(decoders.shape[0]):
                if D[a, j] != 0.0:
                    add(row, D[a, j] * scale[decoders[j]] / after[a], V[decoders[j], lo:hi])
        for a in range(p):
            if trained[a]:
                # One rounding a step: the increments are summed before they meet the weights.
                add(V[a, lo:hi], 1.0, delta[a, : hi - lo])


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _rescale(V: Any, scale: Any) -> None:
    """Keep the factors from running away, by powers of two (exact)."""
    for a in range(V.shape[0]):
        power = _TINY if scale[a] < _TINY else (_HUGE if scale[a] > _HUGE else 1.0)
        if power != 1.0:
            scale[a] /= power
            factor = V.dtype.type(power)
            for i in range(V.shape[1]):
                V[a, i] *= factor


_vector, _matrix, _integers = float64[::1], float64[:, ::1], int64[::1]
_slopes = types.FunctionType(types.void(_vector, _vector, _vector, _matrix, _matrix))


def _advance(
    slopes: Any, decoders: Any, V: Any, scale: Any, scalars: Any, references: Any, coordinates: Any, spreads: Any,
    spread_of: Any, data: Any, picks: Any, time_picks: Any, schedule: Any, time_weights: Any, factors: Any, rates: Any,
    decay: Any, key0: Any, key1: Any, first: Any, batch: Any,
) -> None:  # fmt: skip
    """SGD steps first, first + 1, … (as many as ``factors``), in place.

    Parameters
    ----------
    slopes : function
        φ_j and their slopes (`Forward.module.slopes`).
    decoders : (terms,)
        Index of the decoder of each term.
    V, scale : (p, d), (p,)
        Weights W_a = scale_a V_a. The factor carries the weight decay: 1 − ηλ/d is no number of single precision.
    scalars : (1 + parameters,)
        b, κ.
    references, coordinates : (K, d), (clusters, K)
        u_k and c.
    spreads, spread_of : (rows, d), (clusters,)
        √ς of every coordinate, and the row of each cluster.
    data : (n, d)
        Samples x₁ to use instead of the Gaussian target; none if n = 0.
    picks : (samples,)
        Cluster, or row of the data, of every sample.
    time_picks : (samples,)
        Index of the one time used for a sample, or −1 for all.
    schedule, time_weights : (4, times), (times,)
        α, β, y₀, y₁ and the weights of E_t.
    factors : (steps,)
        s(τ) at every step.
    rates : (p + 2,)
        Learning rates of the vectors, of b and of κ.
    decay, first, batch :
        λ, number of the first step, samples a step.
    """
    p, d = V.shape
    terms, times, parameters = decoders.shape[0], time_weights.shape[0], scalars.shape[0] - 1
    root = np.sqrt(np.float64(d))
    words = np.empty((4, LANES), np.uint32)
    z = np.empty(BLOCK, np.float32)
    x0, x1 = np.empty(d, V.dtype), np.empty(d, V.dtype)
    delta = np.empty((p, min(d, BLOCK)), V.dtype)
    gradient = np.zeros((p, d if batch > 1 else 1), V.dtype)
    lambda0, lambda1, omega, Q = np.empty(p), np.empty(p), np.empty(p), np.empty((p, p))
    values, by_field, by_parameter = np.empty(terms), np.zeros((terms, p)), np.zeros((terms, parameters))
    a0, a1, D, after = np.empty(p), np.empty(p), np.empty((p, terms)), np.empty(p)
    total, encoded, residual = np.empty(p), np.empty(p), np.empty(terms)
    slope_kappa, kappa, trained = np.empty(parameters), np.empty(parameters), rates[:p] != 0.0
    for k in range(factors.shape[0]):
        b = scalars[0]
        kappa[:] = scalars[1:]
        D[:] = 0.0
        slope_kappa[:] = 0.0
        slope_b = 0.0
        for draw in range(batch):
            index = k * batch + draw
            pick = picks[index]
            if data.shape[0] > 0:
                x1 = data[pick]
            # inner products, block by block
            lambda0[:], lambda1[:] = 0.0, 0.0
            if draw == 0:
                Q[:] = 0.0
            s00, s01, s11 = 0.0, 0.0, 0.0
            for lo in range(0, d, BLOCK):
                hi = min(lo + BLOCK, d)
                tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
                y0, y1 = x0[lo:hi], x1[lo:hi]
                normal_block(key0, key1, BASE, first * batch + index, lo, words, tiled)
                scaled(y0, 1.0, tiled)
                if data.shape[0] == 0:
                    normal_block(key0, key1, TARGET, first * batch + index, lo, words, tiled)
                    product(y1, spreads[spread_of[pick], lo:hi], tiled)
                    for m in range(coordinates.shape[1]):
                        if coordinates[pick, m] != 0.0:
                            add(y1, coordinates[pick, m], references[m, lo:hi])
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
            # the average over times
            a0[:], a1[:] = 0.0, 0.0
            chosen = time_picks[index]
            for t_index in range(times):
                if chosen >= 0 and t_index != chosen:
                    continue
                weight = (1.0 if chosen >= 0 else time_weights[t_index]) / batch
                alpha, beta = schedule[0, t_index], schedule[1, t_index]
                r0, r1 = schedule[2, t_index] - b * alpha, schedule[3, t_index] - b * beta
                for a in range(p):
                    omega[a] = alpha * lambda0[a] + beta * lambda1[a]
                slopes(omega, kappa, values, by_field, by_parameter)
                total[:], encoded[:] = 0.0, 0.0
                aligned = r0 * alpha * s00 + r1 * beta * s11 + (r0 * beta + r1 * alpha) * s01
                for j in range(terms):
                    u = decoders[j]
                    total[u] += values[j]
                    aligned -= values[j] * omega[u]
                    residual[j] = r0 * lambda0[u] + r1 * lambda1[u]
                    for i in range(terms):
                        residual[j] -= Q[u, decoders[i]] * values[i]
                    for a in range(p):
                        encoded[a] += residual[j] * by_field[j, a]
                    for m in range(parameters):
                        slope_kappa[m] -= 2.0 * weight * residual[j] * by_parameter[j, m]
                slope_b -= 2.0 * weight * aligned
                for a in range(p):
                    a0[a] += weight * (total[a] * r0 + encoded[a] * alpha)
                    a1[a] += weight * (total[a] * r1 + encoded[a] * beta)
                    for j in range(terms):
                        D[a, j] -= weight * total[a] * values[j]
            for a in range(p):
                a0[a] *= 2.0 * factors[k] * rates[a] / root
                a1[a] *= 2.0 * factors[k] * rates[a] / root
            if batch > 1:
                for a in range(p):
                    if draw == 0:
                        gradient[a] = 0.0
                    add(gradient[a], a0[a], x0)
                    add(gradient[a], a1[a], x1)
        for a in range(p):
            after[a] = scale[a] * (1.0 - factors[k] * rates[a] * decay / d)
            for j in range(terms):
                D[a, j] *= 2.0 * factors[k] * rates[a] / d
        _update(V, scale, after, trained, decoders, x0, x1, a0, a1, D, gradient, batch > 1, delta)
        scale[:] = after
        _rescale(V, scale)
        scalars[0] = b - factors[k] * rates[p] * slope_b / (d * d)
        for m in range(parameters):
            scalars[1 + m] = kappa[m] - factors[k] * rates[p + 1] * slope_kappa[m] / d


def _signature(real: Any) -> Any:
    rows = real[:, ::1]
    return types.void(
        _slopes, _integers, rows, _vector, _vector, rows, _matrix, rows, _integers, rows, _integers, _integers, _matrix,
        _vector, _vector, _vector, float64, uint32, uint32, int64, int64,
    )  # fmt: skip


_compiled: dict[str, Any] = {}


def advance(dtype: Any) -> Any:
    """The compiled `_advance` for weights of single or double precision (explicit types, so that it is kept on disk)."""
    name = np.dtype(dtype).name
    with LOCK:
        if name not in _compiled:
            real = {"float32": float32, "float64": float64}[name]
            _compiled[name] = njit(_signature(real), cache=True, nogil=True, error_model="numpy")(_advance)
    return _compiled[name]
