"""Distances between samples and between Gaussians."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...input.checks import array


def wasserstein_1d(x: ArrayLike, y: ArrayLike, order: int = 2) -> float:
    """W_p between two samples on a line (exact, by their quantile functions), p = ``order``."""
    x, y = np.sort(array("x", x, ndim=1)), np.sort(array("y", y, ndim=1))
    # Both quantile functions are constant between the merged levels.
    levels = np.union1d(np.arange(1, len(x) + 1) / len(x), np.arange(1, len(y) + 1) / len(y))
    width = np.diff(np.concatenate([[0.0], levels]))
    middle = levels - width / 2
    i = np.minimum((middle * len(x)).astype(int), len(x) - 1)
    j = np.minimum((middle * len(y)).astype(int), len(y) - 1)
    return float((width @ np.abs(x[i] - y[j]) ** order) ** (1 / order))


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, directions: int = 32, seed: int = 0, order: int = 2) -> float:
    """Sliced Wasserstein distance (mean of W_p^p over directions)^(1/p) between two samples (n, m), (n', m).

    In the plane the directions are equally spaced angles; in more dimensions they are random (from ``seed``).
    """
    x, y = array("x", x, ndim=2), array("y", y, ndim=2)
    m = x.shape[1]
    if m == 1:
        return wasserstein_1d(x[:, 0], y[:, 0], order)
    if m == 2:
        angles = np.pi * (np.arange(directions) + 0.5) / directions
        slices = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        slices = np.random.default_rng(seed).standard_normal((directions, m))
        slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    return float(np.mean([wasserstein_1d(x @ u, y @ u, order) ** order for u in slices]) ** (1 / order))
