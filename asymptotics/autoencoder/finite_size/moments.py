"""Moments of conditionally Gaussian monomials, and derivatives of Gaussian expectations by means and covariances.

Of a `FieldLaw` known fields are at the nodes z. Whatever is linear or quadratic in the linear fields is averaged over their
residual in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import float64, types

from ...common.numerics.compiled import njit
from ...common.numerics.pointers import function_at
from ..kernels.fields import FieldLaw


@dataclass(frozen=True)
class MovingLaw(FieldLaw):
    """The joint law of known and linear fields under every condition (…), and how it moves along D directions.

    Attributes
    ----------
    dmean, domega, demean, dcross, de : (…, D, n), (…, D, n, n), (…, D, J), (…, D, J, n), (…, D, J, J)
        Derivatives of m, Ω = S Sᵀ, μ, Cov(e, ω), Cov(e, e).
    """

    dmean: np.ndarray
    domega: np.ndarray
    demean: np.ndarray
    dcross: np.ndarray
    de: np.ndarray


def hermite(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """w × (1, z_i, z_i z_j − δ_ij for i ≤ j) at the nodes, (N, 1 + n + n (n + 1)/2)."""
    i, j = np.triu_indices(z.shape[1])
    second = z[:, i] * z[:, j] - (i == j)
    return np.asarray(w[:, None] * np.concatenate([np.ones((len(z), 1)), z, second], axis=1))


def flat(x: np.ndarray, axes: int = 2) -> np.ndarray:
    """The last axes as one."""
    return x.reshape(*x.shape[: x.ndim - axes], -1)


def transposed(x: np.ndarray) -> np.ndarray:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


def derivatives(
    F: np.ndarray, Fe: np.ndarray, Fee: np.ndarray | None, law: MovingLaw, by_explicit: np.ndarray, explicit: np.ndarray
) -> np.ndarray:
    """Derivatives of E[F] along the directions of a law, (…, functions, D).

    Bonnet and Price for all fields; in ω by parts (Hermite polynomials of the nodes), in e by derivatives of F.

    Parameters
    ----------
    F : (…, functions, 1 + n + n (n + 1)/2)
        Moments with the polynomials of `hermite`.
    Fe, Fee : (…, functions, L, 1 + n or more), (…, functions, L, L) or None
        The same of ∂F/∂e; mean of ∂²F/∂e².
    by_explicit, explicit : (…, functions, V), (D, V)
        Means of the derivatives by the explicit variables, and their motion.
    """
    n = law.mean.shape[-1]
    B, inverse = law.regression[..., None, :, :], law.inverse
    i, j = np.triu_indices(n)
    second = np.zeros((*F.shape[:-1], n, n))
    second[..., i, j] = second[..., j, i] = F[..., 1 + n : 1 + n + len(i)]
    second = inverse[..., None, :, :] @ second @ inverse[..., None, :, :]
    out = (F[..., 1 : 1 + n] @ inverse) @ transposed(law.dmean) + by_explicit @ explicit.T
    out += flat(second) @ transposed(flat(law.domega)) / 2
    if Fe.shape[-2]:
        out += Fe[..., 0] @ transposed(law.demean - law.dmean @ transposed(law.regression))
        slope = Fe[..., 1 : 1 + n] @ inverse[..., None, :, :]
        out += flat(slope) @ transposed(flat(law.dcross - B @ law.domega))
        if Fee is not None:
            mixed = law.dcross @ transposed(B)
            left = law.de - mixed - transposed(mixed) + B @ law.domega @ transposed(B)
            out += flat(Fee) @ transposed(flat(left)) / 2
    return np.asarray(out)


class Tables(NamedTuple):
    """Columns of the tabulated functions that a sample's moments are made of.

    ``g`` (2p,), ``h`` (2p, L), ``gv`` (2p, V), ``hv`` (2p, V, L): of g, channel 0 first, its slopes by the linear fields, its
    explicit derivatives and their slopes; ``P`` (pairs,), ``K`` (k,), ``Ks`` (k, L).
    """

    g: np.ndarray
    h: np.ndarray
    gv: np.ndarray
    hv: np.ndarray
    P: np.ndarray
    K: np.ndarray
    Ks: np.ndarray


class Squares(NamedTuple):
    """Moments of g_ca g_ce (a ≤ e, channel 0 first) of every condition, as `derivatives` takes them; and E[V Vᵀ] (`products`)."""

    F: np.ndarray
    Fe: np.ndarray
    Fee: np.ndarray
    Fv: np.ndarray
    second: np.ndarray

    @classmethod
    def empty(cls, count: int, columns: Tables, fields: int, polynomials: int) -> Squares:
        """Room for ``count`` conditions."""
        (L, V), p = columns.h.shape[1:] + columns.gv.shape[1:], len(columns.g) // 2
        squares = p * (p + 1)
        monomials = 1 + 2 * p * (1 + fields) + squares + len(columns.P) + len(columns.K)
        shapes = ((squares, polynomials), (squares, L, polynomials), (squares, L, L), (squares, V), (monomials,) * 2)
        return cls(*(np.zeros((count, *shape)) for shape in shapes))


_v, _m = float64[::1], float64[:, ::1]
#: Types of ``single`` and ``shared`` of a generated module.
SINGLE = types.void(_m, _v, _m, _v, _m, _m, *6 * (float64,), _v, _v, _m)
SHARED = types.void(_m, _v, _m, _m, _v, _m, _m, _m, *7 * (_v,), _v, _v, _m)
_single, _shared = function_at(SINGLE), function_at(SHARED)

# Sums over nodes are written out: on a busy machine a threaded BLAS waits longer than they take.
_SUMS = {"contract", "reassoc", "nsz"}
#: Nodes whose monomials are held at once.
PIECE = 32


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def weighted(table: Any, weights: Any) -> Any:
    """tableᵀ weights, (columns, polynomials), for nodes along the first axis of both."""
    out = np.zeros((weights.shape[1], table.shape[1]))
    for n in range(table.shape[0]):
        row = table[n]
        for k in range(weights.shape[1]):
            x, total = weights[n, k], out[k]
            for i in range(row.shape[0]):
                total[i] += x * row[i]
    return out.T.copy()


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def products(w: Any, g: Any, gs: Any, f: Any, fs: Any, P: Any, K: Any, Ks: Any, out: Any) -> None:
    """out = E[V Vᵀ] of the monomials V = (1, g_i, g_i f_l, g_i g_j within a channel, P̂, K), (monomials, monomials).

    At a node g_i = g + gs·ε, f_l = f + fs·ε, K = K + Ks·ε with ε ~ N(0, 1)^m. A monomial is expanded in Hermite polynomials
    of ε: its mean, the coefficients of ε, those of (ε_a² − 1)/√2 and ε_a ε_b; E[V V'] is the sum of their products.

    Parameters
    ----------
    w : (N,);  g, gs : (N, 2p), (N, 2p, m);  f, fs : (N, F), (F, m);  P : (N, pairs);  K, Ks : (N, k), (N, k, m)
    """
    m, p, F = gs.shape[2], g.shape[1] // 2, f.shape[1]
    count, parts = 1 + 2 * p * (1 + F) + p * (p + 1) + P.shape[1] + K.shape[1], 1 + m + m * (m + 1) // 2
    even = count + count % 2
    rows, sums = np.empty((even, PIECE * parts)), np.zeros((even, even))
    for first in range(0, w.shape[0], PIECE):
        last = min(first + PIECE, w.shape[0])
        rows[:] = 0.0
        for n in range(first, last):
            root, at = np.sqrt(w[n]), (n - first) * parts
            rows[0, at] = root
            col = 1
            for i in range(2 * p):
                rows[col, at] = root * g[n, i]
                for a in range(m):
                    rows[col, at + 1 + a] = root * gs[n, i, a]
                col += 1
            for i in range(2 * p):
                for j in range(F):
                    _pair(root, g[n, i], gs[n, i], f[n, j], fs[j], rows[col], at)
                    col += 1
            for ch in range(2):
                for i in range(ch * p, ch * p + p):
                    for j in range(i, ch * p + p):
                        _pair(root, g[n, i], gs[n, i], g[n, j], gs[n, j], rows[col], at)
                        col += 1
            for i in range(P.shape[1]):
                rows[col, at] = root * P[n, i]
                col += 1
            for i in range(K.shape[1]):
                rows[col, at] = root * K[n, i]
                for a in range(m):
                    rows[col, at + 1 + a] = root * Ks[n, i, a]
                col += 1
        # Two rows with two: what is loaded serves twice.
        for i in range(0, count, 2):
            for j in range(0, i + 1, 2):
                a, b, c, d = rows[i], rows[i + 1], rows[j], rows[j + 1]
                t00 = t01 = t10 = t11 = 0.0
                for k in range(a.shape[0]):
                    t00 += a[k] * c[k]
                    t01 += a[k] * d[k]
                    t10 += b[k] * c[k]
                    t11 += b[k] * d[k]
                sums[i, j] += t00
                sums[i, j + 1] += t01
                sums[i + 1, j] += t10
                sums[i + 1, j + 1] += t11
    for i in range(count):
        for j in range(i + 1):
            out[i, j] = out[j, i] = sums[i, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _pair(root: Any, x: Any, xs: Any, y: Any, ys: Any, row: Any, at: Any) -> None:
    """Hermite coefficients of (x + xs·ε)(y + ys·ε)."""
    m = xs.shape[0]
    total, k = x * y, at + 1 + m
    for a in range(m):
        total += xs[a] * ys[a]
        row[at + 1 + a] = root * (x * ys[a] + xs[a] * y)
        row[k] = root * 1.4142135623730951 * xs[a] * ys[a]
        k += 1
        for c in range(a + 1, m):
            row[k] = root * (xs[a] * ys[c] + xs[c] * ys[a])
            k += 1
    row[at] = root * total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def square_moments(g: Any, h: Any, hR: Any, gv: Any, hv: Any, weights: Any, F: Any, Fe: Any, Fee: Any, Fv: Any) -> None:
    """Moments of g_i g_j (i ≤ j in one channel) with the columns of ``weights``, of its slopes, curvature and derivatives.

    All of ``F`` (pairs, polynomials), ``Fe`` (pairs, L, polynomials), ``Fee`` (pairs, L, L), ``Fv`` (pairs, V) are added to.
    """
    p, L, V = g.shape[1] // 2, h.shape[2], gv.shape[2]
    for n in range(g.shape[0]):
        w = weights[n]
        r = 0
        for ch in range(2):
            for i in range(ch * p, ch * p + p):
                for j in range(i, ch * p + p):
                    value = g[n, i] * g[n, j]
                    for a in range(L):
                        value += hR[n, i, a] * h[n, j, a]
                        slope = g[n, i] * h[n, j, a] + h[n, i, a] * g[n, j]
                        for k in range(w.shape[0]):
                            Fe[r, a, k] += slope * w[k]
                        for c in range(L):
                            Fee[r, a, c] += w[0] * (h[n, i, a] * h[n, j, c] + h[n, j, a] * h[n, i, c])
                    for k in range(w.shape[0]):
                        F[r, k] += value * w[k]
                    for v in range(V):
                        value = gv[n, i, v] * g[n, j] + g[n, i] * gv[n, j, v]
                        for a in range(L):
                            value += hv[n, i, v, a] * hR[n, j, a] + hR[n, i, a] * hv[n, j, v, a]
                        Fv[r, v] += w[0] * value
                    r += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _columns(table: Any, places: Any, out: Any) -> None:
    """out[n, …] = table[n, places[…]]."""
    at, to = places.ravel(), out.reshape(out.shape[0], -1)
    for n in range(table.shape[0]):
        for k in range(at.shape[0]):
            to[n, k] = table[n, at[k]]


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(table: Any, z: Any, w: Any, polynomials: Any, columns: Any, law: Any, open_root: Any, i: Any, out: Any) -> None:
    """`square_moments` and `products` of the functions in a table at the nodes z, for condition i."""
    mean, root, emean, eroot, residual = law[0][i], law[1][i], law[3][i], law[4][i], law[6][i]
    (N, n), L = z.shape, emean.shape[0]
    g, gv = np.empty((N, columns.g.shape[0])), np.empty((N, *columns.gv.shape))
    h, hv = np.empty((N, *columns.h.shape)), np.empty((N, *columns.hv.shape))
    P, K, Ks = np.empty((N, columns.P.shape[0])), np.empty((N, columns.K.shape[0])), np.empty((N, *columns.Ks.shape))
    _columns(table, columns.g, g)
    _columns(table, columns.gv, gv)
    _columns(table, columns.h, h)
    _columns(table, columns.hv, hv)
    _columns(table, columns.P, P)
    _columns(table, columns.K, K)
    _columns(table, columns.Ks, Ks)
    square_moments(g, h, _through(h, residual), gv, hv, polynomials, out.F[i], out.Fe[i], out.Fee[i], out.Fv[i])
    f, fs = np.empty((N, n + L)), np.zeros((n + L, L))
    for k in range(N):
        for a in range(n):
            value = mean[a]
            for c in range(n):
                value += root[a, c] * z[k, c]
            f[k, a] = value
        for a in range(L):
            value = emean[a]
            for c in range(n):
                value += eroot[a, c] * z[k, c]
            f[k, n + a] = value
    fs[n:] = open_root[i]
    products(w, g, _through(h, open_root[i]), f, fs, P, K, _through(Ks, open_root[i]), out.second[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _through(h: Any, root: Any) -> Any:
    """h @ root along the last axis."""
    out = np.zeros(h.shape)
    for n in range(h.shape[0]):
        for i in range(h.shape[1]):
            for a in range(h.shape[2]):
                for c in range(h.shape[2]):
                    out[n, i, c] += h[n, i, a] * root[a, c]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def of_single_times(
    function: Any, z: Any, w: Any, polynomials: Any, columns: Any, law: Any, open_root: Any, Q: Any, told: Any, skip: Any,
    labels: Any, kappa: Any, wanted: Any, means: Any, out: Any,
) -> None:  # fmt: skip
    """Moments of all tabulated functions with Hermite polynomials, and of one sample, under every condition (first axes).

    Parameters
    ----------
    function : int
        Address of ``single``.
    z, w, polynomials : (N, n), (N,), (N, polynomials)
    columns : Tables
    law, open_root : arrays of `FieldLaw`, and the roots of R
    Q, told, skip, labels, kappa : (conditions, …)
    wanted : bool
        Whether the sample is.
    means : (conditions, columns, polynomials)
    out : Squares
    """
    table = np.zeros((z.shape[0], means.shape[1]))
    for i in range(skip.shape[0]):
        now = told[i]
        _single(function)(
            z, law[0][i], law[1][i], law[3][i], law[4][i], Q[i], now[0], now[1], now[2], now[3], now[4], skip[i], labels[i],
            kappa[i], table,
        )  # fmt: skip
        means[i] = weighted(table, polynomials)
        if wanted:
            _sample(table, z, w, polynomials, columns, law, open_root, i, out)


@njit(cache=True, nogil=True, error_model="numpy")
def of_shared_samples(
    function: Any, z: Any, w: Any, polynomials: Any, columns: Any, law: Any, open_root: Any, fields: Any, Q: Any, told: Any,
    first: Any, psi: Any, skip: Any, labels: Any, kappa: Any, width: Any, out: Any,
) -> None:  # fmt: skip
    """The same of one sample that serves all times; arguments as those of `of_single_times`, and

    Parameters
    ----------
    function : int
        Address of ``shared``.
    fields : arrays
        Mean and roots of the channels' fields, (conditions, …), as ``shared`` takes them.
    told, first, psi, skip : (conditions, 5, times), (conditions, times), (conditions, tables, times), (conditions, times)
        Behind the table of the functions stands one with the weights of the times × ψ_k for every k (their column of b is ∂/∂b_k).
    width : int
        Columns of ``shared``, and one of zeros.
    """
    table, wide = np.zeros((z.shape[0], width)), np.zeros((z.shape[0], width * (1 + psi.shape[1])))
    for i in range(skip.shape[0]):
        now = told[i]
        for k in range(1 + psi.shape[1]):
            weights = first[i].copy() if k == 0 else first[i] * psi[i, k - 1]
            _shared(function)(
                z, fields[0][i], fields[1][i], fields[2][i], fields[3][i], fields[4][i], fields[5][i], Q[i], now[0], now[1],
                now[2], now[3], now[4], weights, skip[i], labels[i], kappa[i], table,
            )  # fmt: skip
            wide[:, k * width : (k + 1) * width] = table
        _sample(wide, z, w, polynomials, columns, law, open_root, i, out)
