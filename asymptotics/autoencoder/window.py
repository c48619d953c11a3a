"""Compiled sums of Gaussians over the centres in reach."""

from __future__ import annotations

import math

import numpy as np

from ..common.compiled import njit


@njit(cache=True, nogil=True)
def window_sum(
    points: np.ndarray,
    centres: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    low: np.ndarray,
    shape: np.ndarray,
    cut: float,
    out: np.ndarray,
) -> None:
    """out[i] = Σ w_j exp(−|x_i − c_j|²/2) over the centres within ``cut``, sorted by square cells of side ``cut``."""
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        cx, cy = math.floor(x / cut) - low[0], math.floor(y / cut) - low[1]
        total = 0.0
        for a in range(max(cx - 1, 0), min(cx + 2, shape[0])):
            for b in range(max(cy - 1, 0), min(cy + 2, shape[1])):
                cell = a * shape[1] + b
                for j in range(starts[cell], starts[cell + 1]):
                    dx, dy = x - centres[j, 0], y - centres[j, 1]
                    r2 = dx * dx + dy * dy
                    if r2 < cut * cut:
                        total += weights[j] * math.exp(-0.5 * r2)
        out[i] = total
