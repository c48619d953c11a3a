"""SGD in R^d: bad input is one line, divergence is loud."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.autoencoder.process.training.sgd import DivergedError, train
from asymptotics.common.input.checks import InputError
from tests.autoencoder.sgd_problems import named, small, three_clusters


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
