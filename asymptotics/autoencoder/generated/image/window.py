"""Compiled sums of Gaussians over the centres in reach."""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.code.compiled import njit


@njit(cache=True, nogil=True)
def window_sum(
    points: np.ndarray,
    centres: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    low: np.ndarray,
    shape: np.ndarray,
    side: float,
    cut: float,
    out: np.ndarray,
) -> None:
    """out[i] = Σ w_j exp(−|x_i − c_j|²/2) over the centres within ``cut``, sorted by square cells of ``side`` ≥ ``cut``."""
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        cx, cy = math.floor(x / side) - low[0], math.floor(y / side) - low[1]
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


@njit(cache=True, nogil=True)
def _between(low: float, high: float) -> float:
    """Φ(high) − Φ(low) with its digits in either tail."""
    r = math.sqrt(0.5)
    if low > 0:
        return 0.5 * (math.erfc(low * r) - math.erfc(high * r))
    if high < 0:
        return 0.5 * (math.erfc(-high * r) - math.erfc(-low * r))
    return 0.5 * (math.erf(high * r) - math.erf(low * r))


@njit(cache=True, nogil=True)
def segment_sum(
    points: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    weights: np.ndarray,
    tilts: np.ndarray,
    bins: np.ndarray,
    starts: np.ndarray,
    members: np.ndarray,
    out: np.ndarray,
) -> None:
    """out[i] = Σ_j w_j ∫₀¹ (1 + tilt_j (2s − 1)) exp(−|x_i − first_j − s (last_j − first_j)|²/2) ds, in any dimension.

    Point i sums over the pieces ``members[starts[bins[i]]:starts[bins[i] + 1]]``, none for a negative bin.
    """
    m = points.shape[1]
    for i in range(points.shape[0]):
        total = 0.0
        if bins[i] < 0:
            out[i] = 0.0
            continue
        for index in range(starts[bins[i]], starts[bins[i] + 1]):
            j = members[index]
            length2, dot = 0.0, 0.0
            for k in range(m):
                d = last[j, k] - first[j, k]
                length2 += d * d
                dot += (points[i, k] - first[j, k]) * d
            length = math.sqrt(length2)
            t = dot / length if length > 0 else 0.0
            if t < -9.0 or t > length + 9.0:
                continue
            across = 0.0
            if length > 1e-4:
                if m > 1:
                    for k in range(m):
                        y = points[i, k] - first[j, k] - (last[j, k] - first[j, k]) * (t / length)
                        across += y * y
                    if across > 81.0:
                        continue
                whole = _between(-t, length - t) * math.sqrt(2 * math.pi) / length
                ends = (math.exp(-0.5 * t * t) - math.exp(-0.5 * (length - t) ** 2)) / (length * length)
                value = whole + tilts[j] * (2 * (t / length * whole + ends) - whole)
                total += weights[j] * max(value, 0.0) * math.exp(-0.5 * across)
            else:
                for k in range(m):
                    y = points[i, k] - 0.5 * (first[j, k] + last[j, k])
                    across += y * y
                total += weights[j] * math.exp(-0.5 * across)
        out[i] = total
