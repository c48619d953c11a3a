"""Hessians from the regression form of Stein's lemma, which differentiates no kink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....common.numerics.code.compiled import njit
from .compiled_types import Given, Room
from .fields import FieldLaw


def first_columns(column: Callable[[str], int], encoders: np.ndarray, decoders: np.ndarray) -> np.ndarray:
    """First columns of W0, W1, G0, G1, H0, H1."""
    names = [f"W{ch}_1_{encoders[0] + 1}" for ch in (0, 1)] + [f"G{ch}_1_{decoders[0] + 1}" for ch in (0, 1)]
    return np.array([column(name) for name in (*names, "H0_1_1", "H1_1_1")], dtype=np.int64)


def fill_hessians(
    out: np.ndarray,
    column: Callable[[str], int],
    p: int,
    law: FieldLaw,
    mixing: np.ndarray,
    encoders: np.ndarray,
    decoders: np.ndarray,
) -> None:
    """E[∂_ω g] = (E[(ω − Eω) g] − E[∂_e g] Cov(e, ω)) Ω⁺, then the chain rule, in the columns H of ``out``.

    Parameters
    ----------
    out : (conditions, names)
        With the columns W (E[(ω − Eω) g]) and G (E[∂_e g]).
    column : callable
        Column of a name.
    p : int
        Number of vectors.
    law : FieldLaw
        Of every condition.
    mixing : (4, conditions)
        Coefficients of λ₀ and λ₁ in ω, and in e.
    encoders, decoders : (n,), (J,)
    """
    n = len(encoders)
    _fill(
        out, first_columns(column, encoders, decoders), p, np.ascontiguousarray(law.root[..., :n]), law.inverse,
        law.cross, np.ascontiguousarray(mixing), encoders.astype(np.int64), decoders.astype(np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def regress(out: np.ndarray, given: Given, room: Room) -> None:
    """The same for all conditions of a compiled right-hand side; nothing where φ is smooth."""
    if given.columns[0] >= 0:
        _fill(
            out, given.columns, room.own_q.shape[1], room.root, room.inverse, room.cross, room.mixing, given.encoders,
            given.decoders,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    out: np.ndarray,
    first: np.ndarray,
    p: int,
    root: np.ndarray,
    inverse: np.ndarray,
    cross: np.ndarray,
    mixing: np.ndarray,
    encoders: np.ndarray,
    decoders: np.ndarray,
) -> None:
    n, J = encoders.shape[0], decoders.shape[0]
    core, H, T, span = np.empty((p, n)), np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
    for i in range(out.shape[0]):
        precision = np.empty((n, n))
        span[:] = 0.0
        for a in range(p):
            span[a, a] = 1.0
        for a in range(n):
            for e in range(n):
                value = projector = 0.0
                for m in range(n):
                    value += inverse[i, a, m] * inverse[i, m, e]
                    projector += inverse[i, a, m] * root[i, m, e]
                precision[a, e] = value
                # Where fields are in proportion the regression gives H on what they span: the rest follows by symmetry.
                span[encoders[a], encoders[e]] = projector
        for ch in range(2):
            slope, weight = mixing[ch, i], mixing[2 + ch, i]
            W, G = first[ch], first[2 + ch]
            for a in range(p):
                for e in range(n):
                    value = out[i, W + a * n + e]
                    for j in range(J):
                        value -= out[i, G + a * J + j] * cross[i, j, e]
                    core[a, e] = value
            H[:] = 0.0
            for a in range(p):
                for e in range(n):
                    value = 0.0
                    for m in range(n):
                        value += core[a, m] * precision[m, e]
                    H[a, encoders[e]] += slope * value
                for j in range(J):
                    H[a, decoders[j]] += weight * out[i, G + a * J + j]
            for a in range(p):
                for e in range(p):
                    value = 0.0
                    for m in range(p):
                        value += H[a, m] * span[m, e]
                    T[a, e] = value
            for a in range(p):
                for e in range(p):
                    H[a, e] = T[a, e] + T[e, a]
            for a in range(p):
                for e in range(p):
                    value = 0.0
                    for m in range(p):
                        value += H[a, m] * span[m, e]
                    T[a, e] = value
            k = first[4 + ch]
            for a in range(p):
                for e in range(a, p):
                    value = 0.0
                    for m in range(p):
                        value += span[a, m] * T[m, e]
                    out[i, k] = H[a, e] - 0.5 * value
                    k += 1
