"""Moments of conditionally Gaussian monomials, and derivatives of Gaussian expectations by means and covariances.

Of a `FieldLaw` known fields are at the nodes z. Whatever is linear or quadratic in the linear fields is averaged over their
residual in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.numerics.compiled import njit
from ..kernels.fields import FieldLaw


@dataclass(frozen=True)
class MovingLaw(FieldLaw):
    """The joint law of known and linear fields under one condition, and how it moves along D directions.

    Attributes
    ----------
    dmean, domega, demean, dcross, de : (D, n), (D, n, n), (D, J), (D, J, n), (D, J, J)
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


def derivatives(
    F: np.ndarray, Fe: np.ndarray, Fee: np.ndarray | None, law: MovingLaw, by_explicit: np.ndarray, explicit: np.ndarray
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
    out += second.reshape(len(F), -1) @ law.domega.reshape(len(law.domega), -1).T / 2
    if Fe.shape[1]:
        out += Fe[:, :, 0] @ (law.demean - law.dmean @ B.T).T
        slope = Fe[:, :, 1 : 1 + n] @ inverse
        out += slope.reshape(len(F), -1) @ (law.dcross - B @ law.domega).reshape(len(law.dcross), -1).T
        if Fee is not None:
            mixed = law.dcross @ B.T
            left = law.de - mixed - np.swapaxes(mixed, 1, 2) + B @ law.domega @ B.T
            out += Fee.reshape(len(F), -1) @ left.reshape(len(left), -1).T / 2
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

    def squares(
        self, z: np.ndarray, w: np.ndarray, law: MovingLaw, explicit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[g_ca g_ce] for a ≤ e, channel 0 first, and its derivatives along the law's directions."""
        p, weights = self.g.shape[1] // 2, hermite(z, w)
        (L, V), count = (self.h.shape[2], self.gv.shape[2]), p * (p + 1)
        F, Fe = np.zeros((count, weights.shape[1])), np.zeros((count, L, weights.shape[1]))
        Fee, Fv = np.zeros((count, L, L)), np.zeros((count, V))
        arrays = [np.ascontiguousarray(x) for x in (self.g, self.h, self.h @ law.residual, self.gv, self.hv)]
        square_moments(*arrays, weights, F, Fe, Fee, Fv)  # type: ignore[call-arg]
        return F[:, 0], derivatives(F, Fe, Fee, law, Fv, explicit)


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
def products(w: Any, g: Any, gs: Any, f: Any, fs: Any, P: Any, K: Any, Ks: Any) -> Any:
    """E[V Vᵀ] of the monomials V = (1, g_i, g_i f_l, g_i g_j within a channel, P̂, K), (monomials, monomials).

    At a node g_i = g + gs·ε, f_l = f + fs·ε, K = K + Ks·ε with ε ~ N(0, 1)^m. A monomial is expanded in Hermite polynomials
    of ε: its mean, the coefficients of ε, those of (ε_a² − 1)/√2 and ε_a ε_b; E[V V'] is the sum of their products.

    Parameters
    ----------
    w : (N,);  g, gs : (N, 2p), (N, 2p, m);  f, fs : (N, F), (F, m);  P : (N, pairs);  K, Ks : (N, k), (N, k, m)
    """
    m, p, F = gs.shape[2], g.shape[1] // 2, f.shape[1]
    count, parts = 1 + 2 * p * (1 + F) + p * (p + 1) + P.shape[1] + K.shape[1], 1 + m + m * (m + 1) // 2
    rows, out = np.empty((count, PIECE * parts)), np.zeros((count, count))
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
        for i in range(count):
            for j in range(i + 1):
                total = 0.0
                x, y = rows[i], rows[j]
                for k in range(x.shape[0]):
                    total += x[k] * y[k]
                out[i, j] += total
    for i in range(count):
        for j in range(i):
            out[j, i] = out[i, j]
    return out


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
