"""Compiled steps of the order parameters' own Markov chain: online SGD at dimension d in law, at a cost free of d.

In every atom the weights over √d are written in an orthonormal frame that follows them: first the span of the reference
directions (coordinates P), then at most p more directions (a lower triangle L). A standard Gaussian sample has independent
normal coordinates in this frame; what is outside it enters only through squared norms and inner products of the samples of
one step, a Wishart matrix of the remaining ν dimensions, drawn exactly by Bartlett's decomposition. After the step the part
of the weights outside the reference directions is turned back to triangular form (Cholesky), which no inner product notices.

The update is that of `asymptotics.autoencoder.process.steps`: nothing is averaged and no order in 1/d is dropped. Vectors that an
optimiser carries along (velocities, averages) are rows of the same frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float64, int64, types, uint32

from ...common.numerics.code.compiled import Kinds, njit
from ...common.numerics.laws.normals import LANES, TILE64, normal_tile64, uniform

#: Streams of the generator; the counter's step is a block of steps (normals) or a step (uniform numbers).
NORMALS, CLUSTER, TIME, ACCEPT, RETRY, LABEL = range(16, 22)
#: Steps whose normals are drawn together: one tile for every number that a step needs.
BLOCK = TILE64
#: A pivot below this share of its diagonal entry is rounding: the direction is empty.
EMPTY = 1e-14

_SUMS = {"contract", "reassoc", "nsz"}


@njit(cache=True, error_model="numpy")
def chi_square(degrees: Any, x: Any, key0: Any, key1: Any, step: Any, index: Any) -> Any:
    """A χ² variate of ``degrees`` ≥ 0 degrees of freedom: Marsaglia and Tsang's exact rejection, from the normal x.

    G. Marsaglia, W. W. Tsang, *A simple method for generating gamma variables*, ACM Trans. Math. Softw. 26 (2000) 363:
    shape k ≥ 1, accept k′ v with k′ = k − 1/3, v = (1 + x/√(9k′))³ if ln u < x²/2 + k′ (1 − v + ln v).
    """
    if degrees < 2:
        return x * x if degrees == 1 else 0.0
    shape, scale = gamma_shape(degrees)
    return accepted(shape, scale, x, uniform(key0, key1, ACCEPT, step, index), key0, key1, step, index)


@njit(cache=True, error_model="numpy")
def gamma_shape(degrees: Any) -> Any:
    """k′ and 1/√(9k′) of a χ² variate of ``degrees`` ≥ 2 degrees of freedom."""
    shape = 0.5 * degrees - 1.0 / 3.0
    return shape, 1.0 / math.sqrt(9.0 * shape)


@njit(cache=True, error_model="numpy")
def accepted(shape: Any, scale: Any, x: Any, u: Any, key0: Any, key1: Any, step: Any, index: Any) -> Any:
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


@njit(cache=True, error_model="numpy")
def _uniforms(key0: Any, key1: Any, stream: Any, first: Any, index: Any, out: Any) -> None:
    """out[l] = uniform number ``index`` of step first + l; many at once, so that the loop vectorises."""
    for i in range(out.shape[0]):
        out[i] = uniform(key0, key1, stream, first + i, index)


@njit(cache=True, error_model="numpy")
def _pick(u: Any, cumulative: Any) -> Any:
    last, k = cumulative.shape[0] - 1, 0
    while k < last and u >= cumulative[k]:
        k += 1
    return k


@njit(cache=True, error_model="numpy", fastmath=_SUMS)
def triangle(G: Any, L: Any) -> None:
    """Lower triangle L with L Lᵀ = G (positive semi-definite)."""
    p = G.shape[0]
    for j in range(p):
        pivot = G[j, j]
        for k in range(j):
            pivot -= L[j, k] * L[j, k]
        if pivot <= EMPTY * G[j, j]:
            for i in range(j, p):
                L[i, j] = 0.0
        else:
            root = math.sqrt(pivot)
            L[j, j] = root
            for i in range(j + 1, p):
                total = G[i, j]
                for k in range(j):
                    total -= L[i, k] * L[j, k]
                L[i, j] = total / root
        for k in range(j + 1, p):
            L[j, k] = 0.0


@njit(cache=True, error_model="numpy")
def _mixed(
    decoders: Any, D: Any, coefficients: Any, gradient_of: Any, gradient_by: Any, linear_of: Any, linear_by: Any, mix: Any,
    gains: Any,
) -> None:  # fmt: skip
    """What a step makes of the stacked vectors and of the samples: (1 + L + R D) W and R × coefficients."""
    for r in range(mix.shape[0]):
        for c in range(mix.shape[0]):
            mix[r, c] = 1.0 if r == c else 0.0
        for i in range(gains.shape[1]):
            gains[r, i] = 0.0
    for e in range(linear_of.shape[0]):
        mix[linear_of[e, 0], linear_of[e, 1]] += linear_by[e]
    for e in range(gradient_of.shape[0]):
        r, a = gradient_of[e]
        for j in range(decoders.shape[0]):
            mix[r, decoders[j]] += gradient_by[e] * D[a, j]
        for i in range(gains.shape[1]):
            gains[r, i] += gradient_by[e] * coefficients[a, i]


_vector, _matrix, _cube, _integers = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]
_pairs = int64[:, ::1]
_slopes = types.FunctionType(types.void(_vector, _vector, _vector, _vector, _matrix, _matrix))


_signature = types.void(
    _slopes, _integers, _cube, _cube, _matrix, _integers, _integers, _integers, _cube, _matrix, _vector, _matrix, boolean,
    _integers, int64, float64, _cube, _vector, _vector, _vector, _vector, _pairs, _matrix, _pairs, _matrix,
    _vector, _pairs, _matrix, float64, uint32, uint32, int64, int64,
)  # fmt: skip


class Sizes(NamedTuple):
    """What the code of the steps may know beforehand; 0 and False where it is read of the arrays.

    Attributes
    ----------
    atoms, rows, span, vectors, terms, batch : int
        Shapes of the frame, vectors of the network, terms of it, samples a step.
    full : bool
        Whether every atom has all directions of the frame.
    plain : bool
        Whether there is nothing but SGD.
    """

    atoms: int = 0
    rows: int = 0
    span: int = 0
    vectors: int = 0
    terms: int = 0
    batch: int = 0
    full: bool = False
    plain: bool = False


def _written(sizes: Sizes) -> Callable[..., None]:
    """The steps for these sizes."""
    ATOMS, ROWS, SPAN, VECTORS, TERMS, BATCH, FULL, PLAIN = sizes

    def advance(
        slopes: Any, decoders: Any, P: Any, L: Any, scalars: Any, ranks: Any, widths: Any, rest: Any, means: Any, spreads: Any,
        cumulative: Any, cumulative_times: Any, random_time: Any, labels: Any, label_count: Any, dropout: Any, clock: Any,
        time_weights: Any, factors: Any, rates: Any, decays: Any, gradient_of: Any, gradient_by: Any, linear_of: Any,
        linear_by: Any, scalar_gradient: Any, scalar_of: Any, scalar_by: Any, d: Any, key0: Any, key1: Any, first: Any, samples: Any,
    ) -> None:  # fmt: skip
        """SGD steps first, first + 1, … (as many as ``factors``), in place.

        Parameters
        ----------
        slopes, decoders
            φ_j and their slopes (`Forward.module.slopes`), decoder of each term.
        P, L : (atoms, rows, span), (atoms, rows, rows)
            Stacked vectors over √d in the frame of every atom, the p of the network first.
        scalars : (S, skips + parameters)
            b_k, κ, in every row of scalars.
        ranks, widths, rest : (atoms,)
            Dimensions of the reference directions, of the rest of the frame, and outside it (ν).
        means, spreads : (clusters, atoms, span), (clusters, atoms)
            Centroids in the frame; √ς.
        cumulative, cumulative_times, random_time
            Weights of clusters, and of times (one row, or one a step); whether a time is drawn for every sample.
        labels, label_count, dropout
            Label of every cluster (−1: none), how many there are, and the probability that it is dropped.
        clock, time_weights, factors, rates, decays, first, samples, gradient_of … scalar_by
            As in `asymptotics.autoencoder.process.steps`.
        d : float
            Dimension.
        """
        # What is known beforehand is a constant of the code: its loops are then written out.
        atoms, rows, span = P.shape if ATOMS == 0 else (ATOMS, ROWS, SPAN)
        p = rates.shape[0] - 2 if VECTORS == 0 else VECTORS
        terms = decoders.shape[0] if TERMS == 0 else TERMS
        batch = samples if BATCH == 0 else BATCH
        skips = clock.shape[1] - 9
        times, parameters = time_weights.shape[0], scalars.shape[1] - skips
        stacked = gradient_of.shape[0] > 0 if not PLAIN else False
        m = 2 * batch
        frame = span + rows
        per_atom = m * frame + m * (m - 1) // 2 + m
        needed = atoms * per_atom
        words, normals = np.empty((4, LANES), np.uint32), np.empty((needed, TILE64))
        x, A = np.empty((atoms, m, frame)), np.zeros((atoms, m, m))
        lambda0, lambda1, omega, Q = np.empty(p), np.empty(p), np.empty(p), np.empty((p, p))
        values, by_field, by_parameter = np.empty(terms), np.zeros((terms, p)), np.zeros((terms, parameters))
        coefficients, D, after = np.zeros((p, m)), np.empty((p, terms)), np.empty(p)
        total, encoded, residual = np.empty(p), np.empty(p), np.empty(terms)
        slope_kappa, kappa, clusters = np.empty(parameters), np.empty(parameters), np.empty(batch, np.int64)
        fresh, outside, G = np.empty((rows, frame)), np.empty((rows, m)), np.empty((rows, rows))
        slope_b, b, now, change = np.empty(skips), np.empty(skips), np.zeros(5 + label_count), np.empty(scalars.shape)
        mix, reach = np.zeros((rows, rows)), np.zeros((rows, m))
        chosen_by, attempts = np.empty(BLOCK * batch), np.empty((atoms * m, BLOCK))
        shapes, scales = np.zeros((atoms, m)), np.zeros((atoms, m))
        for k in range(atoms):
            for j in range(m):
                if rest[k] - j >= 2:
                    shapes[k, j], scales[k, j] = gamma_shape(rest[k] - j)
        block = np.int64(-1)
        for n in range(factors.shape[0]):
            step = first + n
            lane = step % BLOCK
            if step // BLOCK != block:
                block = step // BLOCK
                for j in range(needed):
                    normal_tile64(key0, key1, NORMALS, block, j, words, normals[j])
                _uniforms(key0, key1, CLUSTER, block * BLOCK * batch, 0, chosen_by)
                for j in range(atoms * m):
                    _uniforms(key0, key1, ACCEPT, block * BLOCK, j, attempts[j])
            # Gram matrix
            for a in range(p):
                for c in range(a + 1):
                    s = 0.0
                    for k in range(atoms):
                        for i in range(span if FULL else ranks[k]):
                            s += P[k, a, i] * P[k, c, i]
                        for i in range(rows if FULL else widths[k]):
                            s += L[k, a, i] * L[k, c, i]
                    Q[a, c] = s
                    Q[c, a] = s
            # the samples: coordinates in the frame, and Bartlett's triangle for what is outside
            for draw in range(batch):
                clusters[draw] = _pick(chosen_by[lane * batch + draw], cumulative)
            for k in range(atoms):
                at = k * per_atom
                for j in range(m):
                    for i in range(frame):
                        x[k, j, i] = normals[at + j * frame + i, lane]
                at += m * frame
                for j in range(m):
                    for i in range(j):
                        A[k, j, i] = normals[at, lane] if i < rest[k] else 0.0
                        at += 1
                    # Row j of a singular Wishart matrix's factor has no diagonal once the dimensions are used up.
                    number = normals[at, lane]
                    if rest[k] - j < 2:
                        A[k, j, j] = abs(number) if rest[k] - j == 1 else 0.0
                    else:
                        square = accepted(
                            shapes[k, j], scales[k, j], number, attempts[k * m + j, lane], key0, key1, step, k * m + j
                        )
                        A[k, j, j] = math.sqrt(square)
                    at += 1
                for draw in range(batch):
                    c = clusters[draw]
                    spread = spreads[c, k]
                    for i in range(frame):
                        x[k, 2 * draw + 1, i] *= spread
                    for i in range(span if FULL else ranks[k]):
                        x[k, 2 * draw + 1, i] += means[c, k, i]
                    for i in range(2 * draw + 2):
                        A[k, 2 * draw + 1, i] *= spread
            moment = n if clock.shape[0] > 1 else 0
            for i in range(skips):
                b[i] = scalars[0, i]
                slope_b[i] = 0.0
            for i in range(parameters):
                kappa[i] = scalars[0, skips + i]
                slope_kappa[i] = 0.0
            D[:] = 0.0
            coefficients[:] = 0.0
            for draw in range(batch):
                s00, s01, s11 = 0.0, 0.0, 0.0
                for a in range(p):
                    lambda0[a] = 0.0
                    lambda1[a] = 0.0
                for k in range(atoms):
                    y, z = x[k, 2 * draw], x[k, 2 * draw + 1]
                    for i in range(span if FULL else ranks[k]):
                        s00 += y[i] * y[i]
                        s01 += y[i] * z[i]
                        s11 += z[i] * z[i]
                        for a in range(p):
                            lambda0[a] += P[k, a, i] * y[i]
                            lambda1[a] += P[k, a, i] * z[i]
                    for i in range(rows if FULL else widths[k]):
                        s00 += y[span + i] * y[span + i]
                        s01 += y[span + i] * z[span + i]
                        s11 += z[span + i] * z[span + i]
                        for a in range(p):
                            lambda0[a] += L[k, a, i] * y[span + i]
                            lambda1[a] += L[k, a, i] * z[span + i]
                    y, z = A[k, 2 * draw], A[k, 2 * draw + 1]
                    for i in range(2 * draw + 1):
                        s00 += y[i] * y[i]
                        s01 += y[i] * z[i]
                    for i in range(2 * draw + 2):
                        s11 += z[i] * z[i]
                chances = cumulative_times[n if cumulative_times.shape[0] > 1 else 0]
                chosen = _pick(uniform(key0, key1, TIME, step * batch + draw, 0), chances) if random_time else -1
                label = labels[clusters[draw]] if label_count > 0 else -1
                if dropout > 0.0 and uniform(key0, key1, LABEL, step * batch + draw, 0) < dropout:
                    label = -1
                for i in range(label_count):
                    now[5 + i] = 1.0 if label == i else 0.0
                for h in range(times):
                    if chosen >= 0 and h != chosen:
                        continue
                    weight = clock[moment, 7, h] * (1.0 if chosen >= 0 else time_weights[h]) / batch
                    for i in range(5):
                        now[i] = clock[moment, i, h]
                    alpha, beta, skip = now[0], now[1], clock[moment, 8, h]
                    for i in range(skips):
                        skip += b[i] * clock[moment, 9 + i, h]
                    r0, r1 = clock[moment, 5, h] - skip * alpha, clock[moment, 6, h] - skip * beta
                    for a in range(p):
                        omega[a] = alpha * lambda0[a] + beta * lambda1[a]
                        total[a] = 0.0
                        encoded[a] = 0.0
                    slopes(omega, kappa, now, values, by_field, by_parameter)
                    aligned = r0 * alpha * s00 + r1 * beta * s11 + (r0 * beta + r1 * alpha) * s01
                    for j in range(terms):
                        u = decoders[j]
                        total[u] += values[j]
                        aligned -= values[j] * omega[u]
                        e = r0 * lambda0[u] + r1 * lambda1[u]
                        for i in range(terms):
                            e -= Q[u, decoders[i]] * values[i]
                        residual[j] = e
                        for a in range(p):
                            encoded[a] += e * by_field[j, a]
                        for i in range(parameters):
                            slope_kappa[i] -= 2.0 * weight * e * by_parameter[j, i]
                    for i in range(skips):
                        slope_b[i] -= 2.0 * weight * aligned * clock[moment, 9 + i, h]
                    for a in range(p):
                        coefficients[a, 2 * draw] += weight * (total[a] * r0 + encoded[a] * alpha)
                        coefficients[a, 2 * draw + 1] += weight * (total[a] * r1 + encoded[a] * beta)
                        for j in range(terms):
                            D[a, j] -= weight * total[a] * values[j]
            for a in range(p):
                gain = 2.0 * factors[n] * rates[a] / d
                after[a] = 1.0 - factors[n] * rates[a] * decays[n] / d
                for j in range(m):
                    coefficients[a, j] *= gain
                for j in range(terms):
                    D[a, j] *= gain
            if stacked:
                _mixed(
                    decoders, D, coefficients, gradient_of, gradient_by[n], linear_of, linear_by[n], mix, reach
                )  # fmt: skip
            else:
                reach[:] = coefficients
            for k in range(atoms):
                for a in range(rows):
                    if stacked:
                        for i in range(frame):
                            fresh[a, i] = 0.0
                        for c in range(rows):
                            if mix[a, c] != 0.0:
                                for i in range(span):
                                    fresh[a, i] += mix[a, c] * P[k, c, i]
                                for i in range(rows):
                                    fresh[a, span + i] += mix[a, c] * L[k, c, i]
                    else:
                        for i in range(span):
                            fresh[a, i] = after[a] * P[k, a, i]
                        for i in range(rows):
                            fresh[a, span + i] = after[a] * L[k, a, i]
                        for j in range(terms):
                            if D[a, j] != 0.0:
                                for i in range(span):
                                    fresh[a, i] += D[a, j] * P[k, decoders[j], i]
                                for i in range(rows):
                                    fresh[a, span + i] += D[a, j] * L[k, decoders[j], i]
                    for i in range(m):
                        outside[a, i] = 0.0
                    for j in range(m):
                        gain = reach[a, j]
                        for i in range(span if FULL else ranks[k]):
                            fresh[a, i] += gain * x[k, j, i]
                        for i in range(rows if FULL else widths[k]):
                            fresh[a, span + i] += gain * x[k, j, span + i]
                        for i in range(j + 1):
                            outside[a, i] += gain * A[k, j, i]
                for a in range(rows):
                    for i in range(span):
                        P[k, a, i] = fresh[a, i]
                if rest[k] > 0:
                    for a in range(rows):
                        for c in range(a + 1):
                            s = 0.0
                            for i in range(rows):
                                s += fresh[a, span + i] * fresh[c, span + i]
                            for i in range(m):
                                s += outside[a, i] * outside[c, i]
                            G[a, c] = s
                            G[c, a] = s
                    triangle(G, L[k])
                else:
                    for a in range(rows):
                        for i in range(rows):
                            L[k, a, i] = fresh[a, span + i]
            for i in range(skips):
                slope_b[i] = -(factors[n] * rates[p] * slope_b[i] / (d * d))
            for i in range(parameters):
                slope_kappa[i] = -(factors[n] * rates[p + 1] * slope_kappa[i] / d)
            for r in range(scalars.shape[0]):
                for i in range(skips + parameters):
                    change[r, i] = scalars[r, i]
                for i in range(skips):
                    change[r, i] += scalar_gradient[r] * slope_b[i]
                for i in range(parameters):
                    change[r, skips + i] += scalar_gradient[r] * slope_kappa[i]
            for e in range(scalar_of.shape[0]):
                for i in range(skips + parameters):
                    change[scalar_of[e, 0], i] += scalar_by[n, e] * scalars[scalar_of[e, 1], i]
            for r in range(scalars.shape[0]):
                for i in range(skips + parameters):
                    scalars[r, i] = change[r, i]

    return advance


#: The compiled steps for some sizes.
steps_of = Kinds[Sizes](lambda sizes: (_written(sizes), _signature))
