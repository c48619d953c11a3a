"""Distribution functions of masses on a line that a Gaussian smears, from narrow bins."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import ndtr

#: Bins of a distribution function, and bins to a standard deviation of Y.
BINS = (2**13, 2**17)
PER_WIDTH = 64


def distribution(
    middle: np.ndarray, length: np.ndarray, w: np.ndarray, width: float, coarse: float
) -> tuple[np.ndarray, np.ndarray]:
    """Edges and distribution function of masses w spread evenly over intervals, plus a Gaussian of that width."""
    low, high = float(np.min(middle - length / 2)) - 8.5 * width, float(np.max(middle + length / 2)) + 8.5 * width
    pad = 1e-9 * (high - low) + 1e-12 * max(abs(high), abs(low), 1e-300)
    bins = int(np.clip(PER_WIDTH * (high - low) / max(width, 1e-300), *BINS) / coarse)
    edges = np.linspace(low - pad, high + pad, bins + 1)
    h = edges[1] - edges[0]
    if width <= h / 4 and np.any(length):
        # Without a Gaussian part the pieces themselves say where the mass is, also where much of it is in one place.
        length = np.maximum(length, 1e-10 * (high - low))
        ends = [edges[:1], middle - length / 2, middle, middle + length / 2, edges[-1:]]
        edges = np.unique(np.concatenate(ends))
    mass = _ramps(middle, np.maximum(length, 1e-10 * (high - low)), w, edges)
    if width > h / 4:
        reach = int(np.ceil(8.5 * width / h))
        steps = (np.arange(-reach, reach + 2) - 0.5) * h / width
        mass = np.maximum(fftconvolve(mass, np.diff(ndtr(steps)), mode="same"), 0.0)
    total = np.concatenate([[0.0], np.cumsum(mass)])
    return edges, total / total[-1]


def _ramps(middle: np.ndarray, length: np.ndarray, w: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mass in every bin of masses w spread evenly over intervals."""
    slope, total = w / length, np.zeros(len(edges))
    for start, sign in ((middle - length / 2, 1.0), (middle + length / 2, -1.0)):
        order = np.argsort(start)
        s, g = start[order] - edges[0], slope[order]
        count = np.searchsorted(s, edges - edges[0])
        zeroth, first = np.concatenate([[0.0], np.cumsum(g)]), np.concatenate([[0.0], np.cumsum(g * s)])
        total += sign * ((edges - edges[0]) * zeroth[count] - first[count])
    return np.maximum(np.diff(total), 0.0)
