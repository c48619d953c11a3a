"""Compiled sums over the nodes of one condition: products of monomials of the tabulated functions, and moments of squares."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import njit

# Sums over nodes are written out: on a busy machine a threaded BLAS waits longer than they take.
_SUMS = {"contract", "reassoc", "nsz"}
#: Nodes whose monomials are held at once.
PIECE = 32


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def weighted(table: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """out = tableᵀ weights, (columns, polynomials), for nodes along the first axis of both."""
    sums = np.zeros((weights.shape[1], table.shape[1]))
    for n in range(table.shape[0]):
        for k in range(weights.shape[1]):
            for i in range(table.shape[1]):
                sums[k, i] += weights[n, k] * table[n, i]
    for k in range(weights.shape[1]):
        for i in range(table.shape[1]):
            out[i, k] = sums[k, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def products(
    w: np.ndarray, g: np.ndarray, gs: np.ndarray, f: np.ndarray, fs: np.ndarray, P: np.ndarray, K: np.ndarray,
    Ks: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """out = E[V Vᵀ] of the monomials V = (1, g_i, g_i f_l, g_i g_j within a channel, P̂, K), (monomials, monomials).

    At a node g_i = g + gs·ε, f_l = f + fs·ε, K = K + Ks·ε with ε ~ N(0, 1)^m. A monomial is expanded in Hermite polynomials
    of ε: its mean, the coefficients of ε, those of (ε_a² − 1)/√2 and ε_a ε_b; E[V V'] is the sum of their products.

    Parameters
    ----------
    w : (N,);  g, gs : (2p, N), (2p m, N);  f, fs : (F, N), (F m, N);  P : (pairs, N);  K, Ks : (k, N), (k m, N)
    """
    m, p, F = gs.shape[0] // g.shape[0], g.shape[0] // 2, f.shape[0]
    count, parts = 1 + 2 * p * (1 + F) + p * (p + 1) + P.shape[0] + K.shape[0], 1 + m + m * (m + 1) // 2
    even = count + count % 2
    rows, sums, root = np.zeros((even, parts * PIECE)), np.zeros((even, even)), np.empty(PIECE)
    for first in range(0, w.shape[0], PIECE):
        last = min(first + PIECE, w.shape[0])
        size = last - first
        if size < PIECE:
            for i in range(even):
                for k in range(parts * PIECE):
                    rows[i, k] = 0.0
        for n in range(size):
            root[n] = np.sqrt(w[first + n])
            rows[0, n] = root[n]
        col = 1
        for i in range(2 * p):
            for n in range(size):
                rows[col, n] = root[n] * g[i, first + n]
            for a in range(m):
                for n in range(size):
                    rows[col, (1 + a) * PIECE + n] = root[n] * gs[i * m + a, first + n]
            col += 1
        for i in range(2 * p):
            for j in range(F):
                _pair(m, first, size, root, g, gs, i, f, fs, j, rows[col])
                col += 1
        for ch in range(2):
            for i in range(ch * p, ch * p + p):
                for j in range(i, ch * p + p):
                    _pair(m, first, size, root, g, gs, i, g, gs, j, rows[col])
                    col += 1
        for i in range(P.shape[0]):
            for n in range(size):
                rows[col, n] = root[n] * P[i, first + n]
            col += 1
        for i in range(K.shape[0]):
            for n in range(size):
                rows[col, n] = root[n] * K[i, first + n]
            for a in range(m):
                for n in range(size):
                    rows[col, (1 + a) * PIECE + n] = root[n] * Ks[i * m + a, first + n]
            col += 1
        # Two rows with two: what is loaded serves twice.
        for i in range(0, count, 2):
            for j in range(0, i + 1, 2):
                a0, a1, b0, b1 = rows[i], rows[i + 1], rows[j], rows[j + 1]
                t00 = t01 = t10 = t11 = 0.0
                for k in range(parts * PIECE):
                    t00 += a0[k] * b0[k]
                    t01 += a0[k] * b1[k]
                    t10 += a1[k] * b0[k]
                    t11 += a1[k] * b1[k]
                sums[i, j] += t00
                sums[i, j + 1] += t01
                sums[i + 1, j] += t10
                sums[i + 1, j + 1] += t11
    for i in range(count):
        for j in range(i + 1):
            out[i, j] = out[j, i] = sums[i, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _pair(
    m: int, first: int, size: int, root: np.ndarray, x: np.ndarray, xs: np.ndarray, i: int, y: np.ndarray,
    ys: np.ndarray, j: int, row: np.ndarray,
) -> None:  # fmt: skip
    """Hermite coefficients of (x_i + xs_i·ε)(y_j + ys_j·ε) at nodes first, …: one part after the other."""
    for n in range(size):
        row[n] = root[n] * x[i, first + n] * y[j, first + n]
    at = (1 + m) * PIECE
    for a in range(m):
        one, other = xs[i * m + a], ys[j * m + a]
        for n in range(size):
            product = root[n] * one[first + n] * other[first + n]
            row[n] += product
            row[(1 + a) * PIECE + n] = root[n] * (x[i, first + n] * other[first + n] + one[first + n] * y[j, first + n])
            row[at + n] = 1.4142135623730951 * product
        at += PIECE
        for c in range(a + 1, m):
            left, right = xs[i * m + c], ys[j * m + c]
            for n in range(size):
                row[at + n] = root[n] * (one[first + n] * right[first + n] + left[first + n] * other[first + n])
            at += PIECE


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def square_moments(
    g: np.ndarray, h: np.ndarray, hR: np.ndarray, gv: np.ndarray, hv: np.ndarray, weights: np.ndarray, F: np.ndarray,
    Fe: np.ndarray, Fee: np.ndarray, Fv: np.ndarray,
) -> None:  # fmt: skip
    """Moments of g_i g_j (i ≤ j in one channel) with the rows of ``weights``, of its slopes, curvature and derivatives.

    From g (2p, N), h and hR (2p L, N), gv (2p V, N), hv (2p V L, N); all of ``F`` (pairs, polynomials), ``Fe`` (pairs, L,
    polynomials), ``Fee`` (pairs, L, L), ``Fv`` (pairs, V) are filled.
    """
    p, L, V, N = g.shape[0] // 2, Fee.shape[1], Fv.shape[1], g.shape[1]
    value, w = np.empty(N), weights[0]
    r = 0
    for ch in range(2):
        for i in range(ch * p, ch * p + p):
            for j in range(i, ch * p + p):
                for n in range(N):
                    value[n] = g[i, n] * g[j, n]
                for a in range(L):
                    for n in range(N):
                        value[n] += hR[i * L + a, n] * h[j * L + a, n]
                _sums(weights, value, F[r])
                for a in range(L):
                    for n in range(N):
                        value[n] = g[i, n] * h[j * L + a, n] + h[i * L + a, n] * g[j, n]
                    _sums(weights, value, Fe[r, a])
                    for c in range(L):
                        total = 0.0
                        for n in range(N):
                            total += w[n] * (h[i * L + a, n] * h[j * L + c, n] + h[j * L + a, n] * h[i * L + c, n])
                        Fee[r, a, c] = total
                for v in range(V):
                    total = 0.0
                    for n in range(N):
                        total += w[n] * (gv[i * V + v, n] * g[j, n] + g[i, n] * gv[j * V + v, n])
                    for a in range(L):
                        for n in range(N):
                            total += w[n] * (
                                hv[(i * V + v) * L + a, n] * hR[j * L + a, n]
                                + hR[i * L + a, n] * hv[(j * V + v) * L + a, n]
                            )
                    Fv[r, v] = total
                r += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _sums(weights: np.ndarray, value: np.ndarray, out: np.ndarray) -> None:
    """out = weights @ value."""
    for k in range(weights.shape[0]):
        w, total = weights[k], 0.0
        for n in range(value.shape[0]):
            total += w[n] * value[n]
        out[k] = total
