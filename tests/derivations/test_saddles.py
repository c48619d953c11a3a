"""The drift at vanishing overlap: leading power and coefficient, symbolically and in numbers."""

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder import vanishing_overlap
from asymptotics.autoencoder.stability.flow import Flow
from asymptotics.autoencoder.stability.points.vanishing import cumulants
from derivations import build
from derivations.autoencoder.dynamics.saddles import example, k, m, symmetric_pair


def mixed(size=0.8, **denoiser):
    """±m with ς_u = 1 − m² in an atom without mass: mean, variance and third cumulant are the bulk's."""
    return asy.Experiment(
        target={
            "weights": [0.5, 0.5], "centroids": [[size], [-size]], "eigenvalues": [[1.0, 1 - size**2]], "masses": [1.0, 0.0],
            "reference_overlaps": [[[0.0]], [[1.0]]],
        },
        denoiser={"hidden_units": 1, "init": {"random": 0.3**0.5}, **denoiser},
        training={"times": [0.5], "learning_rate": 0.1, "tau": 1.0},
    )  # fmt: skip


def test_the_printed_derivation_and_its_example():
    b, beta, Q = sympy.symbols("b beta Q_1_1")
    found = example().subs({s: sympy.Symbol(s.name) for s in example().free_symbols})
    expected = 8 * beta**3 * sympy.Symbol("k") * sympy.Symbol("m") ** 4 * (1 - b * beta - Q * beta)
    assert sympy.expand(found - expected) == 0 and {k.name, m.name} == {"k", "m"}
    text = str(build("saddles"))
    assert "Leading power" in text and "Order 4" in text


def test_cumulants():
    assert [symmetric_pair(n) for n in (1, 2, 3, 4)] == [0, m**2, 0, -2 * m**4]
    # A Gaussian has two; ±m with variance 1 − m² has −2m⁴ and 16 m⁶.
    assert cumulants(np.array([1.0]), np.array([0.7]), np.array([0.4]), 6)[1:] == pytest.approx(
        [0.7, 0.4, 0, 0, 0, 0], abs=1e-12
    )
    found = cumulants(np.full(2, 0.5), np.array([0.8, -0.8]), np.full(2, 0.36), 6)[1:]
    assert found == pytest.approx([0, 1, 0, -2 * 0.8**4, 0, 16 * 0.8**6], abs=1e-12)


def test_power_three():
    # Coefficient .03470188719 by an independent implementation; black-box slope 3.002.
    problem = mixed().problem
    found = vanishing_overlap(problem, Q=0.3, b=1.0)
    assert found.order[0] == 4 and found.power[0] == 3
    assert found.coefficient[0] == pytest.approx(0.03470188719, rel=1e-8)
    flow = Flow(problem, (asy.Rule("hermite", 80), asy.Rule("hermite", 80)))

    def beyond(theta):
        y = flow.layout.pack(
            np.array([[[0.0]], [[theta]]]), np.array([[[0.3 - theta**2]], [[theta**2]]]), 1.0, np.zeros(0)
        )
        return float(flow(y)[1]) - found.bulk_rate[0] * theta

    slope = np.log(beyond(0.08) / beyond(0.04)) / np.log(2)
    assert slope == pytest.approx(3.0, abs=0.02)
    assert beyond(0.02) / 0.02**3 == pytest.approx(0.0347, rel=0.01)


@pytest.mark.parametrize("activation", ["erf", pytest.param("x - 0.1*x**3", marks=pytest.mark.slow), "sigmoid"])
def test_the_black_box_agrees_for_others(activation):
    problem = mixed(0.6, activation=activation, skip=0.4).problem
    found = vanishing_overlap(problem, Q=0.2, b=0.4)
    flow = Flow(problem, (asy.Rule("hermite", 80), asy.Rule("hermite", 80)))
    theta = 0.03
    rates = []
    for t in (theta, -theta):
        y = flow.layout.pack(np.array([[[0.0]], [[t]]]), np.array([[[0.2 - t**2]], [[t**2]]]), 0.4, np.zeros(0))
        rates.append(float(flow(y)[1]) / t - found.bulk_rate[0])
    assert np.mean(rates) / theta**2 == pytest.approx(found.coefficient[0], rel=0.02)


def test_power_one_and_zero():
    two = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
        denoiser={"hidden_units": 1, "init": {"random": 0.3}},
        training={"times": [0.5], "learning_rate": 0.1, "tau": 1.0},
    )
    found = vanishing_overlap(two.problem, Q=0.2)
    from asymptotics.autoencoder import growth_rates

    whole = growth_rates(two.problem, [[0.0]], [[0.2]], 1.0).eigenvalues[0]
    assert found.order[0] == 2 and found.cumulant[0] == pytest.approx(4.0)
    assert found.bulk_rate[0] + found.coefficient[0] == pytest.approx(whole, abs=1e-8)
    biased = two.replace({"target.weights": [0.7, 0.3], "denoiser.activation": "sigmoid"})
    assert vanishing_overlap(biased.problem, Q=0.2).power[0] == 0
    with pytest.raises(asy.InputError, match=r"denoiser\.activation"):
        vanishing_overlap(mixed(activation="relu").problem, Q=0.2)
