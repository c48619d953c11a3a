"""Fixed points and escapes with the wider settings of a training: known ones, and one line where they are not covered."""

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.common.input.checks import InputError


def experiment(**training):
    """Two clusters, one linear unit, a skip connection with two trained coefficients."""
    return asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]], "eigenvalues": [[0.5]]},
        denoiser={
            "hidden_units": 1, "activation": "linear", "skip_basis": ["1", "t"], "init": {"Theta": [[0.2]], "Q": [[0.3]]},
        },
        training={"times": [0.3, 0.7], "average": "random", "learning_rate": 0.2, "tau": 2.0, **training},
    )  # fmt: skip


def test_two_skip_coefficients_settle_at_the_best_skip_of_either_time():
    """With two times s(t_i) = βΛ/(α² + β²Λ), α = 1 − t and β = t, at either; an average of the weights changes nothing."""
    t, Lambda = np.array([0.3, 0.7]), 0.5
    best = t * Lambda / ((1 - t) ** 2 + t**2 * Lambda)
    wanted = np.linalg.solve(np.stack([np.ones(2), t], axis=1), best)
    plain = asy.fixed_points(experiment(), starts=1, progress=False)
    assert len(plain) > 0
    for point in plain:
        np.testing.assert_allclose(point.b, wanted, rtol=1e-7)
    averaged = asy.fixed_points(experiment(ema=1.0), starts=1, progress=False)
    np.testing.assert_allclose(averaged.states, plain.states, atol=1e-9)
    assert len(plain.to_json()["fixed_points"][0]["b"]) == 2
    assert f"{wanted[0]:.6f} {wanted[1]:.6f}" in plain.summary()


@pytest.mark.parametrize(
    ("verb", "training", "named"),
    [
        (asy.fixed_points, {"momentum": {"friction": 2.0, "gain": 2.0}}, "training.momentum"),
        (asy.escape, {"weight_decay": "0.1*exp(-tau)"}, "training.times, weights, time_probabilities, weight_decay"),
        (asy.typical, {"momentum": {"friction": 2.0, "gain": 2.0}}, "training.momentum"),
    ],
)
def test_what_is_not_covered_is_refused_in_one_line(verb, training, named):
    with pytest.raises(InputError, match="does not cover") as caught:
        verb(experiment(**training))
    assert named in str(caught.value) and "\n" not in str(caught.value)
