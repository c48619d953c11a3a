"""What a sampler does to one point in R^d, from one step to another: compiled, block by block of coordinates.

    X_{k+1} = X_k + h_k [Γ_k (1/√d) Σ_j u_j φ_j(W X_k/√d) + Δ_k X_k] + √(2 ε_k h_k) ξ_k.

A guided network of labels has (1 + ω) φ_j(·; label) − ω φ_j(·; dropped) in the place of φ_j.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numba import float64, int64, types, uint32

from ....common.numerics.code.compiled import Kinds, Signature, njit, real_type
from ....common.numerics.laws.normals import LANES, TILE32, normal_block
from ..training.arithmetic import BLOCK, add, combined, dot, scaled

#: Stream of X_0; that of the noise of time step k is this + 1 + k (see `asymptotics.common.numerics.laws.normals`).
GENERATED = 64
#: φ_j: of fields, parameters and what is known of the time, into values.
Phi: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


@njit(cache=True, nogil=True, error_model="numpy")
def _through(
    phi: Phi, decoders: np.ndarray, W: np.ndarray, kappa: np.ndarray, scheme: np.ndarray, clock: np.ndarray,
    guidance: np.ndarray, label: int, label_count: int, key0: int, key1: int, stream: int, number: int,
    words: np.ndarray, z: np.ndarray, x: np.ndarray, Z: np.ndarray,
) -> None:  # fmt: skip
    """Point ``number`` at x (d,) with local fields Z (p,) carried through the scheme, in place; arguments as `_sample`.

    The noise of step k is stream ``stream`` + k; ``words`` and ``z`` are work space.
    """
    p, d = W.shape
    terms, root = decoders.shape[0], np.sqrt(np.float64(d))
    following, values, pull = np.empty(p), np.empty(terms), np.empty(p)
    now, unlabelled = np.zeros(5 + label_count), np.empty(terms)
    for k in range(scheme.shape[1]):
        for m in range(5):
            now[m] = clock[m, k]
        if guidance[k] != 0.0:
            now[5:] = 0.0
            phi(Z, kappa, now, unlabelled)
        for m in range(label_count):
            now[5 + m] = 1.0 if label == m else 0.0
        phi(Z, kappa, now, values)
        if guidance[k] != 0.0:
            for j in range(terms):
                values[j] = (1.0 + guidance[k]) * values[j] - guidance[k] * unlabelled[j]
        pull[:], following[:] = 0.0, 0.0
        for j in range(terms):
            pull[decoders[j]] += scheme[0, k] * values[j]
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            part = x[lo:hi]
            if scheme[2, k] != 0.0:
                tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
                normal_block(key0, key1, stream + k, number, lo, words, tiled)
                combined(part, scheme[1, k], part, scheme[2, k], tiled)
            else:
                scaled(part, scheme[1, k], part)
            for a in range(p):
                if pull[a] != 0.0:
                    add(part, pull[a], W[a, lo:hi])
            for a in range(p):
                following[a] += dot(W[a, lo:hi], part) / root
        Z[:] = following


def _sample(
    phi: Phi, decoders: np.ndarray, W: np.ndarray, kappa: np.ndarray, scheme: np.ndarray, clock: np.ndarray,
    guidance: np.ndarray, labels: np.ndarray, label_count: int, directions: np.ndarray, key0: int, key1: int,
    first: int, points: np.ndarray, projections: np.ndarray, fields: np.ndarray, norms: np.ndarray,
) -> None:  # fmt: skip
    """Points number first, first + 1, … from X_0 ~ N(0, I) to the end of the scheme.

    Parameters
    ----------
    phi : function
        φ_j (`Forward.module.phi`).
    decoders : (terms,)
    W : (p, d)
    kappa : (parameters,)
    scheme : (3, steps)
        h Γ/√d, 1 + h Δ and √(2 ε h).
    clock, guidance : (5, steps), (steps,)
        α, β, α̇, β̇, t, and ω, at every step.
    labels, label_count : (n,), int
        Label of every point (−1: none), and how many there are.
    directions : (K, d)
    points : (n, d) or (0, d)
        Where the points go, if wanted.
    projections, fields, norms : (n, K), (n, p), (n,)
        u_k·X, W X/√d and X·X at the end.
    """
    p, d = W.shape
    root = np.sqrt(np.float64(d))
    words = np.empty((4, LANES), np.uint32)
    z = np.empty(BLOCK, W.dtype)
    x, Z = np.empty(d, W.dtype), np.empty(p)
    for n in range(norms.shape[0]):
        Z[:] = 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
            normal_block(key0, key1, GENERATED, first + n, lo, words, tiled)
            scaled(x[lo:hi], 1.0, tiled)
            for a in range(p):
                Z[a] += dot(W[a, lo:hi], x[lo:hi]) / root
        _through(
            phi, decoders, W, kappa, scheme, clock, guidance, labels[n], label_count, key0, key1, GENERATED + 1, first + n,
            words, z, x, Z,
        )  # fmt: skip
        fields[n] = Z
        norms[n] = 0.0
        projections[n] = 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            norms[n] += dot(x[lo:hi], x[lo:hi])
            for k in range(directions.shape[0]):
                projections[n, k] += dot(directions[k, lo:hi], x[lo:hi])
        if points.shape[0] > 0:
            points[n] = x


def _carry(
    phi: Phi, decoders: np.ndarray, W: np.ndarray, kappa: np.ndarray, scheme: np.ndarray, clock: np.ndarray,
    guidance: np.ndarray, labels: np.ndarray, label_count: int, key0: int, key1: int, stream: int, points: np.ndarray,
) -> None:  # fmt: skip
    """Given points (n, d) carried through the scheme, in place; arguments as `_sample`."""
    p, d = W.shape
    root = np.sqrt(np.float64(d))
    words = np.empty((4, LANES), np.uint32)
    z, Z = np.empty(BLOCK, W.dtype), np.empty(p)
    for n in range(points.shape[0]):
        Z[:] = 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            for a in range(p):
                Z[a] += dot(W[a, lo:hi], points[n, lo:hi]) / root
        _through(
            phi, decoders, W, kappa, scheme, clock, guidance, labels[n], label_count, key0, key1, stream, n,
            words, z, points[n], Z,
        )  # fmt: skip


_vector, _matrix = float64[::1], float64[:, ::1]
_phi = types.FunctionType(types.void(_vector, _vector, _vector, _vector))


def _types(dtype: str, last: Callable[[types.Array], tuple[types.Type, ...]]) -> Signature:
    """The signature for one precision; ``last`` are the types after the labels'."""
    rows = real_type(dtype)[:, ::1]
    return types.void(_phi, int64[::1], rows, _vector, _matrix, _matrix, _vector, int64[::1], int64, *last(rows))


#: `_sample` and `_carry` for one precision.
sample = Kinds[str](
    lambda dtype: (_sample, _types(dtype, lambda rows: (rows, uint32, uint32, int64, rows, _matrix, _matrix, _vector)))
)
carry = Kinds[str](lambda dtype: (_carry, _types(dtype, lambda rows: (uint32, uint32, int64, rows))))
