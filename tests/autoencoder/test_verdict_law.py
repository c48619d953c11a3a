"""The auto-encoder's verdict as a statistical test: p uniform where the theory is right, power where it is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

import asymptotics as asy
from asymptotics.autoencoder import comparison
from asymptotics.autoencoder.finite_size.chi_square import stacked
from asymptotics.autoencoder.finite_size.reduced_chain import simulate
from asymptotics.autoencoder.finite_size.sensitivity import responses
from asymptotics.common.output.verdict import Verdict


def ensembles(problem, dimension, runs, count, taus, companion=True):
    """``count`` experiments with trajectories that have the law of trainings in R^d; the companion as `simulate` has it."""
    options = {"tau": taus, "workers": 1, "progress": False}
    main = simulate(problem, dimension=dimension, runs=runs * count, seed=21, **options)
    low = simulate(problem, dimension=dimension // 4, runs=4 * runs * count, seed=22, **options) if companion else None
    for k in range(count):
        part = main.take(slice(k * runs, (k + 1) * runs))
        if low is not None:
            part = dataclasses.replace(part, low=low.main.take(slice(4 * k * runs, 4 * (k + 1) * runs)))
        yield part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dimension", "runs", "companion", "changes"),
    [
        (200, 4, True, {}),
        (400, 1, False, {"target.eigenvalues": [[1.0], [0.5], [1.5]]}),
        (400, 3, False, {"denoiser.init.random": 0.2, "denoiser.init.centroids": 0.2}),
    ],
)
def test_p_is_uniform_where_the_theory_is_right(three_clusters, monkeypatch, dimension, runs, companion, changes):
    monkeypatch.setattr(comparison.verdict, "power_of", lambda *_: {})
    exp = three_clusters.replace({"training.tau": 2.0, **changes})
    path = asy.solve(exp)
    taus = [0.0, 1.0, 2.0]
    p = [asy.compare(path, r).p_value for r in ensembles(exp.problem, dimension, runs, 200, taus, companion)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["training.weight_decay", "training.times"])
def test_stated_power_is_the_rate_of_rejection(three_clusters, monkeypatch, name):
    """A theory with one input off by the stated change is rejected by about half of the experiments."""
    exp = three_clusters.replace({"training.tau": 2.0})
    runs = list(ensembles(exp.problem, 200, 4, 40, [1.0, 2.0]))
    path = asy.solve(exp)
    change = np.median([asy.compare(path, r).power[name] for r in runs[:4]])
    monkeypatch.setattr(comparison.verdict, "power_of", lambda *_: {})
    table, key = name.split(".")
    value = getattr(getattr(exp.problem, table), key)
    wrong = asy.solve(exp.replace({name: (np.asarray(value) * (1 + change)).tolist()}))
    rejected = np.mean([not asy.compare(wrong, r).passed for r in runs])
    assert abs(rejected - 0.5) < 0.25, (change, rejected)


@pytest.mark.slow
def test_p_of_generated_points_is_uniform(three_clusters):
    """Points against the law of the network that made them, at a small d where networks differ much: 100 experiments of two runs."""
    exp = three_clusters.replace({"training.tau": 1.0, "simulation.dimension": 100, "simulation.samples": 100})
    runs = asy.simulate(exp, runs=200, companion=False, tau=[1.0], workers=1, progress=False)
    path, p = asy.solve(exp), []
    for k in range(100):
        rows = comparison.generated_rows(path, runs.take(slice(2 * k, 2 * k + 2)), exp.problem)
        p.append(Verdict.of(rows).p_value)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.ci
def test_wrong_sampling_is_seen_in_the_generated_points(three_clusters):
    """Points of a sampler that stops at .97 against the law of one that stops at .99; the right theory passes."""
    runs = asy.simulate(three_clusters, dimension=200, runs=6, samples=500, workers=1, progress=False)
    path = asy.solve(three_clusters)
    assert asy.compare(path, runs).passed
    wrong = asy.solve(three_clusters.replace({"sampling.stop": 0.97}))
    failed = asy.compare(wrong, runs).failures()
    assert failed and all(name.startswith("generated") for name in failed)


def test_the_verdict_says_what_it_could_not_have_seen(three_clusters):
    """η enters through the noise alone: d = 200 does not see it 5 % off; the eigenvalue, through b, to a per cent."""
    path = asy.solve(three_clusters)
    verdict = asy.compare(path, next(ensembles(three_clusters.problem, 200, 4, 1, [2.0, 4.0])))
    assert verdict.passed and "power: this comparison sees" in verdict.summary()
    power = verdict.to_json()["power"]
    assert power["training.learning_rate"] > 0.2 and power["target.eigenvalues"] < 0.02
    assert {"training.weight_decay", "training.times", "target.centroids", "denoiser.init.centroids"} <= set(power)


def test_response_is_the_derivative_of_the_solution(three_clusters):
    """Linear response along the path against two solutions of the changed problem."""
    path = asy.solve(three_clusters)
    found = responses(path)
    for name, value in (
        ("training.weight_decay", 0.1),
        ("training.learning_rate", 0.1),
        ("denoiser.init.centroids", 0.1),
    ):
        up, down = (
            stacked(asy.solve(three_clusters.replace({name: value * (1 + h)}))(3.0), path.p) for h in (0.01, -0.01)
        )
        exact = (up - down) / 0.02
        # The Jacobian along the path is known to 2e-3 only, amplified to a per cent: a stated power has two digits.
        np.testing.assert_allclose(found[name](3.0), exact, atol=0.02 * np.max(np.abs(exact)))
