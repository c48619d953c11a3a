"""Training on a fixed set with many passes: losses by brute force, the limit of many samples, and memory of few."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder import sgd_problem
from asymptotics.autoencoder.memory.ensemble import trained_until
from asymptotics.autoencoder.memory.losses import agreement, bulk, population_square, potential
from asymptotics.autoencoder.memory.training import fixed_data, nearest
from asymptotics.cli import main
from asymptotics.tools import mnist_digits


def experiment(**changes):
    table = {"simulation.dimension": 60, "simulation.runs": 3, "simulation.samples": 50, "training.tau": 1.0}
    return asy.example("three-clusters").replace({**table, **{k.replace("__", "."): v for k, v in changes.items()}})


@cache
def runs(n, epochs=None):
    changes = {"simulation.data": n} | ({} if epochs is None else {"simulation.epochs": epochs})
    return asy.simulate(experiment().replace(changes), workers=1, progress=False)


def test_the_loss_by_brute_force():
    """‖y₀x₀ + y₁x₁ − f(x_t)‖² of a tied tanh network written out, with two times and a skip connection."""
    chosen = experiment(training__times=[0.3, 0.8], denoiser__skip=0.4)
    setup = sgd_problem(chosen.problem)
    rng = np.random.default_rng(0)
    d = setup.dimension
    W, b = rng.standard_normal((2, d)), np.array([0.4])
    x0, x1 = rng.standard_normal((7, d)), rng.standard_normal((7, d))
    expected = np.zeros(7)
    for t in (0.3, 0.8):
        x = (1 - t) * x0 + t * x1
        f = 0.4 * x + np.tanh(x @ W.T / np.sqrt(d)) @ W / np.sqrt(d)
        expected += np.sum((x1 - f) ** 2, axis=1) / 2
    rest = np.zeros(7)
    for t in (0.3, 0.8):
        rest += np.sum((-0.4 * (1 - t) * x0 + (1 - 0.4 * t) * x1) ** 2, axis=1) / 2
    network = (W, b, np.zeros(0))
    np.testing.assert_allclose(potential(setup, network, x0, x1) + rest, expected, rtol=1e-12)
    # The bulk is the mean over noise of what is left.
    assert bulk(setup, b, d) == pytest.approx(
        d * np.mean([0.16 * (1 - t) ** 2 + (1 - 0.4 * t) ** 2 for t in (0.3, 0.8)]), rel=1e-12
    )
    assert agreement(setup, network, network, x0, x1) == pytest.approx(1.0)
    assert agreement(setup, network, (-W, b, np.zeros(0)), x0, x1) == pytest.approx(
        1.0
    )  # tied: u tanh(u·x) is even in u


def test_drawn_data_have_the_moments_of_the_target():
    setup = sgd_problem(experiment().problem)
    _, references, counts = setup.begin(0)
    data, fresh = fixed_data(experiment().problem, setup, references, counts, 20_000, np.random.default_rng(1))
    for x in (data, fresh):
        squares = np.sum(x**2, axis=1)
        sem = squares.std() / np.sqrt(len(x))
        assert abs(squares.mean() - population_square(setup, counts)) < 4 * sem


def test_many_samples_are_one_pass():
    """n above the number of steps: what the theory says, up to errors and the 1/d of d = 60."""
    found = runs(4000)
    theory = asy.solve(experiment())
    gap = found.gap[:, -1]
    assert abs(gap.mean()) < 4 * max(found.sem("gap")[-1], 0.05)
    expected = float(theory.loss(1.0)[1])
    assert found.mean("test_potential")[-1] == pytest.approx(expected, rel=0.15)
    verdict = asy.compare(theory, found)
    assert verdict.outcome == "NOT TESTED" and len(verdict.rows) == 7


def test_few_samples_are_remembered():
    few = runs(20, 15)
    assert few.epochs[-1] == pytest.approx(15.0)
    assert few.tau[-1] == pytest.approx(2 * 0.1 * 15 * 20 / 60)
    # Test above train loss, and the halves' networks apart; both less with more data.
    more = runs(200, 1.5)
    assert np.all(few.gap[:, -1] > 1.0)
    assert more.gap[:, -1].mean() < few.gap[:, -1].mean()
    assert np.all(few.agreement[:, 0] == pytest.approx(1.0))
    assert few.agreement[:, -1].mean() < more.agreement[:, -1].mean() < 1
    # Generated points lie nearer to the training set than to as many fresh points.
    assert np.all(few.memory > 0)


def test_nearest_points():
    others = np.array([[0.0, 0.0], [3.0, 4.0]])
    first, second = nearest(np.array([[0.0, 1.0]]), others)
    assert first == pytest.approx([0.5]) and second == pytest.approx([9.0])
    assert np.isinf(nearest(others, others[:1])[1]).all()


def test_drawn_and_printed(tmp_path, capsys):
    command = ["simulate", "three-clusters", "--json", "--workers", "1", "--set", "simulation.data=10"]
    command += ["--set", "simulation.dimension=40", "--set", "simulation.runs=2", "--set", "training.tau=0.2"]
    assert main([*command, "--set", "simulation.samples=20", "--plot", str(tmp_path / "out.png")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert {"train_loss", "test_loss", "gap", "agreement", "distance_train", "copied"} <= set(values["mean"])
    assert values["samples"] == 10


def test_what_it_does_not_go_with():
    with pytest.raises(asy.InputError, match="companion"):
        asy.simulate(experiment(simulation__data=20), companion=True)
    with pytest.raises(asy.InputError, match="tau = "):
        asy.simulate(experiment(simulation__data=20), tau=[5.0])
    assert trained_until(experiment(simulation__data=20, simulation__epochs=6).problem).training.tau == pytest.approx(
        0.4
    )


@pytest.mark.slow
def test_images(tmp_path):
    """Digits without labels: training and fresh samples are different rows of the file, in the eigenbasis of the target."""
    digits, _ = mnist_digits()
    np.save(tmp_path / "digits.npy", digits[:600])
    chosen = asy.Experiment(
        target={"samples": str(tmp_path / "digits.npy")}, training={"times": [0.7], "learning_rate": 0.2, "tau": 0.1},
        denoiser={"architecture": "tied", "hidden_units": 1, "activation": "tanh", "init": {"random": 0.5, "realisation": 1}},
        simulation={"runs": 2, "samples": 20, "data": 30},
    )  # fmt: skip
    found = asy.simulate(chosen, workers=1)
    assert found.data.endswith("digits.npy") and found.dimension == 784
    assert np.all(np.isfinite(found.test_loss)) and np.all(np.isfinite(found.distance_fresh))
    with pytest.raises(asy.InputError, match="less than the 600 samples"):
        asy.simulate(chosen.replace({"simulation.data": 600}), workers=1)
