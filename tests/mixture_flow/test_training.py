"""Gradient training reaches the ridge solution."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.mixture_flow.process.training import train, train_on
from asymptotics.mixture_flow.settings import MixtureFlow

from .test_ridge import problem


@pytest.mark.parametrize(("optimiser", "iterations", "rate"), [("adam", 3000, 0.04), ("gradient", 1000, 1.0)])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_training_reaches_the_ridge_solution(t, optimiser, iterations, rate):
    flow = MixtureFlow(8, 1.5, 0.1)
    training, h, ridge = problem(flow, 800, 3)
    x1, x0 = training.arrays()
    y = (1 - t) * x0[0] + t * x1
    trained = train(
        y,
        x1,
        ridge=0.1,
        optimiser=optimiser,
        iterations=iterations,
        learning_rate=rate,
        decay=optimiser == "adam",
        seed=1,
    )
    side = np.sign(trained.pattern @ h)
    assert np.array_equal(side * trained.pattern, h)
    assert trained.b == pytest.approx(float(ridge.b(1 - t, t)), abs=1e-9)
    v = ridge.v(1 - t, t)
    assert np.linalg.norm(side * trained.v - v) < 1e-8 * np.linalg.norm(v)
    # The recorded loss is the loss.
    f = trained.b * y + np.outer(trained.pattern, trained.v)
    assert trained.losses[-1] == pytest.approx(0.5 * np.sum((f - x1) ** 2) + 0.05 * trained.v @ trained.v, rel=1e-8)
    assert trained.losses[-1] < trained.losses[0]


def test_training_with_several_noises_reaches_their_ridge_solution():
    flow = MixtureFlow(5, 0.9, 0.4, 1.3, noises=3)
    training, h, ridge = problem(flow, 300, 4)
    trained = train_on(training, 0.4, 0.6, optimiser="gradient", iterations=800, learning_rate=1.0, decay=False)
    assert np.array_equal(np.abs(trained.pattern.reshape(3, 5) @ h), [5, 5, 5])
    assert trained.b == pytest.approx(float(ridge.b(0.4, 0.6)), abs=1e-9)
    side = np.sign(trained.pattern[0] * h[0])
    np.testing.assert_allclose(side * trained.v, ridge.v(0.4, 0.6), atol=1e-9)


def test_trained_networks_generate_what_the_ridge_solution_does():
    # The published procedure on a coarse grid: train at every t from scratch, take an Euler step, never touch the closed form.
    flow, steps = MixtureFlow(6, 0.8, 0.2), 20
    training, _, ridge = problem(flow, 400, 9)
    x1, x0 = training.arrays()
    start = np.random.default_rng(2).standard_normal((50, 400))
    x, exact = start.copy(), start.copy()
    for k in range(steps):
        t, h = k / steps, 1 / steps
        y = (1 - t) * x0[0] + t * x1
        if k == 0:
            b, v = float(ridge.b(1, 0)), ridge.v(1, 0)  # at t = 0 the patterns are degenerate
        else:
            b, v, *_ = train(y, x1, ridge=0.2, iterations=800, optimiser="gradient", learning_rate=1.0, decay=False)
        x = x + h * ((b * x + np.sign(x @ v)[:, None] * v) / (1 - t) - x / (1 - t))
        w = ridge.v(1 - t, t)
        exact = exact + h * ((float(ridge.b(1 - t, t)) - 1) * exact + np.sign(exact @ w)[:, None] * w) / (1 - t)
    np.testing.assert_allclose(x, exact, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ridge": -0.1}, "ridge"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"iterations": 0}, "iterations"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"v": np.zeros(3)}, "v = "),
    ],
)
def test_bad_input(changes, message):
    x = np.ones((4, 10))
    with pytest.raises(InputError, match=message):
        train(x, x, **({"ridge": 0.1} | changes))
    with pytest.raises(InputError, match="inputs"):
        train(x, x[:3], ridge=0.1)
