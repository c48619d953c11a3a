"""The room as a user meets it: keys, JSON, files, pictures, clear errors; samples of trained networks."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.random_features import (
    Problem,
    RandomFeatures,
    Samples,
    Simulation,
    activation,
    generated_norm,
    generated_variances,
    hermite_constants,
    sample,
    sampling_times,
)
from asymptotics.random_features.losses.kernel import SampleAverage

TABLE = {"features": 4.0, "samples": 2.0, "diffusion_time": 0.05, "ridge": 0.01, "times": [0.1, 1.0, 10.0]}


def experiment(simulation=None, **changes):
    return asy.Experiment(
        system="random_features",
        random_features={**TABLE, **changes},
        simulation=simulation or {"dimension": 20, "runs": 3},
    )


def test_json_of_the_contract(capsys):
    assert main(["solve", "random-features", "--json", "--kernel-limit"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"a", "b2", "v2", "s2"} <= set(found["constants"])
    assert {"q", "theta", "theta_d", "train_loss", "test_loss", "memorisation_loss"} <= set(found["ridge"])
    flow = {"times", "train_loss", "test_loss", "memorisation_loss", "tau_star", "tau_memorisation", "final_gap"}
    assert flow | {"tau_generalisation"} <= set(found["flow"])
    assert {"edges", "mass", "target_weight"} == set(found["bulks"][0])
    assert found["atom"]["mass"] == pytest.approx(1.0)
    assert found["samples_star"] == pytest.approx(0.915234, rel=1e-5)
    assert found["kernel_limit"]["times"] == [4 * t for t in found["flow"]["times"]]
    # A value that there is not has a reason.
    assert found["flow"]["tau_generalisation"] is None
    assert "10%" in found["reasons"]["tau_generalisation"]


def test_kernel_limit_of_drawn_noises_has_a_reason():
    solution = asy.solve(experiment(noises=3), kernel_limit=True)
    assert solution.kernel is None
    assert "noises" in solution.to_json()["reasons"]["kernel_limit"]


@pytest.mark.ci
def test_the_verdict_states_what_it_would_have_seen():
    """Its own smallest visible change, made in the theory, is seen about half of the time; ten times that always."""
    # Scores of three runs have so wide a law that nothing below a factor of two is seen.
    runs = asy.simulate(experiment(simulation={"dimension": 20, "runs": 6}), workers=1)
    seen = asy.compare(asy.solve(experiment()), runs).power["random_features.diffusion_time"]
    assert 0.001 < seen < 0.5
    moved = experiment(diffusion_time=experiment().problem.random_features.diffusion_time * (1 + 10 * seen))
    tables = {**runs.experiment, "random_features": moved.problem.random_features.to_table()}
    assert not asy.compare(asy.solve(moved), dataclasses.replace(runs, experiment=tables)).passed


@pytest.mark.parametrize(
    "name",
    [
        "random-features",
        *(pytest.param(f"random-features-{k}", marks=pytest.mark.slow) for k in ("bulks", "noises", "power-law")),
    ],
)
def test_examples_solve(name):
    solution = asy.solve(name)
    assert np.all(np.isfinite(solution.test_loss))
    assert sum(b.mass for b in solution.bulks) <= solution.experiment["random_features"]["features"] * (1 + 1e-6)


def test_what_cannot_be_had_is_said():
    with pytest.raises(asy.InputError, match="p = nm"):
        asy.solve(experiment(ridge=0.0, noises=2))
    with pytest.raises(asy.InputError, match="linear activation"):
        asy.solve(experiment(ridge=0.0, activation="linear"))
    with pytest.raises(asy.InputError, match="too many"):
        asy.simulate(experiment(simulation={"dimension": 4000, "runs": 2}))
    with pytest.raises(asy.InputError, match="less than one"):
        asy.simulate(experiment(features=0.01))
    theory, runs = (
        asy.solve(experiment()),
        asy.simulate(experiment({"dimension": 20, "runs": 2, "sizes": 1}), workers=1),
    )
    with pytest.raises(asy.InputError, match="one size"):
        asy.compare(theory, runs)
    with pytest.raises(asy.InputError, match="settings of the theory"):
        asy.compare(asy.solve(experiment(ridge=0.1)), runs)


def test_an_even_activation_learns_nothing():
    """Without a linear part of the features there is nothing to learn at p ∝ d."""
    solution = asy.solve(experiment(activation="abs(x)"))
    np.testing.assert_allclose(solution.test_loss, 1.0, atol=1e-12)
    assert "nothing is learned" in dict(solution.reasons)["tau_star"]


def test_kinks_of_an_expression():
    assert activation("max(x, -0.5) + abs(x - 1)").kinks == pytest.approx((-0.5, 1.0), abs=1e-9)
    assert activation("tanh(x)").kinks == ()


@pytest.mark.parametrize(
    "spectrum", [pytest.param({"power": 1.0}, marks=pytest.mark.slow), {"spikes": [3.0], "bulk": 0.5}]
)
def test_spectra_of_the_other_rooms(spectrum):
    chosen = experiment(spectrum=spectrum, dimension=30, trace=30.0)
    assert chosen.problem.model.mass @ chosen.problem.model.sigma == pytest.approx(1.0)
    given = experiment(eigenvalues=chosen.problem.model.sigma.tolist(), masses=chosen.problem.model.mass.tolist())
    assert asy.solve(given).ridge.test_loss == pytest.approx(asy.solve(chosen).ridge.test_loss, rel=1e-12)


def test_averages_over_the_sample_covariance():
    """As in linear diffusion, which estimates the mean: n = N − 1 and eigenvalues smaller by n/N."""
    from asymptotics.linear_diffusion.resolvents.contour import resolvent

    settings = RandomFeatures(4, 1.5, 0.05, eigenvalues=[0.5, 1.5])
    average = SampleAverage.of(Problem(settings).model, 0.1)
    d, n = 40, 60
    theirs = resolvent(np.repeat([0.5, 1.5], d // 2) * (n + 1) / n, n + 1, 0.1)
    for probe, scale in ((0, 1.0), (1, n / (n + 1))):
        expected = theirs.average(1 / (theirs.shifted + 0.3) ** 2, probe) / d * scale
        assert average.trace(1 / (average.nodes + 0.4) ** 2, probe) == pytest.approx(expected, rel=1e-9)


@pytest.mark.ci
def test_generated_law():
    path = sampling_times(3.0, 0.01, 400)
    # Memorised: B = 1/Δ at all times, and samples shrink to Δ_last/Δ_first.
    end = generated_norm(RandomFeatures(1.0, 2.0, 0.05), [1e9], path)[0]
    assert end == pytest.approx(-np.expm1(-0.02) / -np.expm1(-6.0), rel=1e-2)
    # On the plateau (no memory without a shared non-linear part) the law is that of the data, K = S.
    many = RandomFeatures(1.0, 1e5, 0.05)
    found = generated_variances(many, np.array([0.3, 1.0, 2.5]), 3e3, sampling_times(6.0, 1e-3, 1000))
    np.testing.assert_allclose(found, (0.3, 1.0, 2.5), rtol=0.02)


def test_samples(tmp_path):
    problem = Problem(RandomFeatures(6.0, 2.0, 0.05), Simulation(dimension=16, runs=2))
    found = sample(problem, [3.0, 1e5], points=60, steps=8, workers=1)
    # Memory shows in recall, not in copies; the norm falls as training goes on.
    assert found.recall_gap.mean(axis=0)[1] > found.recall_gap.mean(axis=0)[0]
    assert found.norm.mean(axis=0)[1] < found.norm.mean(axis=0)[0]
    assert found.copied.max() < 0.05
    again = Samples.load(found.save(tmp_path / "samples.npz"))
    np.testing.assert_array_equal(again.norm, found.norm)
    figure, _ = found.plot()
    import matplotlib.pyplot as plt

    plt.close(figure)


def test_large_fields_saturate():
    """tanh of very large fields is a sign: E ϱϱ' = (2/π) arcsin ρ."""
    c, t, variance = hermite_constants("tanh", 0.3, 1e4), 0.3, 1e4
    rho = 1 - (1 - np.exp(-2 * t)) / (np.exp(-2 * t) * variance + 1 - np.exp(-2 * t))
    assert c.v2 + c.alpha2 * variance == pytest.approx(2 / np.pi * np.arcsin(rho), rel=2e-2)
    assert c.a == pytest.approx(np.sqrt(2 / np.pi / (np.exp(-2 * t) * variance)), rel=1e-2)
