"""SGD in R^d: bad input is one line, divergence is loud."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.autoencoder.kernels.network import Forward
from asymptotics.autoencoder.process.problem import SgdProblem
from asymptotics.autoencoder.process.sgd import DivergedError, train
from asymptotics.common.input.checks import InputError
from derivations.autoencoder.network.denoiser import architecture


def named(name: str, hidden: int, activation: str = "tanh", **options: object) -> Forward:
    return Forward.of(architecture(name, hidden, activation=activation, **options))


def small(forward, **changes):
    """A problem at d = 7 that nothing about is special: two atoms, unequal clusters with unequal spreads, λ, η large."""
    rng = np.random.default_rng(0)
    p = forward.vectors
    options = dict(
        dimension=7, centroids=[[1.5, 0.3], [-0.7, 1.1], [0.2, -2.0]], weights=[0.5, 0.3, 0.2], masses=[0.6, 0.4],
        eigenvalues=[[1.0, 0.3], [0.5, 2.0], [0.0, 1.4]], alpha=[0.3], beta=[0.7], y0=[0.0], y1=[1.0],
        learning_rate=0.3, tau=1.0, weight_decay=0.4, b=0.37,
        initial=(rng.standard_normal((p, 7)), rng.standard_normal((2, 7))),
        parameters=rng.standard_normal(forward.parameters), dtype="float64",
    ) | changes  # fmt: skip
    return SgdProblem(forward, **options)


def three_clusters(d: int, **changes) -> SgdProblem:
    """The reference example: w_γ(0) = 0.1 √d μ_γ, centroids 3e₁, −3e₂, −3e₁."""
    c = np.array([[3.0, 0.0], [0.0, -3.0], [-3.0, 0.0]])
    w = 0.1 * c[:2]
    options = dict(weight_decay=0.1, theta=w[None], q=(w @ w.T)[None]) | changes
    return SgdProblem(named("tied", 2), d, c, [0.3], [0.7], [0.0], [1.0], 0.1, 4.0, **options)


def test_divergence_is_loud():
    problem = SgdProblem(
        named("tied", 1, activation="linear"), 50, [[1.0]], [0.3], [0.7], [0.0], [1.0], 40.0, 400.0,
        theta=[[[1.0]]], q=[[[2.0]]],
    )  # fmt: skip
    with pytest.raises(DivergedError, match="no longer finite") as caught:
        train(problem, 0, [0.0, 400.0])
    assert caught.value.partial.tau.tolist() == [0.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(learning_rate=0.0), "learning_rate"),
        (dict(tau=-1.0), "tau"),
        (dict(weights=[0.5, 0.6, 0.2]), "weights"),
        (dict(time_weights=[0.3]), "time_weights"),
        (dict(eigenvalues=[[1.0, -1.0]]), "eigenvalues"),
        (dict(y1=[1.0, 1.0]), "y1"),
        (dict(rates=[1.0]), "rates"),
        (dict(rates=[1.0, -1.0]), "rates"),
        (dict(average="mean"), "average"),
        (dict(dtype="float16"), "dtype"),
        (dict(batch=0), "batch"),
        (dict(initial=None), "exactly one"),
        (dict(theta=np.zeros((2, 2, 2))), "together"),
        (dict(initial=(np.zeros((2, 6)), np.zeros((2, 7)))), "initial"),
        (dict(initial=(np.zeros((2, 7)), np.zeros((2, 7)), [3, 3])), "initial"),
        (dict(data=np.zeros((3, 6))), "data"),
        (dict(parameters=[1.0]), "parameters"),
        (dict(centroids=[[np.nan, 1.0]]), "centroids"),
    ],
)
def test_bad_input_is_one_line(changes, words):
    with pytest.raises(InputError, match=words) as caught:
        small(named("tied", 2), **changes)
    assert "\n" not in str(caught.value)


def test_bad_schedules_and_times_are_refused():
    with pytest.raises(InputError, match="schedule"):
        train(three_clusters(50, schedule=np.ones(3)), 0)
    with pytest.raises(InputError, match="schedule"):
        train(three_clusters(50, schedule=lambda tau: -tau - 1), 0)
    with pytest.raises(InputError, match="weight_decay"):
        train(three_clusters(50, weight_decay=600.0), 0)
    with pytest.raises(InputError, match="taus"):
        train(three_clusters(50), 0, [5.0])
