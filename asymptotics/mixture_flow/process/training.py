"""Gradient training of the auto-encoder, as it is done in practice: it reaches the ridge solution."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...common.input.checks import array, choice, fail, integer, number
from .data import TrainingSet

OPTIMISERS = ("adam", "gradient")


class Trained(NamedTuple):
    """b, v = w/√d (d,), sign pattern reached (n,), and the loss at every iteration (iterations,)."""

    b: float
    v: np.ndarray
    pattern: np.ndarray
    losses: np.ndarray


def train_on(training: TrainingSet, alpha: float, beta: float, **options: Any) -> Trained:
    """`train` on a training set where the interpolant has the values (α, β); every sample comes with its K noises.

    Parameters
    ----------
    training : TrainingSet
    alpha, beta : float
    **options
        As for `train`; the ridge is the training set's own.
    """
    samples, noises = training.arrays()
    inputs = (alpha * noises + beta * samples).reshape(-1, training.dimension)
    targets = np.broadcast_to(samples, noises.shape).reshape(inputs.shape)
    return train(inputs, targets, ridge=training.flow.ridge, **options)


def train(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    ridge: float,
    iterations: int = 6000,
    learning_rate: float = 0.04,
    optimiser: str = "adam",
    decay: bool = True,
    b: float = 1.0,
    v: np.ndarray | None = None,
    seed: int | np.random.SeedSequence = 0,
) -> Trained:
    r"""Full-batch training of f(x) = b x + v sign(v·x).

    .. math:: \ell = \tfrac12\sum_\mu \|f(y^\mu) - x_1^\mu\|^2 + \tfrac{\lambda}{2}\|v\|^2

    The sign has no gradient; its pattern moves because v does. The defaults are those of the published simulation of Cui et
    al. (Adam, step 0.04, weight decay λ on v, b from 1, v from N(0, I)), except that ``decay`` takes the step to zero as
    a half cosine, without which Adam ends in a small limit cycle.

    Parameters
    ----------
    inputs, targets : array_like, shape (n, d)
        y^μ = α x₀^μ + β x₁^μ and x₁^μ.
    ridge : float
        λ ≥ 0.
    iterations, learning_rate
        Number of iterations and the (first) step. For ``"gradient"`` (heavy ball) the step is in units of the inverse of
        the largest curvature and must be below 2.
    optimiser : str
        ``"adam"`` or ``"gradient"``.
    decay : bool
        Half-cosine decay of the step.
    b, v : float and ndarray, shape (d,)
        Start; v defaults to N(0, I).
    seed : int or SeedSequence
        Of the random start.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        If an argument is outside its range or the shapes differ.
    """
    y, x = array("inputs", inputs, ndim=2), array("targets", targets, ndim=2)
    if y.shape != x.shape or y.shape[0] < 2:
        fail("inputs", y.shape, f"of the targets' shape {x.shape}, with at least 2 rows")
    ridge = number("ridge", ridge, at_least=0)
    iterations = integer("iterations", iterations, at_least=1)
    adam = choice("optimiser", optimiser, OPTIMISERS) == "adam"
    rate = number("learning_rate", learning_rate, above=0, below=np.inf if adam else 2)
    n, d = y.shape
    start = np.random.default_rng(seed).standard_normal(d) if v is None else array("v", v, shape=(d,))
    state = np.append(start, number("b", b))

    # ‖f − x‖² needs the data only through these products once the pattern is known; the gradient in v is a d-vector.
    yy, xy = float(np.vdot(y, y)), float(np.vdot(x, y))
    xx = float(np.vdot(x, x))
    first, second, losses = np.zeros(d + 1), np.zeros(d + 1), np.empty(iterations)
    # Curvatures of v and of b; heavy ball preconditions b by their ratio.
    scale = np.append(np.full(d, n + ridge), yy)
    pattern = np.ones(n)
    for k in range(iterations):
        w, skip = state[:-1], state[-1]
        pattern = np.where(y @ w >= 0, 1.0, -1.0)
        hy, hx = pattern @ y, pattern @ x
        gradient = np.empty(d + 1)
        gradient[:-1] = (n + ridge) * w + skip * hy - hx
        gradient[-1] = skip * yy + w @ hy - xy
        losses[k] = 0.5 * (skip**2 * yy + (n + ridge) * (w @ w) + xx + 2 * (skip * (w @ hy) - skip * xy - w @ hx))
        step = rate * (0.5 * (1 + np.cos(np.pi * k / iterations)) if decay else 1.0)
        if adam:
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            unbiased = np.sqrt(second / (1 - 0.999 ** (k + 1))) + 1e-8
            state = state - step * first / (1 - 0.9 ** (k + 1)) / unbiased
        else:
            first = 0.9 * first - 0.1 * step * gradient / scale
            state = state + first
    pattern = np.where(y @ state[:-1] >= 0, 1.0, -1.0)
    return Trained(float(state[-1]), state[:-1], pattern, losses)
