"""The small matrix S of weights W = S V: when it is multiplied into V, its inverse, and the Gram matrix through it."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import njit
from .arithmetic import BLOCK, add, scaled

#: Σ_c |S_ac − δ_ac| above which S is multiplied into V: below, elimination without pivots is stable.
FAR = 0.5


@njit(cache=True, error_model="numpy")
def far(S: np.ndarray) -> bool:
    """Whether S is to be multiplied into V."""
    p = S.shape[0]
    for a in range(p):
        total = 0.0
        for c in range(p):
            total += abs(S[a, c] - (1.0 if a == c else 0.0))
        if not total <= FAR:
            return True
    return False


@njit(cache=True, error_model="numpy")
def fold(
    S: np.ndarray, V: np.ndarray, G: np.ndarray, d0: np.ndarray, d1: np.ndarray, row: np.ndarray, small: np.ndarray
) -> None:
    """V ← S V, with G and the inner products d0, d1 of V; S ← 1."""
    p, d = V.shape
    for lo in range(0, d, BLOCK):
        hi = min(lo + BLOCK, d)
        for a in range(p):
            scaled(row[a, : hi - lo], S[a, a], V[a, lo:hi])
            for c in range(p):
                if c != a and S[a, c] != 0.0:
                    add(row[a, : hi - lo], S[a, c], V[c, lo:hi])
        for a in range(p):
            scaled(V[a, lo:hi], 1.0, row[a, : hi - lo])
    sandwiched(S, G, small)
    for a in range(p):
        for c in range(p):
            G[a, c] = small[p + a, c]
        s, t = 0.0, 0.0
        for c in range(p):
            s += S[a, c] * d0[c]
            t += S[a, c] * d1[c]
        small[2 * p, a], small[2 * p + 1, a] = s, t
    for a in range(p):
        d0[a], d1[a] = small[2 * p, a], small[2 * p + 1, a]
        for c in range(p):
            S[a, c] = 1.0 if a == c else 0.0


@njit(cache=True, error_model="numpy")
def sandwiched(S: np.ndarray, G: np.ndarray, small: np.ndarray) -> None:
    """small[p:2p] = S G Sᵀ; small[:p] is scratch."""
    p = S.shape[0]
    for a in range(p):
        for c in range(p):
            s = 0.0
            for e in range(p):
                s += S[a, e] * G[e, c]
            small[a, c] = s
    for a in range(p):
        for c in range(a + 1):
            s = 0.0
            for e in range(p):
                s += small[a, e] * S[c, e]
            small[p + a, c] = s
            small[p + c, a] = s


@njit(cache=True, error_model="numpy")
def solved(S: np.ndarray, small: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """x ← S⁻¹ x and y ← S⁻¹ y, S within `FAR` of 1: elimination without pivots, so that rows of 1 stay as they are."""
    p = S.shape[0]
    for a in range(p):
        for c in range(p):
            small[a, c] = S[a, c]
    for k in range(p):
        for a in range(k + 1, p):
            if small[a, k] != 0.0:
                factor = small[a, k] / small[k, k]
                for c in range(k + 1, p):
                    small[a, c] -= factor * small[k, c]
                x[a] -= factor * x[k]
                y[a] -= factor * y[k]
    for a in range(p - 1, -1, -1):
        s, t = x[a], y[a]
        for c in range(a + 1, p):
            s -= small[a, c] * x[c]
            t -= small[a, c] * y[c]
        x[a], y[a] = s / small[a, a], t / small[a, a]
