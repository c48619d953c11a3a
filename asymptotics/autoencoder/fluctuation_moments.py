"""Moments of conditionally Gaussian monomials, and derivatives of Gaussian expectations by means and covariances.

A law of the fields is: known fields ω = m + S z (z ~ N(0, I), the nodes), linear fields e = μ + T z + δ with δ ~ N(0, R)
independent of z. Whatever is linear or quadratic in e is averaged over δ in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Law:
    """The joint law of known and linear fields, and how it moves along D directions.

    Attributes
    ----------
    mean, root, inverse : (n,), (n, n), (n, n)
        m, S and its pseudo-inverse.
    emean, eroot, residual : (L,), (L, n), (L, L)
        μ, T = Cov(e, ω) S⁻¹, R.
    dmean, domega, demean, dcross, de : (D, n), (D, n, n), (D, L), (D, L, n), (D, L, L)
        Derivatives of m, Ω = S Sᵀ, μ, Cov(e, ω), Cov(e, e).
    """

    mean: np.ndarray
    root: np.ndarray
    inverse: np.ndarray
    emean: np.ndarray
    eroot: np.ndarray
    residual: np.ndarray
    dmean: np.ndarray
    domega: np.ndarray
    demean: np.ndarray
    dcross: np.ndarray
    de: np.ndarray

    @property
    def regression(self) -> np.ndarray:
        """B = Cov(e, ω) Ω⁻¹, (L, n)."""
        return np.asarray(self.eroot @ self.inverse)

    def covariance(self) -> np.ndarray:
        """Joint covariance of (ω, e)."""
        cross = self.eroot @ self.root
        return np.block([[self.root @ self.root, cross.T], [cross, self.residual + self.eroot @ self.eroot.T]])


def hermite(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """w × (1, z_i, z_i z_j − δ_ij for i ≤ j) at the nodes, (N, 1 + n + n (n + 1)/2)."""
    i, j = np.triu_indices(z.shape[1])
    second = z[:, i] * z[:, j] - (i == j)
    return np.asarray(w[:, None] * np.concatenate([np.ones((len(z), 1)), z, second], axis=1))


def derivatives(
    F: np.ndarray, Fe: np.ndarray, Fee: np.ndarray | None, law: Law, by_explicit: np.ndarray, explicit: np.ndarray
) -> np.ndarray:
    """Derivatives of E[F] along the directions of a law, (functions, D).

    Bonnet and Price for all fields; in ω by parts (Hermite polynomials of the nodes), in e by derivatives of F.

    Parameters
    ----------
    F : (functions, 1 + n + n (n + 1)/2)
        Moments with the polynomials of `hermite`.
    Fe, Fee : (functions, L, 1 + n or more), (functions, L, L) or None
        The same of ∂F/∂e; mean of ∂²F/∂e².
    by_explicit, explicit : (functions, V), (D, V)
        Means of the derivatives by the explicit variables, and their motion.
    """
    n = len(law.mean)
    B, inverse = law.regression, law.inverse
    i, j = np.triu_indices(n)
    second = np.zeros((len(F), n, n))
    second[:, i, j] = second[:, j, i] = F[:, 1 + n : 1 + n + len(i)]
    second = inverse @ second @ inverse
    out = (F[:, 1 : 1 + n] @ inverse) @ law.dmean.T + by_explicit @ explicit.T
    out += np.einsum("fij,dij->fd", second, law.domega) / 2
    if Fe.shape[1]:
        out += Fe[:, :, 0] @ (law.demean - law.dmean @ B.T).T
        slope = Fe[:, :, 1 : 1 + n] @ inverse
        out += np.einsum("fji,dji->fd", slope, law.dcross - B @ law.domega)
        if Fee is not None:
            mixed = law.dcross @ B.T
            left = law.de - mixed - np.swapaxes(mixed, 1, 2) + B @ law.domega @ B.T
            out += np.einsum("fjk,djk->fd", Fee, left) / 2
    return np.asarray(out)


@dataclass(frozen=True)
class Gradients:
    """g at the nodes, its slopes by the linear fields, and its explicit derivatives with their slopes.

    ``g`` (N, 2p), ``h`` (N, 2p, L), ``gv`` (N, 2p, V), ``hv`` (N, 2p, V, L); channel 0 first.
    """

    g: np.ndarray
    h: np.ndarray
    gv: np.ndarray
    hv: np.ndarray

    def squares(self, z: np.ndarray, w: np.ndarray, law: Law, explicit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E[g_ca g_ce] for a ≤ e, channel 0 first, and its derivatives along the law's directions."""
        p = self.g.shape[1] // 2
        a, c = np.triu_indices(p)
        i, j = np.concatenate([a, a + p]), np.concatenate([c, c + p])
        g, h, R = self.g, self.h, law.residual
        hR = h @ R
        weights = hermite(z, w)
        F = g[:, i] * g[:, j] + np.einsum("nfl,nfl->nf", hR[:, i], h[:, j])
        Fe = g[:, i, None] * h[:, j] + h[:, i] * g[:, j, None]
        V = self.gv.shape[2]
        Fv = self.gv[:, i] * g[:, j, None] + g[:, i, None] * self.gv[:, j]
        if h.shape[2]:
            Fv = (
                Fv
                + np.einsum("nfvl,nfl->nfv", self.hv[:, i], hR[:, j])
                + np.einsum("nfl,nfvl->nfv", hR[:, i], self.hv[:, j])
            )
        EF = weighted(np.ascontiguousarray(F), weights)
        L = h.shape[2]
        EFe = weighted(Fe.reshape(len(w), -1), weights).reshape(len(i), L, weights.shape[1])
        hw = h * w[:, None, None]
        Fee = np.einsum("nfj,nfk->fjk", hw[:, i], h[:, j])
        Fee = Fee + np.swapaxes(Fee, 1, 2)
        EFv = np.einsum("n,nfv->fv", w, Fv)
        return EF[:, 0], derivatives(EF, EFe, Fee, law, EFv, explicit)


