"""A two-layer ReLU score network in the plane, trained on points of a circle, and the δ_t that it ends up with along the chords."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..points import circle_points, positive_time
from .descent import begun, descend_plane
from .trained import TrainedNetwork


@dataclass(frozen=True)
class TrainedCircle(TrainedNetwork):
    """A trained network g(x) = t f(x) = Σ a_j [w_j·x + b_j]_+ + c + L x in the plane and what it learned.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        On the unit circle.
    t, decay : float
        Noise variance and weight decay μ.
    a, w, b, c, linear : ndarray
        Parameters; shapes (hidden, 2), (hidden, 2), (hidden,), (2,), (2, 2).
    loss : float
        L_t = E|g − (m − x)|²/t on the training noise (excess over the exact score).
    path_norm : float
        Σ|a_j||w_j|.
    effective_delta : ndarray, shape (n,)
        Per chord, δ = sin(π/n)(1 − 1/slope) with the slope of (x + g)·e_c along the middle quarter of the chord: that of the smoothed
        score with the chord window. Negative where the network is flatter than interpolation.
    normal_slope : ndarray, shape (n,)
        Slope of (x + g)·e_m across the chord at its middle: 0 where samples are pulled onto the chord, as by the smoothed score.
    seed, steps : int
    """

    points: np.ndarray
    t: float
    decay: float
    a: np.ndarray
    w: np.ndarray
    b: np.ndarray
    c: np.ndarray
    linear: np.ndarray
    loss: float
    path_norm: float
    effective_delta: np.ndarray
    normal_slope: np.ndarray
    seed: int
    steps: int

    COLUMNS = ("effective_delta", "normal_slope")

    def posterior_mean(self, x: ArrayLike, t: float | None = None) -> np.ndarray:
        """x + g(x) of positions (…, 2) (the network knows its own t only)."""
        x = np.asarray(x, dtype=np.float64)
        return _mean(x, self.a, self.w, self.b, self.c, self.linear)


def _mean(x: np.ndarray, a: np.ndarray, w: np.ndarray, b: np.ndarray, c: np.ndarray, linear: np.ndarray) -> np.ndarray:
    return np.asarray(x + np.maximum(x @ w.T + b, 0.0) @ a + c + x @ linear.T)


def exact_mean(points: np.ndarray, x: np.ndarray, t: float) -> np.ndarray:
    """Posterior mean of points (n, 2) given noisy positions (…, 2)."""
    squares = np.sum((x[..., None, :] - points) ** 2, axis=-1) / (2 * t)
    weights = np.exp(-(squares - squares.min(axis=-1, keepdims=True)))
    return np.asarray(weights @ points / weights.sum(axis=-1, keepdims=True))


def train_circle(
    points: int,
    t: float,
    *,
    decay: float = 0.02,
    hidden: int = 64,
    noises: int = 8,
    steps: int = 20000,
    rate: float = 0.05,
    momentum: float = 0.95,
    seed: int = 0,
) -> TrainedCircle:
    r"""Train on n points of the unit circle: min ½ E|g(x) − (y − x)|²/t + (μ/2) Σ(|a|² + |w|²), by full-batch gradient descent.

    As `train` on a line: biases and the affine part are free of decay; every point is noised by the same noises² pairs of equally
    likely Gaussian quantiles; the objective is multiplied by t.

    Parameters
    ----------
    points : int
        n ≥ 3.
    t, decay : float
        Noise variance, and μ > 0.
    hidden, noises, steps : int
    rate, momentum : float
    seed : int
        Of the initial weights.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    y = circle_points(points)
    n, root = len(y), float(np.sqrt(positive_time("t", t)))
    rng, xi = begun(decay, hidden, noises, 4, steps, rate, momentum, seed)
    noise = root * np.stack(np.meshgrid(xi, xi), axis=-1).reshape(-1, 2)
    x = (y[:, None] + noise).reshape(-1, 2)
    target = np.tile(-noise, (n, 1))
    angle = rng.uniform(0, 2 * np.pi, hidden)
    w = 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    b = 0.5 * rng.uniform(-1.1, 1.1, hidden)
    a = 0.05 * rng.standard_normal((hidden, 2))
    c, linear = np.zeros(2), np.zeros((2, 2))
    descend_plane(x, target, a, w, b, c, linear, decay * t, rate, momentum, steps)
    fitted = np.maximum(x @ w.T + b, 0.0) @ a + c + x @ linear.T
    loss = float(np.mean(np.sum((fitted - (exact_mean(y, x, t) - x)) ** 2, axis=1)) / t)
    alpha = np.pi / n
    middle = (2 * np.arange(n) + 1) * alpha
    e_m = np.stack([np.cos(middle), np.sin(middle)], axis=1)
    e_c = np.stack([-np.sin(middle), np.cos(middle)], axis=1)
    at = np.cos(alpha) * e_m

    def mean(place: np.ndarray) -> np.ndarray:
        return _mean(place, a, w, b, c, linear)

    step = 0.25 * np.sin(alpha)
    slope = np.sum((mean(at + step * e_c) - mean(at - step * e_c)) * e_c, axis=1) / (2 * step)
    across = np.sum((mean(at + step * e_m) - mean(at - step * e_m)) * e_m, axis=1) / (2 * step)
    norm = float(np.sum(np.linalg.norm(a, axis=1) * np.linalg.norm(w, axis=1)))
    return TrainedCircle(
        y, float(t), float(decay), a, w, b, c, linear, loss, norm, np.sin(alpha) * (1 - 1 / slope), across, int(seed), int(steps)
    )  # fmt: skip
