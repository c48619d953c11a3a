"""The whole denoising loss along a path, order d and order one, against vectors in R^d."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.observables.errors import denoising_error
from asymptotics.autoencoder.solution import OrderParameterPath
from derivations import Denoiser, derive, local_field

TARGET = {
    "weights": [0.6, 0.4],
    "centroids": [[3.0, 1.0], [-1.0, 2.0]],
    "eigenvalues": [[0.5, 1.5], [0.8, 1.0]],
    "masses": [0.5, 0.5],
}
THETA, Q, B = np.array([[0.4, -0.3], [0.2, 0.5]]), np.array([[0.9, 0.2], [0.2, 0.7]]), 0.6


def experiment(predicts, **changes):
    return asy.Experiment(
        target=TARGET,
        # Half of every overlap in either atom, whose shares of the centroids are equal by default.
        denoiser={
            "hidden_units": 2, "predicts": predicts, "skip": B,
            "init": {"Theta": np.stack([THETA / 2] * 2).tolist(), "Q": np.stack([Q / 2] * 2).tolist()},
        },
        training={"times": [0.3, 0.8], "learning_rate": 0.1, "tau": 0.5},
        **changes,
    )  # fmt: skip


def simulated(predicts, d, count, seed):
    """E_t‖y − f(x_t)‖² of weights with the overlaps above; ‖x‖² replaced by its mean (a control variate known by hand)."""
    rng = np.random.default_rng(seed)
    half = d // 2
    u = np.zeros((2, d))
    # Each reference direction has half of its square in either atom.
    for k in range(2):
        u[k, [k, half + k]] = np.sqrt(0.5)
    mu, spread = np.array(TARGET["centroids"]) @ u, np.repeat(np.array(TARGET["eigenvalues"]), half, axis=1)
    W = THETA @ u * np.sqrt(d)
    rest = rng.standard_normal((2, d))
    rest[:, [0, 1, half, half + 1]] = 0.0
    for atom in (slice(0, half), slice(half, d)):
        # In either atom: the Gram matrix of what is off the references is (Q − Θ Θᵀ) d/2.
        gram = rest[:, atom] @ rest[:, atom].T
        root = np.linalg.cholesky((Q - THETA @ THETA.T) * d / 2) @ np.linalg.inv(np.linalg.cholesky(gram))
        rest[:, atom] = root @ rest[:, atom]
    W += rest
    assert np.allclose(W @ W.T / d, Q) and np.allclose(W @ u.T / np.sqrt(d), THETA)
    square = sum(w * (spread[c].sum() + mu[c] @ mu[c]) for c, w in enumerate(TARGET["weights"]))
    total = []
    for t in (0.3, 0.8):
        a, b = 1 - t, t
        y0, y1 = {"data": (0.0, 1.0), "noise": (1.0, 0.0), "velocity": (-1.0, 1.0)}[predicts]
        values = []
        for _ in range(count // 500):
            c = rng.choice(2, 500, p=TARGET["weights"])
            x1 = mu[c] + np.sqrt(spread[c]) * rng.standard_normal((500, d))
            x0 = rng.standard_normal((500, d))
            x = a * x0 + b * x1
            network = np.tanh(x @ W.T / np.sqrt(d)) @ W / np.sqrt(d)
            plain = (y0 - B * a) * x0 + (y1 - B * b) * x1
            values.append(np.sum(network * (network - 2 * plain), axis=1))
        values = np.concatenate(values)
        known = (y0 - B * a) ** 2 * d + (y1 - B * b) ** 2 * square
        total.append((known + values.mean(), values.var() / len(values)))
    mean, variance = np.mean(total, axis=0)
    return mean, np.sqrt(variance / 2)


@pytest.mark.parametrize("predicts", ["data", "noise", "velocity"])
@pytest.mark.ci
def test_loss_is_that_of_networks_in_many_dimensions(predicts):
    d = 400
    path = asy.solve(experiment(predicts))
    measured, error = simulated(predicts, d, 20_000, 3)
    assert abs(path.loss_total(0.0, d) - measured) < 4 * error + 3 / d
    bulk, potential = path.loss(0.0)
    assert path.loss_total(0.0, d) == pytest.approx(d * bulk + path.loss_order_one(0.0))
    assert abs(d * bulk + potential - measured) > 20 * error  # the centroids' part is seen


def test_loss_order_one_is_in_the_tables_and_of_files_without_it(tmp_path):
    path = asy.solve(experiment("data"))
    taus = np.array([0.0, 0.2, 0.5])
    table = path.table(taus)
    assert np.allclose(table["loss_order_one"], path.loss_order_one(taus))
    assert "loss_order_one" in path.to_json() and "loss_order_one" in path.to_dataframe().columns
    # The loss at one training time is the denoising error there.
    errors = denoising_error(path.problem, path(0.5), [0.3, 0.8])
    assert path.loss_order_one(0.5) == pytest.approx(errors.order_one.mean(), abs=1e-4)
    # 0.1.0 stored neither the value nor the field.
    old = dataclasses.replace(path, loss_unpredicted=None, source=None)
    loaded = OrderParameterPath.load(old.save(tmp_path / "old.npz"))
    assert np.allclose(loaded.loss_order_one(taus), path.loss_order_one(taus), atol=1e-12)


def test_loss_of_a_declared_network_survives_a_file(tmp_path):
    v = local_field("v")
    system = derive(Denoiser("cubic", ("u", "v"), (("u", v / (1 + v**2)),)))
    exp = asy.Experiment(
        target={"centroids": [[2.0]]}, denoiser={"system": system, "init": {"centroids": 0.3}},
        training={"times": [0.5], "learning_rate": 0.1, "tau": 0.2},
    )  # fmt: skip
    path = asy.solve(exp)
    loaded = OrderParameterPath.load(path.save(tmp_path / "path.npz"))
    assert loaded.table([0.1])["loss_order_one"] == path.table([0.1])["loss_order_one"]
    old = OrderParameterPath.load(dataclasses.replace(path, loss_unpredicted=None).save(tmp_path / "old.npz"))
    assert "loss_order_one" not in old.table([0.1]) and "loss_potential" in old.table([0.1])