# Sums over nodes are written out: on a busy machine a threaded BLAS waits longer than they take.
_SUMS = {"contract", "reassoc", "nsz"}


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
def products(w: Any, g: Any, gs: Any, f: Any, fs: Any, P: Any, K: Any, Ks: Any) -> Any:
    """E[V Vᵀ] of the monomials V = (1, g_i, g_i f_l, g_i g_j within a channel, P̂, K), (monomials, monomials).

    At a node g_i = g + gs·ε, f_l = f + fs·ε, K = K + Ks·ε with ε ~ N(0, 1)^m. A monomial is expanded in Hermite polynomials
    of ε: its mean, the coefficients of ε, those of (ε_a² − 1)/√2 and ε_a ε_b; E[V V'] is the sum of their products.

    Parameters
    ----------
    w : (N,);  g, gs : (N, 2p), (N, 2p, m);  f, fs : (N, F), (F, m);  P : (N, pairs);  K, Ks : (N, k), (N, k, m)
    """
    m, p, F = gs.shape[2], g.shape[1] // 2, f.shape[1]
    count = 1 + 2 * p * (1 + F) + p * (p + 1) + P.shape[1] + K.shape[1]
    row, out = np.empty((1 + m + m * (m + 1) // 2, count)), np.zeros((count, count))
    for n in range(w.shape[0]):
        root = np.sqrt(w[n])
        row[:] = 0.0
        row[0, 0] = root
        col = 1
        for i in range(2 * p):
            row[0, col] = root * g[n, i]
            for a in range(m):
                row[1 + a, col] = root * gs[n, i, a]
            col += 1
        for i in range(2 * p):
            for j in range(F):
                _pair(root, g[n, i], gs[n, i], f[n, j], fs[j], row, col)
                col += 1
        for ch in range(2):
            for i in range(ch * p, ch * p + p):
                for j in range(i, ch * p + p):
                    _pair(root, g[n, i], gs[n, i], g[n, j], gs[n, j], row, col)
                    col += 1
        for i in range(P.shape[1]):
            row[0, col] = root * P[n, i]
            col += 1
        for i in range(K.shape[1]):
            row[0, col] = root * K[n, i]
            for a in range(m):
                row[1 + a, col] = root * Ks[n, i, a]
            col += 1
        for h in range(row.shape[0]):
            _add_square(row[h], out)
    for i in range(count):
        for j in range(i):
            out[j, i] = out[i, j]
    return out


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _add_square(x: Any, out: Any) -> None:
    """Lower triangle of out += x xᵀ."""
    for i in range(x.shape[0]):
        if x[i] != 0.0:
            total, factor = out[i, : i + 1], x[i]
            for j in range(total.shape[0]):
                total[j] += factor * x[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _pair(root: Any, x: Any, xs: Any, y: Any, ys: Any, row: Any, col: Any) -> None:
    """Hermite coefficients of (x + xs·ε)(y + ys·ε)."""
    m = xs.shape[0]
    total, k = x * y, 1 + m
    for a in range(m):
        total += xs[a] * ys[a]
        row[1 + a, col] = root * (x * ys[a] + xs[a] * y)
        row[k, col] = root * 1.4142135623730951 * xs[a] * ys[a]
        k += 1
        for c in range(a + 1, m):
            row[k, col] = root * (xs[a] * ys[c] + xs[c] * ys[a])
            k += 1
    row[0, col] = root * total
