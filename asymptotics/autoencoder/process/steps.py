"""Compiled steps of online SGD in R^d: draw a sample, take inner products, combine, update.

Nothing here is averaged. For one sample (x₀, x₁), with the local fields λ₀ = W x₀/√d, λ₁ = W x₁/√d and the Gram matrix
Q = W Wᵀ/d, the residual e_t = y₀x₀ + y₁x₁ − f(x_t) of the network f(x) = s x + Σ_j (u_j/√d) φ_j has the inner products
ε_j = u_j·e_t/√d = y₀λ₀ + y₁λ₁ − sω (components u_j) − Σ_k Q_{u_j u_k} φ_k, and the gradients of ‖e_t‖² are

    ∂_{w_a}: −(2/√d) [Φ_a e_t + F_a x_t],  Φ_a = Σ_{j: u_j = w_a} φ_j,  F_a = Σ_j ε_j ∂φ_j/∂ω_a
    ∂_κ:     −2 Σ_j ε_j ∂φ_j/∂κ            ∂_{b_k}: −2 ψ_k(t) e_t·x_t,   s(t) = s₀(t) + Σ_k b_k ψ_k(t)

so that a step is a linear combination of x₀, x₁ and the decoder vectors for any number of times t. What an optimiser makes of the
gradients, and vectors that the network does not use (averages, velocities), is a linear map of the stacked vectors
(`asymptotics.autoencoder.process.optimiser`); plain SGD on batches takes a path of its own, without them, and on single samples
one that reads the weights once a step (`asymptotics.autoencoder.process.mixed_steps`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int64, types, uint32

from ...common.numerics.code.compiled import Kinds, njit, real_type
from ...common.numerics.laws.normals import LANES, TILE32, normal_block, uniform
from ..model.streams import BASE, TARGET
from .arithmetic import BLOCK, add, combined, dot, dots, product, scaled

_TINY, _HUGE = 2.0**-20, 2.0**20


@njit(cache=True, nogil=True)
def choose(key0: Any, key1: Any, stream: Any, first: Any, cumulative: Any, out: Any) -> None:
    """out[i] = index drawn with the given cumulative weights for sample number first + i."""
    last = cumulative.shape[0] - 1
    for i in range(out.shape[0]):
        out[i] = min(np.searchsorted(cumulative, uniform(key0, key1, stream, first + i, 0), side="right"), last)


@njit(cache=True, nogil=True)
def choose_along(key0: Any, key1: Any, stream: Any, first: Any, batch: Any, cumulative: Any, out: Any) -> None:
    """`choose` with cumulative weights of every step's own (rows), ``batch`` samples a step; one row: of all steps."""
    last, moving = cumulative.shape[1] - 1, cumulative.shape[0] > 1
    for i in range(out.shape[0]):
        weights = cumulative[i // batch if moving else 0]
        out[i] = min(np.searchsorted(weights, uniform(key0, key1, stream, first + i, 0), side="right"), last)


@njit(cache=True, error_model="numpy")
def _update(
    V: Any, scale: Any, after: Any, trained: Any, decoders: Any, D: Any, gradient: Any, delta: Any,
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
    V: Any, trained: Any, decoders: Any, x0: Any, x1: Any, a0: Any, a1: Any, D: Any, gradient: Any, batched: Any, delta: Any,
    fresh: Any, gradient_of: Any, gradient_by: Any, linear_of: Any, linear_by: Any,
) -> None:  # fmt: skip
    """V_a += Σ_c R_ac (a0_c x₀ + a1_c x₁ + Σ_k D_ck u_k) + Σ_c L_ac V_c, all at the old vectors; R and L by their entries."""
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
        fresh[:] = 0.0
        for e in range(gradient_of.shape[0]):
            add(fresh[gradient_of[e, 0], : hi - lo], gradient_by[e], delta[gradient_of[e, 1], : hi - lo])
        for e in range(linear_of.shape[0]):
            add(fresh[linear_of[e, 0], : hi - lo], linear_by[e], V[linear_of[e, 1], lo:hi])
        for a in range(V.shape[0]):
            add(V[a, lo:hi], 1.0, fresh[a, : hi - lo])


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


@njit(inline="always")
def averaged(
    slopes: Any, decoders: Any, clock: Any, frame: Any, time_weights: Any, chosen: Any, label: Any, label_count: Any, batch: Any,
    lambda0: Any, lambda1: Any, Q: Any, s00: Any, s01: Any, s11: Any, b: Any, kappa: Any, now: Any, omega: Any, values: Any,
    by_field: Any, by_parameter: Any, total: Any, encoded: Any, residual: Any, a0: Any, a1: Any, D: Any, slope_b: Any,
    slope_kappa: Any,
) -> None:  # fmt: skip
    """The average of one sample's gradient over the times, from its fields λ₀, λ₁ and the Gram matrices Q and s.

    ``a0`` and ``a1`` become the coefficients of x₀ and x₁, per 2η/√d; to ``D`` (of the decoders, per 2η/d), ``slope_b`` and
    ``slope_kappa`` the sample's share is added. The others are scratch.
    """
    p, terms, skips = lambda0.shape[0], decoders.shape[0], b.shape[0]
    a0[:], a1[:] = 0.0, 0.0
    for m in range(label_count):
        now[5 + m] = 1.0 if label == m else 0.0
    for t_index in range(time_weights.shape[0]):
        if chosen >= 0 and t_index != chosen:
            continue
        weight = clock[frame, 7, t_index] * (1.0 if chosen >= 0 else time_weights[t_index]) / batch
        for m in range(5):
            now[m] = clock[frame, m, t_index]
        alpha, beta, skip = now[0], now[1], clock[frame, 8, t_index]
        for m in range(skips):
            skip += b[m] * clock[frame, 9 + m, t_index]
        r0, r1 = clock[frame, 5, t_index] - skip * alpha, clock[frame, 6, t_index] - skip * beta
        for a in range(p):
            omega[a] = alpha * lambda0[a] + beta * lambda1[a]
        slopes(omega, kappa, now, values, by_field, by_parameter)
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
            for m in range(slope_kappa.shape[0]):
                slope_kappa[m] -= 2.0 * weight * residual[j] * by_parameter[j, m]
        for m in range(skips):
            slope_b[m] -= 2.0 * weight * aligned * clock[frame, 9 + m, t_index]
        for a in range(p):
            a0[a] += weight * (total[a] * r0 + encoded[a] * alpha)
            a1[a] += weight * (total[a] * r1 + encoded[a] * beta)
            for j in range(terms):
                D[a, j] -= weight * total[a] * values[j]


_vector, _matrix, _integers = float64[::1], float64[:, ::1], int64[::1]
_cube, _pairs = float64[:, :, ::1], int64[:, ::1]
_slopes = types.FunctionType(types.void(_vector, _vector, _vector, _vector, _matrix, _matrix))


def _advance(
    slopes: Any, decoders: Any, V: Any, scale: Any, scalars: Any, references: Any, coordinates: Any, spreads: Any,
    spread_of: Any, data: Any, picks: Any, time_picks: Any, labels: Any, label_count: Any, clock: Any, time_weights: Any,
    factors: Any, rates: Any, decays: Any, gradient_of: Any, gradient_by: Any, linear_of: Any, linear_by: Any,
    scalar_gradient: Any, scalar_of: Any, scalar_by: Any, key0: Any, key1: Any, first: Any, batch: Any,
) -> None:  # fmt: skip
    """Steps first, first + 1, … (as many as ``factors``) of an optimiser or of plain SGD on batches, in place.

    Parameters
    ----------
    slopes : function
        φ_j and their slopes (`Forward.module.slopes`).
    decoders : (terms,)
        Index of the decoder of each term.
    V, scale : (P, d), (P,)
        Weights W_a = scale_a V_a, those of the network first. The factor carries the weight decay (1 − ηλ/d is no number of
        single precision) unless an optimiser's map does.
    scalars : (S, skips + parameters)
        b_1, b_2, …, κ of the network, and rows that the network does not use.
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
    labels, label_count : (samples,), int
        Label of every sample (−1: dropped or none), and how many there are.
    clock : (1 or steps, 9 + skips, times)
        α, β, α̇, β̇, t, y₀, y₁, w, s₀, ψ_1, ψ_2, …: the same at every step, or one table a step. w is a factor on the gradient of
        a time, whether it is averaged over or drawn.
    time_weights : (times,)
        Weights of E_t.
    factors, decays : (steps,)
        Factor on the learning rates, and λ, at every step.
    rates : (p + 2,)
        Learning rates of the vectors, of b and of κ.
    gradient_of, gradient_by, linear_of, linear_by : (n, 2), (steps, n), (m, 2), (steps, m)
        Entries of the optimiser's R and L (see `_stacked_update`); n = 0: plain SGD.
    scalar_gradient, scalar_of, scalar_by : (S,), (m, 2), (steps, m)
        The same of the rows of ``scalars``.
    first, batch :
        Number of the first step, samples a step.
    """
    p, d, skips = rates.shape[0] - 2, V.shape[1], clock.shape[1] - 9
    terms, parameters = decoders.shape[0], scalars.shape[1] - skips
    stacked = gradient_of.shape[0] > 0
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
    slope_b, b, now = np.empty(skips), np.empty(skips), np.zeros(5 + label_count)
    fresh = np.empty((V.shape[0] if stacked else 0, min(d, BLOCK)), V.dtype)
    change = np.empty(scalars.shape)
    for k in range(factors.shape[0]):
        frame = k if clock.shape[0] > 1 else 0
        b[:] = scalars[0, :skips]
        kappa[:] = scalars[0, skips:]
        D[:] = 0.0
        slope_kappa[:] = 0.0
        slope_b[:] = 0.0
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
            averaged(
                slopes, decoders, clock, frame, time_weights, time_picks[index], labels[index], label_count, batch, lambda0, lambda1,
                Q, s00, s01, s11, b, kappa, now, omega, values, by_field, by_parameter, total, encoded, residual, a0, a1, D, slope_b,
                slope_kappa,
            )  # fmt: skip
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
            after[a] = scale[a] * (1.0 - factors[k] * rates[a] * decays[k] / d)
            for j in range(terms):
                D[a, j] *= 2.0 * factors[k] * rates[a] / d
        if stacked:
            _stacked_update(
                V, trained, decoders, x0, x1, a0, a1, D, gradient, batch > 1, delta, fresh, gradient_of,
                gradient_by[k], linear_of, linear_by[k],
            )  # fmt: skip
        else:
            _update(V, scale, after, trained, decoders, D, gradient, delta)
            scale[:] = after
            _rescale(V, scale)
        for m in range(skips):
            slope_b[m] = -(factors[k] * rates[p] * slope_b[m] / (d * d))
        for m in range(parameters):
            slope_kappa[m] = -(factors[k] * rates[p + 1] * slope_kappa[m] / d)
        change[:] = scalars
        for r in range(scalars.shape[0]):
            for m in range(skips):
                change[r, m] += scalar_gradient[r] * slope_b[m]
            for m in range(parameters):
                change[r, skips + m] += scalar_gradient[r] * slope_kappa[m]
        for e in range(scalar_of.shape[0]):
            for m in range(skips + parameters):
                change[scalar_of[e, 0], m] += scalar_by[k, e] * scalars[scalar_of[e, 1], m]
        scalars[:] = change


def _signature(real: Any) -> Any:
    rows = real[:, ::1]
    return types.void(
        _slopes, _integers, rows, _vector, _matrix, rows, _matrix, rows, _integers, rows, _integers, _integers, _integers,
        int64, _cube, _vector, _vector, _vector, _vector, _pairs, _matrix, _pairs, _matrix, _vector, _pairs, _matrix,
        uint32, uint32, int64, int64,
    )  # fmt: skip


#: The compiled `_advance` for weights of single or double precision, by the name of their type.
advance = Kinds[str](lambda dtype: (_advance, _signature(real_type(dtype))))
