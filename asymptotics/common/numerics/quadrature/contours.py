"""An ellipse around an interval of eigenvalues of all magnitudes, for the midpoint rule."""

from __future__ import annotations

import numpy as np


def around_interval(
    low: float, high: float, shift: float, height: float, density: float, least: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The ellipse in u = ln(z + shift) whose foci are the ends of the interval.

    Parameters
    ----------
    low, high : float
        The interval, low + shift > 0.
    shift : float
        Functions are analytic right of −shift.
    height : float
        Half-height in u, below π/2: Re(z + shift) > 0.
    density : float
        Midpoints per unit of (half-length / half-height); the error of the rule is exp(−2 × this).
    least : int
        Smallest number of midpoints.

    Returns
    -------
    shifted, weights : ndarray of complex, shape (nodes,)
        As `ellipse` gives them.
    left : float
        z + shift at the left end.
    """
    half = 0.5 * np.log((high + shift) / (low + shift))
    length = np.hypot(half, height)
    stretch = np.exp(length - half)
    left, right = (low + shift) / stretch, (high + shift) * stretch
    count = max(least, int(np.ceil(density * length / height)))
    return (*ellipse(left, right, height, count), left)


def ellipse(left: float, right: float, height: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z + shift of the ellipse with these ends of its axis, upper half-plane, from the left; and their weights.

    ∮ f dz/2πi = 2 Re Σ_j weights_j f(z_j) for f that is real on the real axis; the midpoint rule converges exponentially.
    """
    first, last = np.log(left), np.log(right)
    half = 0.5 * (last - first)
    angle = np.pi * (1 - (np.arange(count) + 0.5) / count)
    shifted = np.exp(0.5 * (first + last) + half * np.cos(angle) + 1j * height * np.sin(angle))
    tangent = -half * np.sin(angle) + 1j * height * np.cos(angle)
    return shifted, shifted * tangent / (2j * count)
