"""Transport of many points by dX/dt = a X + s g u with s = sign(u·X): explicit schemes, two matrix products a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..equations.schemes import Tableau
from .products import overlaps, update

#: Stage evaluations handled between two passes over the points.
_EVENTS = 24


@dataclass(frozen=True)
class Drift:
    """Drift at every stage of every step.

    Parameters
    ----------
    rate, gain : ndarray, shape (steps, stages)
        a and g.
    directions : callable
        ``directions(first, last)`` gives u for the steps first … last − 1, shape ((last − first) · stages, d).
    """

    rate: np.ndarray
    gain: np.ndarray
    directions: Callable[[int, int], np.ndarray]


def advance(
    points: np.ndarray, drift: Drift, lengths: np.ndarray, tableau: Tableau, first: int, last: int
) -> np.ndarray:
    r"""Carry the points from step ``first`` to step ``last``, in place.

    Within a block of steps every state is ``p X + Σ_l s_l q_l u_l`` with coefficients (p, q) that all points share and
    signs of their own. The signs need only the overlaps X·u_l and the Gram matrix u_k·u_l, so that a block costs two
    matrix products with the points: the overlaps before it, one update ``X ← p X + (s q) U`` after it. This is the plain
    step-by-step scheme with its sums taken in another order.

    Parameters
    ----------
    points : ndarray, shape (P, d)
        C-ordered float64; overwritten.
    drift : Drift
    lengths : ndarray, shape (steps,)
    tableau : Tableau
    first, last : int
        Steps first … last − 1 are done.

    Returns
    -------
    ndarray, shape (P, d)
        ``points``.
    """
    stages = len(tableau.weights)
    per_block = max(1, _EVENTS // stages)
    for start in range(first, last, per_block):
        stop = min(start + per_block, last)
        _block(points, drift, lengths, tableau, start, stop)
    return points


def _block(points: np.ndarray, drift: Drift, lengths: np.ndarray, tableau: Tableau, start: int, stop: int) -> None:
    stages = len(tableau.weights)
    u = np.ascontiguousarray(drift.directions(start, stop))
    events = len(u)
    start_overlaps = overlaps(u, points)
    gram = overlaps(u, u)
    signs = np.zeros((events, len(points)))
    p, q = 1.0, np.zeros(events)
    for k in range(start, stop):
        h = lengths[k]
        p_slopes, q_slopes = np.zeros(stages), np.zeros((stages, events))
        for j in range(stages):
            event = (k - start) * stages + j
            p_inner = p + h * (tableau.stages[j, :j] @ p_slopes[:j])
            q_inner = q + h * (tableau.stages[j, :j] @ q_slopes[:j])
            others = np.einsum("ep,e->p", signs[:event], q_inner[:event] * gram[:event, event])
            signs[event] = np.where(p_inner * start_overlaps[event] + others >= 0, 1.0, -1.0)
            p_slopes[j] = drift.rate[k, j] * p_inner
            q_slopes[j] = drift.rate[k, j] * q_inner
            q_slopes[j, event] += drift.gain[k, j]
        p += h * float(tableau.weights @ p_slopes)
        q = q + h * (tableau.weights @ q_slopes)
    update(points, p, q[:, None] * signs, u)
