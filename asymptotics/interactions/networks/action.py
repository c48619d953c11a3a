r"""The polynomial action S = ln p of a flow: its coefficients A^{(k)}, exactly, at any depth.

.. math:: S(x) = \sum_k A^{(k)} · x^{⊗k}

with symmetric A^{(k)} of shape (d,)^k, no 1/k!, S = +ln p. They are pulled back layer by layer along the trajectory of the
point of expansion, so that each layer is δ ↦ (W + 2G[x_l, ·])δ + G[δ, δ] without a constant, and orders above the wanted one are
never needed: truncating about the origin after every layer would be wrong in all orders where there are biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array, integer
from .flow import Flow, flow_of

#: Entries of the largest tensor (memory: eight bytes each, several times).
LARGEST = 2**25


@lru_cache(maxsize=16)
def _orbits(dimension: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """For every entry of a tensor the number of its orbit under permutations of the indices, and the orbits' sizes."""
    indices = np.sort(np.indices((dimension,) * order).reshape(order, -1), axis=0)
    keys = np.ravel_multi_index(tuple(indices), (dimension,) * order)
    _, orbit = np.unique(keys, return_inverse=True)
    orbit = orbit.ravel()
    return orbit, np.bincount(orbit)


def symmetrised(tensor: np.ndarray) -> np.ndarray:
    """The mean of a tensor over all permutations of its indices."""
    if tensor.ndim < 2:
        return tensor
    orbit, sizes = _orbits(tensor.shape[0], tensor.ndim)
    means = np.bincount(orbit, weights=tensor.ravel()) / sizes
    return np.asarray(means[orbit].reshape(tensor.shape))


def _legs(tensor: np.ndarray, linear: np.ndarray, quadratic: np.ndarray | None, split: int) -> np.ndarray:
    """A·(J^{⊗(k − split)} ⊗ G^{⊗split}): the first leg is contracted, what comes out goes to the end."""
    k = tensor.ndim
    for leg in range(k):
        factor = linear if leg < k - split else quadratic
        tensor = np.tensordot(tensor, factor, axes=(0, 0))  # type: ignore[arg-type]
    return tensor


def pulled_back(tensors: Sequence[np.ndarray], linear: np.ndarray, quadratic: np.ndarray | None) -> list[np.ndarray]:
    r"""Coefficients in δ of a polynomial in y = Jδ + G[δ, δ]:

    .. math:: A'^{(n)} = \mathrm{Sym} \sum_{k=⌈n/2⌉}^n \binom{k}{n-k} A^{(k)} · (J^{⊗2k−n} ⊗ G^{⊗n−k}).

    Parameters
    ----------
    tensors : sequence of ndarray
        A^{(0)}, …, A^{(K)}; so many come back.
    linear : ndarray, shape (d, d)
    quadratic : ndarray, shape (d, d, d), optional
    """
    found: list[np.ndarray] = []
    for n in range(len(tensors)):
        total = np.zeros(tensors[n].shape)
        for k in range(-(-n // 2), n + 1):
            if quadratic is None and k < n:
                continue
            if not np.any(tensors[k]):
                continue
            total = total + comb(k, n - k) * _legs(tensors[k], linear, quadratic, n - k)
        found.append(symmetrised(total))
    return found


def action(flow: Flow | Sequence[Any], order: int, origin: ArrayLike | None = None) -> list[np.ndarray]:
    r"""Coefficients A^{(0)}, …, A^{(order)} of S = ln p of a flow, exactly.

    Parameters
    ----------
    flow : Flow or sequence of layers
        A layer is ``(W, b)``, a table with W and b or with G, or an array G of shape (d, d, d) (`Coupling`).
    order : int
        Largest k. Above the degree of S (2^{L+1} for L couplings) all are zero.
    origin : array, shape (d,), optional
        Point x⁰ of the expansion, S(x⁰ + δ) = Σ A^{(k)}·δ^{⊗k}; default 0.

    Returns
    -------
    list of ndarray
        A^{(k)} symmetric, of shape (d,)^k. The coefficient of the monomial x^α is (k!/α!) A^{(k)}.

    Raises
    ------
    InputError
        If d^order is too large, or the flow is none.

    Notes
    -----
    A truncated S is in general not normalisable: it is nothing to sample or to integrate e^S with.
    """
    flow = flow_of(flow)
    d, k_max = flow.dimension, integer("order", order, at_least=0, at_most=64)
    if d > 1 and k_max * np.log(d) > np.log(LARGEST):
        raise InputError(f"order = {k_max}: a tensor of {d}^{k_max} entries is too large (at most {LARGEST})")
    point = np.zeros(d) if origin is None else array("origin", origin, shape=(d,))
    steps = []
    for entry in flow.layers:
        steps.append((entry.jacobian(point), entry.quadratic))
        point = entry(point)
    tensors = [np.zeros((d,) * k) for k in range(k_max + 1)]
    start = (
        np.array(-0.5 * point @ point - 0.5 * d * np.log(2 * np.pi) + flow.log_det),
        -point,
        -0.5 * np.eye(d),
    )
    for k, tensor in enumerate(start[: k_max + 1]):
        tensors[k] = tensor
    for linear, quadratic in reversed(steps):
        tensors = pulled_back(tensors, linear, quadratic)
    return tensors


def evaluate(tensors: Sequence[np.ndarray], x: ArrayLike) -> np.ndarray:
    """Σ_k A^{(k)}·x^{⊗k} of points, shape (…, d)."""
    points = np.asarray(x, dtype=float)
    total = np.zeros(points.shape[:-1])
    for tensor in tensors:
        value = np.broadcast_to(tensor, (*points.shape[:-1], *tensor.shape))
        for _ in range(tensor.ndim):
            value = np.einsum("...i,...i->...", value, points[(..., *[None] * (value.ndim - points.ndim), slice(None))])
        total = total + value
    return np.asarray(total)
