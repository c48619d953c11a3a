"""Finite dimension for denoisers and training as practised: Jacobian, mean increment, covariance, bias, verdict."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.autoencoder.finite_size.chi_square import chi_square, predicted, stacked
from asymptotics.autoencoder.finite_size.linear_noise.terms import Terms
from asymptotics.common.numerics.quadrature.expectations import Rule
from derivations import Denoiser, Optimiser, derive, local_field

BASE = {
    "target": {"weights": [0.6, 0.4], "centroids": [[1.8], [-1.5]], "eigenvalues": [[0.5]], "labels": [0, 1]},
    "denoiser": {
        "architecture": "labelled_bias", "hidden_units": 1, "skip_fixed": "beta/(alpha**2+beta**2)", "skip_basis": ["1", "t"],
        "skip": [0.1, -0.1], "input_scale": "1/sqrt(alpha**2+beta**2)", "output_scale": "alpha",
        "init": {"Theta": [[0.4]], "Q": [[0.4]]},
    },
    "training": {
        "times": [0.3, 0.7], "weights": [0.8, 0.5], "learning_rate": 0.3, "weight_decay": 0.2, "tau": 2.0,
        "label_dropout": 0.2, "ema": 1.0,
    },
    "simulation": {"dimension": 300, "runs": 400, "method": "chain"},
}  # fmt: skip
#: The skip of the published theory, one time.
ONE = {
    "training.times": [0.6], "training.weights": None, "denoiser.skip_basis": None, "denoiser.skip_fixed": None,
    "denoiser.skip": 0.1,
}  # fmt: skip
DECODERS = {
    "denoiser.architecture": "labelled_decoder",
    "denoiser.init": {"Theta": [[0.4], [-0.4], [0.1], [0.3]], "Q": (0.5 * np.eye(4) + 0.1).tolist()},
}
CASES = {
    "labels, two skips, weights, an average": {},
    "decoders for each label": DECODERS | {"training.ema": [0.5, {"power": 2.0}]},
    "random times": {
        "training.average": "random", "training.time_probabilities": [0.3, 0.7], "training.weights": [1.5, 0.8],
        "training.batch": 2,
    },
    "heavy ball": ONE | {"training.momentum": {"friction": 2.0, "gain": 1.5}, "training.rates": {"b": 0.5}},
    "momentum": ONE | {"training.momentum": 0.6, "training.tau": 1.0},
    "along tau": ONE
    | {
        "training.times": "0.3 + 0.2*tau", "training.weight_decay": "0.2/(1+tau)", "training.schedule": "1/(1+tau/3)",
        "training.weights": "1 + t",
    },
    "two atoms": {"target.eigenvalues": [[1.0, 0.3], [0.4, 0.6]], "target.masses": [0.6, 0.4],
        "denoiser.init": {"Theta": [[[0.2]], [[0.1]]], "Q": [[[0.3]], [[0.2]]]}},
}  # fmt: skip


def experiment(case: str, **changes: object) -> asy.Experiment:
    return asy.Experiment(**BASE).replace(CASES[case] | changes)


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * c.startswith("decoders")) for c in CASES]
)  # decoders of labels, quick: step by step in R^d (`test_practised_process`)
@pytest.mark.ci
def test_jacobian_and_mean_increment(case):
    """J against differences of the drift, and E[Y], which uses no Stein's lemma, against the drift without its linear part."""
    problem = experiment(case).problem
    rules = Rule("hermite", 64), Rule("hermite", 28)
    terms, drift = Terms(problem, *rules), Drift(problem, kernels_of(problem, form="nodes"), *rules)
    layout, tau, h = terms.layout, 0.4, 1e-5
    y = initial_state(problem, drift)
    for _ in range(20):
        y = y + 0.03 * drift(tau, y)
    y[layout.at_b :] += 0.05 * np.random.default_rng(0).standard_normal(layout.size - layout.at_b)
    at = terms(tau, y)
    numerical = np.stack([(drift(tau, y + h * e) - drift(tau, y - h * e)) / (2 * h) for e in np.eye(len(y))], axis=1)
    assert np.allclose(at.jacobian, numerical, atol=1e-6)
    theta, q, _, _ = layout.unpack(y)
    linear, L = np.zeros(layout.size), at.assembly.L
    for s in range(layout.atoms):
        moved = L @ q[s]
        linear[layout.theta(s)], linear[layout.q(s)] = (L @ theta[s]).ravel(), (moved + moved.T)[layout.upper]
    # b and κ of the averages have no increments of their own.
    live = slice(0, layout.at_b + layout.scalars)
    assert np.allclose((at.mean + linear)[live], drift(tau, y)[live], atol=1e-7)
    assert np.linalg.eigvalsh(at.noise)[0] > -1e-10


