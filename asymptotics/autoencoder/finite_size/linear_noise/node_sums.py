"""Compiled sums over nodes: moments of conditionally Gaussian monomials of the tabulated functions, condition by condition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float64, types

from ....common.numerics.code.compiled import njit
from ....common.numerics.code.pointers import address_of, function_at
from .monomials import products, square_moments, weighted


class Tables(NamedTuple):
    """Columns of the tabulated functions that a sample's moments are made of, each table in one row.

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

    @classmethod
    def of(cls, *tables: np.ndarray) -> Tables:
        """From tables of these shapes."""
        return cls(*(np.ascontiguousarray(x.ravel()) for x in tables))


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
        p = len(columns.g) // 2
        L, V, squares = len(columns.h) // (2 * p), len(columns.gv) // (2 * p), p * (p + 1)
        monomials = 1 + 2 * p * (1 + fields) + squares + len(columns.P) + len(columns.K)
        shapes = ((squares, polynomials), (squares, L, polynomials), (squares, L, L), (squares, V), (monomials,) * 2)
        return cls(*(np.zeros((count, *shape)) for shape in shapes))


_v, _m = float64[::1], float64[:, ::1]
#: Types of ``single`` and ``shared`` of a generated module.
SINGLE = types.void(_m, _v, _m, _v, _m, _m, *6 * (float64,), _v, _v, _m)
SHARED = types.void(_m, _v, _m, _m, _v, _m, _m, _m, *7 * (_v,), _v, _v, _m)
_single, _shared = function_at(SINGLE), function_at(SHARED)
_t = float64[:, :, ::1]
PRODUCTS, SQUARES = types.void(_v, *7 * (_m,), _m), types.void(*6 * (_m,), _m, _t, _t, _m)
_products, _squares = function_at(PRODUCTS), function_at(SQUARES)


@njit(cache=True, nogil=True, error_model="numpy")
def _columns(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """table[n, places[k]] as (k, n)."""
    out = np.empty((places.shape[0], table.shape[0]))
    for k in range(places.shape[0]):
        for n in range(table.shape[0]):
            out[k, n] = table[n, places[k]]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _transposed(x: np.ndarray) -> np.ndarray:
    out = np.empty((x.shape[1], x.shape[0]))
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            out[k, n] = x[n, k]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _through(h: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Σ_a h[(i, a)] root[a, c], ((i, c), N)."""
    out, L = np.zeros(h.shape), root.shape[0]
    for row in range(h.shape[0]):
        i, c = row // L, row % L
        for a in range(L):
            for n in range(h.shape[1]):
                out[row, n] += h[i * L + a, n] * root[a, c]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(
    sums: np.ndarray, table: np.ndarray, z: np.ndarray, w: np.ndarray, polynomials: np.ndarray, columns: Tables,
    law: tuple[np.ndarray, ...], open_root: np.ndarray, i: int, out: Squares,
) -> None:  # fmt: skip
    """`square_moments` and `products`, by their addresses ``sums``, of a table at the nodes z, for condition i; ``polynomials`` (…, N)."""
    mean, root, emean, eroot, residual = law[0], law[1], law[3], law[4], law[6][i]
    (N, n), L = z.shape, emean.shape[1]
    g, h = _columns(table, columns.g), _columns(table, columns.h)
    gv, hv = _columns(table, columns.gv), _columns(table, columns.hv)
    _squares(sums[0])(g, h, _through(h, residual), gv, hv, polynomials, out.F[i], out.Fe[i], out.Fee[i], out.Fv[i])
    f, fs = np.empty((n + L, N)), np.zeros(((n + L) * L, N))
    for a in range(n + L):
        for k in range(N):
            f[a, k] = mean[i, a] if a < n else emean[i, a - n]
        for c in range(n):
            slope = root[i, a, c] if a < n else eroot[i, a - n, c]
            for k in range(N):
                f[a, k] += slope * z[k, c]
        for c in range(L):
            for k in range(N):
                fs[a * L + c, k] = 0.0 if a < n else open_root[i, a - n, c]
    P, K, Ks = _columns(table, columns.P), _columns(table, columns.K), _columns(table, columns.Ks)
    gs, Ks = _through(h, open_root[i]), _through(Ks, open_root[i])
    _products(sums[1])(w, g, gs, f, fs, P, K, Ks, out.second[i])


def sums() -> np.ndarray:
    """Addresses of `square_moments` and `products`: large loops are compiled once, and not into everything that calls them."""
    return np.array([address_of(square_moments, SQUARES), address_of(products, PRODUCTS)])


@njit(cache=True, nogil=True, error_model="numpy")
def of_single_times(
    function: int, sums: np.ndarray, z: np.ndarray, w: np.ndarray, polynomials: np.ndarray, columns: Tables,
    law: tuple[np.ndarray, ...], open_root: np.ndarray, Q: np.ndarray, told: np.ndarray, skip: np.ndarray,
    labels: np.ndarray, kappa: np.ndarray, wanted: bool, means: np.ndarray, out: Squares,
) -> None:  # fmt: skip
    """Moments of all tabulated functions with Hermite polynomials, and of one sample, under every condition (first axes).

    Parameters
    ----------
    function : int
        Address of ``single``.
    sums
        See `sums`.
    z, w, polynomials : (N, n), (N,), (N, polynomials)
    columns : Tables
    law, open_root : arrays of `FieldLaw`, and the roots of R
    Q, told, skip, labels, kappa : (conditions, …)
    wanted : bool
        Whether the sample is.
    means : (conditions, columns, polynomials)
    out : Squares
    """
    table, across = np.zeros((z.shape[0], means.shape[1])), _transposed(polynomials)
    for i in range(skip.shape[0]):
        now = told[i]
        _single(function)(
            z, law[0][i], law[1][i], law[3][i], law[4][i], Q[i], now[0], now[1], now[2], now[3], now[4], skip[i], labels[i],
            kappa[i], table,
        )  # fmt: skip
        weighted(table, polynomials, means[i])
        if wanted:
            _sample(sums, table, z, w, across, columns, law, open_root, i, out)


@njit(cache=True, nogil=True, error_model="numpy")
def of_shared_samples(
    function: int, sums: np.ndarray, z: np.ndarray, w: np.ndarray, polynomials: np.ndarray, columns: Tables,
    law: tuple[np.ndarray, ...], open_root: np.ndarray, fields: tuple[np.ndarray, ...], Q: np.ndarray, told: np.ndarray,
    first: np.ndarray, psi: np.ndarray, skip: np.ndarray, labels: np.ndarray, kappa: np.ndarray, width: int,
    out: Squares,
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
    across, weights = _transposed(polynomials), np.empty(first.shape[1])
    for i in range(skip.shape[0]):
        now = told[i]
        for k in range(1 + psi.shape[1]):
            for h in range(weights.shape[0]):
                weights[h] = first[i, h] * (1.0 if k == 0 else psi[i, k - 1, h])
            _shared(function)(
                z, fields[0][i], fields[1][i], fields[2][i], fields[3][i], fields[4][i], fields[5][i], Q[i], now[0], now[1],
                now[2], now[3], now[4], weights, skip[i], labels[i], kappa[i], table,
            )  # fmt: skip
            for n in range(z.shape[0]):
                for c in range(width):
                    wide[n, k * width + c] = table[n, c]
        _sample(sums, wide, z, w, across, columns, law, open_root, i, out)
