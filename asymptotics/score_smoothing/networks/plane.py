"""A two-layer ReLU score network in the plane, trained on points of a circle, and the δ_t that it ends up with along the chords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from ...common.input.checks import integer, number
from ...common.numerics.compiled import njit
from ...common.output.results import Result
from ..points import circle_points, positive_time


@njit(cache=True, nogil=True, error_model="numpy")
def descend_plane(x, target, a, w, b, c, linear, decay, rate, momentum, steps):
    """Minimise ½ mean |g(x) − target|² + decay/2 Σ(|a_j|² + |w_j|²) in place, g = Σ a_j [w_j·x + b_j]_+ + c + linear x.

    The last fifth of the steps lets the rate go linearly to zero.
    """
    n, m = x.shape[0], b.size
    va, vw, vb = np.zeros((m, 2)), np.zeros((m, 2)), np.zeros(m)
    vc, vl = np.zeros(2), np.zeros((2, 2))
    residual, active = np.empty((n, 2)), np.empty((m, n))
    for step in range(steps):
        eta = rate * min(1.0, (steps - step) / (0.2 * steps))
        for i in range(n):
            residual[i, 0] = c[0] + linear[0, 0] * x[i, 0] + linear[0, 1] * x[i, 1] - target[i, 0]
            residual[i, 1] = c[1] + linear[1, 0] * x[i, 0] + linear[1, 1] * x[i, 1] - target[i, 1]
        for j in range(m):
            w0, w1, bj, a0, a1 = w[j, 0], w[j, 1], b[j], a[j, 0], a[j, 1]
            for i in range(n):
                h = max(w0 * x[i, 0] + w1 * x[i, 1] + bj, 0.0)
                active[j, i] = h
                residual[i, 0] += a0 * h
                residual[i, 1] += a1 * h
        g = np.zeros((2, 3))
        for i in range(n):
            for k in range(2):
                residual[i, k] /= n
                g[k, 0] += residual[i, k] * x[i, 0]
                g[k, 1] += residual[i, k] * x[i, 1]
                g[k, 2] += residual[i, k]
        for j in range(m):
            a0, a1 = a[j, 0], a[j, 1]
            up0 = up1 = on = x0 = x1 = 0.0
            for i in range(n):
                h = active[j, i]
                up0 += h * residual[i, 0]
                up1 += h * residual[i, 1]
                r = a0 * residual[i, 0] + a1 * residual[i, 1] if h > 0.0 else 0.0
                on += r
                x0 += r * x[i, 0]
                x1 += r * x[i, 1]
            va[j, 0] = momentum * va[j, 0] - eta * (up0 + decay * a0)
            va[j, 1] = momentum * va[j, 1] - eta * (up1 + decay * a1)
            vw[j, 0] = momentum * vw[j, 0] - eta * (x0 + decay * w[j, 0])
            vw[j, 1] = momentum * vw[j, 1] - eta * (x1 + decay * w[j, 1])
            vb[j] = momentum * vb[j] - eta * on
            for k in range(2):
                a[j, k] += va[j, k]
                w[j, k] += vw[j, k]
            b[j] += vb[j]
        for k in range(2):
            vc[k] = momentum * vc[k] - eta * g[k, 2]
            c[k] += vc[k]
            for i in range(2):
                vl[k, i] = momentum * vl[k, i] - eta * g[k, i]
                linear[k, i] += vl[k, i]


@dataclass(frozen=True)
class TrainedCircle(Result):
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

    @property
    def effective_kappa(self) -> float:
        """Mean δ over the chords divided by √t."""
        return float(np.mean(self.effective_delta) / np.sqrt(self.t))

    def posterior_mean(self, x: Any, t: float | None = None) -> np.ndarray:
        """x + g(x) of positions (…, 2) (the network knows its own t only)."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray(x + np.maximum(x @ self.w.T + self.b, 0.0) @ self.a + self.c + x @ self.linear.T)

    def __call__(self, x: Any, t: float | None = None) -> np.ndarray:
        """The learned score g(x)/t."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray((self.posterior_mean(x) - x) / self.t)


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
    number("decay", decay, above=0.0)
    number("rate", rate, above=0.0)
    number("momentum", momentum, at_least=0.0, below=1.0)
    hidden, noises = integer("hidden", hidden, at_least=3), integer("noises", noises, at_least=4)
    rng = np.random.default_rng(integer("seed", seed, at_least=0))
    xi = ndtri((np.arange(noises) + 0.5) / noises)
    xi /= np.sqrt(np.mean(xi**2))
    noise = root * np.stack(np.meshgrid(xi, xi), axis=-1).reshape(-1, 2)
    x = (y[:, None] + noise).reshape(-1, 2)
    target = np.tile(-noise, (n, 1))
    angle = rng.uniform(0, 2 * np.pi, hidden)
    w = 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    b = 0.5 * rng.uniform(-1.1, 1.1, hidden)
    a = 0.05 * rng.standard_normal((hidden, 2))
    c, linear = np.zeros(2), np.zeros((2, 2))
    descend_plane(x, target, a, w, b, c, linear, decay * t, rate, momentum, integer("steps", steps, at_least=1))
    fitted = np.maximum(x @ w.T + b, 0.0) @ a + c + x @ linear.T
    loss = float(np.mean(np.sum((fitted - (exact_mean(y, x, t) - x)) ** 2, axis=1)) / t)
    alpha = np.pi / n
    middle = (2 * np.arange(n) + 1) * alpha
    e_m = np.stack([np.cos(middle), np.sin(middle)], axis=1)
    e_c = np.stack([-np.sin(middle), np.cos(middle)], axis=1)
    at = np.cos(alpha) * e_m

    def mean(place: np.ndarray) -> np.ndarray:
        return np.asarray(place + np.maximum(place @ w.T + b, 0.0) @ a + c + place @ linear.T)

    step = 0.25 * np.sin(alpha)
    slope = np.sum((mean(at + step * e_c) - mean(at - step * e_c)) * e_c, axis=1) / (2 * step)
    across = np.sum((mean(at + step * e_m) - mean(at - step * e_m)) * e_m, axis=1) / (2 * step)
    norm = float(np.sum(np.linalg.norm(a, axis=1) * np.linalg.norm(w, axis=1)))
    return TrainedCircle(
        y, float(t), float(decay), a, w, b, c, linear, loss, norm, np.sin(alpha) * (1 - 1 / slope), across, int(seed), int(steps)
    )  # fmt: skip
