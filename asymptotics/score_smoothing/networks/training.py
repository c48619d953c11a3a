"""A two-layer ReLU score network trained by gradient descent with weight decay, and the δ_t that it ends up with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..points import checked_points, midpoints, positive_time
from ..scores.empirical import EmpiricalScore
from .descent import begun, descend
from .trained import TrainedNetwork


@dataclass(frozen=True)
class TrainedScore(TrainedNetwork):
    """A trained network g(x) = t f(x) = Σ a_j [w_j x + b_j]_+ + c₀ + c₁ x and what it learned.

    Parameters
    ----------
    points : ndarray, shape (n,)
    t, decay : float
        Noise variance and weight decay μ.
    a, w, b, affine : ndarray
        Parameters; shapes (hidden,) and (2,).
    loss : float
        L_t = E|g − (m − x)|²/t on the training noise (excess over the exact score).
    path_norm : float
        t R[f] = ∫|g''| = Σ over kinks of |jump of g'|.
    weights : float
        ½ Σ(a² + w²), which weight decay drives down to ∫|g''|.
    effective_delta : ndarray, shape (n − 1,)
        Per gap, δ = Δ(1 − 1/slope) with the slope of x + g across the middle half of the gap: the smoothed score with that
        slope. Negative where the network is flatter than interpolation.
    outer_slope : float
        Mean of −g' one to two standard deviations outside the end points; 1 for the smoothed score, below 1 for the true
        minimiser of the path norm.
    seed, steps : int
    """

    points: np.ndarray
    t: float
    decay: float
    a: np.ndarray
    w: np.ndarray
    b: np.ndarray
    affine: np.ndarray
    loss: float
    path_norm: float
    weights: float
    effective_delta: np.ndarray
    outer_slope: float
    seed: int
    steps: int

    COLUMNS = ("a", "w", "b")

    @property
    def objective(self) -> float:
        """½ L + μ ∫|g''|, the objective of weight decay after rescaling each neuron."""
        return 0.5 * self.loss + self.decay * self.path_norm

    def posterior_mean(self, x: ArrayLike, t: float | None = None) -> np.ndarray:
        """x + g(x), shape of ``x`` (the network knows its own t only)."""
        x = np.asarray(x, dtype=np.float64)
        return x + _evaluate(x, self.a, self.w, self.b, self.affine)


def _evaluate(x: np.ndarray, a: np.ndarray, w: np.ndarray, b: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.maximum(x[..., None] * w + b, 0.0) @ a + affine[0] + affine[1] * x


def train(
    points: ArrayLike,
    t: float,
    *,
    decay: float = 0.02,
    hidden: int = 64,
    noises: int = 128,
    steps: int = 40000,
    rate: float = 0.05,
    momentum: float = 0.95,
    seed: int = 0,
) -> TrainedScore:
    r"""Train by full-batch gradient descent on noised data: min ½ E|g(x) − (y − x)|²/t + (μ/2) Σ(a² + w²).

    Biases and the affine part are free of decay, so that at the optimum the decay is μ ∫|g''|: the Lagrangian of the variational
    problem with R[g] = t R[f]. Each training point is noised by the same ``noises`` equally likely Gaussian quantiles (the
    infinite-sample noise, stratified); the target y − x is the one of denoising score matching. The objective is multiplied by
    t, which leaves the minimiser but makes the gradient of order one at any t.

    Parameters
    ----------
    points : int or sequence of float
    t : float
    decay : float
        μ > 0.
    hidden, noises, steps : int
    rate, momentum : float
        Step size and heavy-ball momentum in [0, 1).
    seed : int
        Of the initial weights.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    y = checked_points(points)
    root = float(np.sqrt(positive_time("t", t)))
    rng, xi = begun(decay, hidden, noises, 8, steps, rate, momentum, seed)
    x = (y[:, None] + root * xi).ravel()
    target = np.broadcast_to(-root * xi, (y.size, noises)).ravel().copy()
    span = y[-1] - y[0]
    knots = rng.uniform(y[0] - 0.1 * span, y[-1] + 0.1 * span, hidden)
    w = rng.choice([-1.0, 1.0], hidden) * 0.5
    b = -w * knots
    a = 0.05 * rng.standard_normal(hidden)
    affine = np.zeros(2)
    descend(x, target, a, w, b, affine, decay * t, rate, momentum, steps)
    exact = EmpiricalScore(y).posterior_mean(x, t) - x
    loss = float(np.mean((_evaluate(x, a, w, b, affine) - exact) ** 2) / t)
    c = midpoints(y)
    middle = c[:, None] + 0.25 * np.diff(y)[:, None] * np.array([-0.5, 0.5])
    value = middle + _evaluate(middle, a, w, b, affine)
    slope = (value[:, 1] - value[:, 0]) / (middle[:, 1] - middle[:, 0])
    outer = np.array([[y[0] - root, y[0] - 2 * root], [y[-1] + root, y[-1] + 2 * root]])
    g = _evaluate(outer, a, w, b, affine)
    return TrainedScore(
        points=y,
        t=float(t),
        decay=float(decay),
        a=a,
        w=w,
        b=b,
        affine=affine,
        loss=loss,
        path_norm=_path_norm(a, w, b),
        weights=float(0.5 * np.sum(a**2 + w**2)),
        effective_delta=np.diff(y) / 2 * (1 - 1 / slope),
        outer_slope=float(np.mean(-(g[:, 1] - g[:, 0]) / (outer[:, 1] - outer[:, 0]))),
        seed=int(seed),
        steps=int(steps),
    )


def _path_norm(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
    # Each neuron bends g by a|w| at −b/w; neurons on one kink of opposite sign cancel only if they coincide exactly.
    return float(np.sum(np.abs(a * w)))
