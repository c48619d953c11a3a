"""Compiled arithmetic of vectors, block by block: inner products, linear combinations."""

from __future__ import annotations

import numpy as np

from ....common.numerics.code.compiled import njit
from ....common.numerics.laws.normals import TILE32

#: Coordinates taken at once: small enough for the first-level cache, a whole number of tiles.
BLOCK = 4 * TILE32

_SUMS = {"contract", "reassoc", "nsz"}


# Loops run from zero over slices: with any other start numba guards against negative indices, and nothing vectorises.


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def dots(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.float64, np.float64]:
    """w·x and w·y over a block: summed in the vectors' own precision, returned in double."""
    s, t = w.dtype.type(0), w.dtype.type(0)
    for i in range(w.shape[0]):
        s += w[i] * x[i]
        t += w[i] * y[i]
    return np.float64(s), np.float64(t)


@njit(cache=True, fastmath=_SUMS, error_model="numpy")
def dot(x: np.ndarray, y: np.ndarray) -> np.float64:
    s = x.dtype.type(0)
    for i in range(x.shape[0]):
        s += x[i] * y[i]
    return np.float64(s)


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def scaled(out: np.ndarray, a: float, x: np.ndarray) -> None:
    """out = a x."""
    s = out.dtype.type(a)
    for i in range(out.shape[0]):
        out[i] = s * x[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def combined(out: np.ndarray, a: float, x: np.ndarray, b: float, y: np.ndarray) -> None:
    """out = a x + b y."""
    s, t = out.dtype.type(a), out.dtype.type(b)
    for i in range(out.shape[0]):
        out[i] = s * x[i] + t * y[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def add(out: np.ndarray, a: float, x: np.ndarray) -> None:
    """out += a x."""
    s = out.dtype.type(a)
    for i in range(out.shape[0]):
        out[i] += s * x[i]


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def product(out: np.ndarray, x: np.ndarray, z: np.ndarray) -> None:
    """out = x z, component by component."""
    for i in range(out.shape[0]):
        out[i] = x[i] * z[i]