@pytest.mark.ci
def test_a_map_of_ones_own_fluctuates_as_what_it_says():
    """R and A of heavy ball with an average, as a declared optimiser over six vectors, against the keys of a file."""
    phi = sympy.tanh(local_field("w"))
    system = derive(Denoiser("watched", ("w", "v", "m"), [("w", phi)]))
    target = {"weights": [0.6, 0.4], "centroids": [[2.0], [-1.5]], "eigenvalues": [[0.7]]}
    training = {"times": [0.6], "learning_rate": 0.2, "tau": 1.0}
    plain = asy.Experiment(
        target=target, denoiser={"init": {"Theta": [[0.3]], "Q": [[0.4]]}},
        training=training | {"weight_decay": 0.1, "momentum": {"friction": 2.0, "gain": 2.0}, "ema": 1.5},
    )  # fmt: skip
    own = asy.Experiment(
        target=target, denoiser={"system": system, "init": {
            "Theta": [[0.3], [0.0], [0.3]], "Q": [[0.4, 0.0, 0.4], [0.0, 0.0, 0.0], [0.4, 0.0, 0.4]]}},
        training=training | {"optimiser": Optimiser(
            {("v", "w"): 1},
            {("v", "v"): -2, ("w", "v"): 2, ("w", "w"): "-1/20", ("m", "w"): "3/2", ("m", "m"): "-3/2"})},
    )  # fmt: skip
    one, two = (asy.solve(e, progress=False, tolerance=1e-8) for e in (plain, own))
    n = 9  # Θ (3) and Q (6); the average of b follows in one of them
    assert np.allclose(predicted(one, 1.0)[:n], predicted(two, 1.0)[:n], atol=1e-7)
    for a, c in zip((one, two), (two, one), strict=True):
        assert np.allclose(a.covariance(1.0, 500)[:n, :n], c.covariance(1.0, 500)[:n, :n], rtol=1e-3, atol=1e-9)
        assert np.allclose(a.bias(1.0, 500)[:n], c.bias(1.0, 500)[:n], rtol=1e-2, atol=1e-6)


@pytest.mark.ci
def test_limits_of_the_optimiser():
    """Momentum has the covariance of SGD with η/(1−β) at τ/(1−β); a fast average that of what it follows."""
    still = ONE | {"training.ema": None}

    def solved(**changes: object) -> asy.OrderParameterPath:
        return asy.solve(asy.Experiment(**BASE).replace(still | changes), progress=False, tolerance=1e-5)

    one = solved(**{"training.momentum": 0.5, "training.tau": 0.5})
    two = solved(**{"training.learning_rate": 0.6, "training.tau": 1.0})
    assert np.allclose(one.covariance(0.5, 500), two.covariance(1.0, 500), rtol=1e-3, atol=1e-8)
    C = solved(**{"training.ema": 300.0, "training.tau": 0.3}).covariance(0.3, 500)
    assert abs(C[1, 1] / C[0, 0] - 1) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_predicted_deviations_and_bias_against_runs(case):
    """400 runs: every predicted standard deviation within their error, the mean within its own with the derived bias."""
    e = experiment(case)
    path = asy.solve(e, progress=False)
    tau, d, n = path.tau_max, 300, 400
    runs = asy.simulate(e, tau=[tau / 2, tau], progress=False)
    y, std = stacked(runs, path.p)[:, -1], np.sqrt(np.diag(path.covariance(tau, d)))
    moving = std > 1e-12
    ratio = y.std(axis=0, ddof=1)[moving] / std[moving]
    # Relative errors 1/√(2(n − 1)) of each, and the covariance's own correction of order 1/d.
    assert np.all(np.abs(ratio - 1) < 4 / np.sqrt(2 * (n - 1)) + 10 / d)
    if "momentum" in case:
        with pytest.raises(asy.InputError, match="fixed one"):
            path.bias(tau, d)
        return
    z = (y.mean(axis=0) - predicted(path, tau) - path.bias(tau, d))[moving] / (std[moving] / np.sqrt(n))
    assert np.all(np.abs(z) < 4.5)
    assert chi_square(path, runs).p > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("case", ["labels, two skips, weights, an average", "decoders for each label", "heavy ball"])
def test_the_full_process_and_what_it_generates(case):
    """Weights in R^d and points of the averaged, guided network: one verdict."""
    changes = {"simulation.method": "sgd", "simulation.runs": 24, "simulation.samples": 1000, "sampling.stop": 0.9}
    if "ball" not in case:
        changes |= {"sampling.network": "ema" if "skips" in case else "ema:power=2", "sampling.label": 0}
        changes |= {"sampling.guidance": "1.5*(1 - t)"}
    e = experiment(case, **changes)
    verdict = asy.compare(asy.solve(e, progress=False), asy.simulate(e, progress=False, companion=False))
    assert verdict.passed, str(verdict)
    names = {row.name.split("(")[0] for row in verdict.rows}
    assert ("velocity cross" if "ball" in case else "ema 2 cross" if "decoders" in case else "ema cross") in names
