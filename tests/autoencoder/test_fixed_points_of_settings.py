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


def saddle(**training):
    """Two clusters ±2, one tanh unit without overlap: Θ = 0 is a saddle, which runs leave."""
    return asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
        denoiser={"hidden_units": 1, "skip": 1.0, "init": {"random": 0.0760165**0.5}},
        training={"times": [0.5], "learning_rate": 0.2, "weight_decay": 0.05, "tau": 6.0, **training},
    )


@pytest.mark.parametrize(
    ("training", "factor"),
    [
        ({"momentum": 0.5, "learning_rate": 0.1}, 2.0),
        ({"weights": [0.8], "learning_rate": 0.25, "weight_decay": 0.04}, 0.8),
    ],
    ids=["momentum", "weights"],
)  # fmt: skip
def test_momentum_and_weights_are_another_rate(training, factor):
    """A fixed momentum β is η/(1 − β); the loss times w is η w and λ/w: the same points, all rates and 1/times by 1/(1 − β), w."""
    plain, other = (asy.fixed_points(x, starts=3, progress=False) for x in (saddle(), saddle(**training)))
    assert [p.kind for p in other] == [p.kind for p in plain] and {"stable", "saddle"} <= {p.kind for p in plain}
    np.testing.assert_allclose(other.states, plain.states, atol=1e-7)
    np.testing.assert_allclose(other.rates, factor * plain.rates, rtol=1e-6, atol=1e-7)
    one, two = asy.escape(saddle(), 2000), asy.escape(saddle(**training), 2000)
    # 2000 runs of an independent chain: 2.5998(140).
    assert one.mean == pytest.approx(2.5917, abs=1e-4)
    assert (two.rate, two.mean, two.std) == pytest.approx(
        (factor * one.rate, one.mean / factor, one.std / factor), rel=1e-5
    )


def test_labels():
    """The end of a long path of a network that is told labels is a stable fixed point, along which biases move slowly (rate −.0025)."""
    labelled = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[1.8], [-1.8]], "labels": [0, 1]},
        denoiser={
            "architecture": "labelled_bias", "hidden_units": 1, "skip": 1.0, "parameters": [1.7, -1.7],
            "init": {"Theta": [[0.9]], "Q": [[0.9]]},
        },
        training={"times": [0.5], "learning_rate": 0.2, "weight_decay": 0.1, "tau": 4000.0, "label_dropout": 0.2},
    )  # fmt: skip
    end = asy.solve(labelled, progress=False)(4000.0)
    points = asy.fixed_points(labelled.replace({"training.tau": 3.0}), starts=1, progress=False)
    near = min(points, key=lambda p: float(np.max(np.abs(p.Theta - end.Theta))))
    assert near.kind == "stable" and near.rate == pytest.approx(-0.002487, abs=1e-5)
    np.testing.assert_allclose(near.Theta, end.Theta, atol=1e-5)
    np.testing.assert_allclose(near.Q, end.Q, atol=1e-5)
    np.testing.assert_allclose(near.parameters, end.parameters, atol=1e-4)


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
