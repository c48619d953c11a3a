"""Linear networks: growth rates, plateaus, escape times, the span of the leading eigenvectors, sample PCA."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder.comparison import order_parameter_rows
from asymptotics.autoencoder.comparison.finite import FiniteSize
from asymptotics.autoencoder.observables.linear_network import (
    captured,
    growth_rates,
    learn,
    measured,
    pca_captured,
    plateaus,
    sample_pca,
    skip_limit,
    strengths,
)
from asymptotics.common.output.verdict import Verdict
from derivations.autoencoder.dynamics import linear_network
from derivations.autoencoder.training import skip


@pytest.fixture(scope="module")
def experiment():
    return asy.example("linear-pca")


@pytest.fixture(scope="module")
def path(experiment):
    return asy.solve(experiment, tolerance=1e-8)


def test_derived_rate_is_that_of_the_population_loss():
    """In a mode of strength s the loss is E_t[ς(1 − (b+s)β)² + (b+s)²α²]; −½ ∂/∂Θ of it with s = Θ², and the decay."""
    from derivations.autoencoder.network.names import b, lam, varsigma

    s, a, c, theta = linear_network.s, skip.E_alpha2, skip.E_beta2, sympy.Symbol("theta")
    total = b + theta**2
    loss = varsigma * (1 - 2 * total * skip.E_beta + total**2 * c) + total**2 * a
    wanted = sympy.expand((-sympy.diff(loss, theta) / 2 - lam / 2 * theta) / theta)
    assert sympy.expand(wanted.subs(theta**2, s) - linear_network.rate()) == 0
    assert sympy.simplify(linear_network.rate().subs(s, linear_network.plateau())) == 0


def test_small_modes_grow_at_the_derived_rate(experiment):
    """From tiny weights, b held at its limit: d ln Θ_k/dτ over the path."""
    limit = skip_limit(experiment.problem)
    table = experiment.problem.denoiser.init
    small = experiment.replace(
        {
            "denoiser.init.Theta": (1e-4 * table.Theta).tolist(),
            "denoiser.init.Q": (1e-8 * table.Q).tolist(),
            "denoiser.skip": limit,
            "training.tau": 2.0,
        }
    )
    path = asy.solve(small, tolerance=1e-10, atol=1e-16)
    ratio = np.log(strengths(path(1.5).Theta) / strengths(path(0.5).Theta)) / 2
    np.testing.assert_allclose(ratio, growth_rates(small.problem, limit), rtol=1e-5)


def test_plateaus_at_small_learning_rate(experiment):
    slow = experiment.replace({"training.learning_rate": 1e-6, "training.tau": 40.0})
    path = asy.solve(slow, tolerance=1e-8)
    problem = slow.problem
    final = strengths(path(40.0).Theta)
    np.testing.assert_allclose(final[:2], plateaus(problem, skip_limit(problem))[:2], rtol=1e-5)
    assert final[2] < 1e-8  # two units hold two modes
    np.testing.assert_allclose(captured(path(40.0).Theta, path(40.0).Q), [1, 1, 0], atol=1e-4)


def test_single_direction_atoms_keep_rank_one(experiment):
    """q(s) = Θ(s)Θ(s)ᵀ in an atom of one direction is conserved, though unstable against rounding; and long after too."""
    long = asy.solve(experiment.replace({"training.tau": 60.0}))
    at = long(60.0)
    for s in range(1, 4):
        np.testing.assert_allclose(at.q[s], np.outer(at.theta[s][:, s - 1], at.theta[s][:, s - 1]), atol=1e-5)
    assert np.all(strengths(at.Theta)[:2] > 0.4)


def test_modes_escape_in_the_order_of_their_eigenvalues_near_the_predicted_times(path):
    modes = learn(path)
    assert modes.escape[0] < modes.escape[1] and np.isnan(modes.escape[2])
    # Predictions leave out the noise of SGD and the modes' competition.
    np.testing.assert_allclose(modes.escape_logistic[:2], modes.escape[:2], rtol=0.1)
    np.testing.assert_allclose(modes.escape_linear[:2], modes.escape[:2], rtol=0.15)
    assert modes.captured[-1, 0] > 0.95 and modes.captured[-1, 1] > 0.93 and modes.captured[-1, 2] < 0.01
    assert np.max(modes.captured[:, 2]) > 0.4  # the third was there and is expelled


def test_a_lone_mode_follows_the_logistic_law(experiment):
    """One unit, one mode, vanishing learning rate: escape time to the accuracy of the grid."""
    alone = asy.Experiment(
        target={
            "centroids": [[0.0]],
            "eigenvalues": [[1.0, 4.0]],
            "masses": [1.0, 0.0],
            "reference_overlaps": [[[0.0]], [[1.0]]],
        },
        denoiser={"architecture": "linear", "init": {"Theta": [[[0.0]], [[0.02]]], "Q": [[[0.0]], [[0.0004]]]}},
        training={"times": [0.2, 0.5, 0.9], "learning_rate": 1e-7, "weight_decay": 0.1, "tau": 20.0},
    )
    modes = learn(asy.solve(alone, tolerance=1e-9), points=4001)
    assert modes.escape_logistic[0] == pytest.approx(modes.escape[0], abs=2e-4)
    assert modes.final[0] == pytest.approx(modes.plateau[0], rel=1e-4)


@pytest.mark.ci
def test_full_process_and_pca(experiment, path):
    small = experiment.replace({"simulation.dimension": 400, "simulation.runs": 12, "simulation.samples": 1})
    runs = asy.simulate(small, tau=[1.0, 3.0, 12.0], workers=1, progress=False)
    # A fluctuation of one standard deviation from the small start diverges: no bias is predicted, and none is allowed for.
    finite = FiniteSize(path, runs)
    assert not finite.tested and "fluctuations at d = 400 are not small" in finite.reason
    rows = order_parameter_rows(path, runs, finite)
    assert Verdict.of(rows).outcome == "NOT TESTED"
    verdict = Verdict.of([dataclasses.replace(row, counted=not row.name.startswith("M(")) for row in rows])
    assert verdict.count == 30 and verdict.passed, str(verdict)
    at = path(np.array([1.0, 3.0, 12.0]))
    mean, sem = measured(runs)["captured"]
    assert np.all(np.abs(mean - captured(at.Theta, at.Q)) < 5 * sem + 10 / 400)


def test_sample_pca_is_the_known_law(experiment):
    problem = experiment.problem
    got = np.array([sample_pca(problem, 0.4, 300, seed) for seed in range(12)])
    wanted = pca_captured(problem, 0.4)
    sem = got.std(axis=0, ddof=1) / np.sqrt(len(got))
    assert np.all(np.abs(got.mean(axis=0) - wanted)[:2] < 4 * sem[:2] + 3 / 300)
    # Identity bulk: (1 − y/(ς−1)²)/(1 + y/(ς−1)), zero below the threshold ς = 1 + √y (Johnstone; Paul 2007).
    y, spread = 2 * 0.05 / 0.4, np.array([5.0, 3.0, 2.2])
    np.testing.assert_allclose(wanted, (1 - y / (spread - 1) ** 2) / (1 + y / (spread - 1)), rtol=1e-12)
    assert pca_captured(problem, 0.05)[2] == 0.0


def test_other_experiments_are_refused(three_clusters):
    path = asy.solve(three_clusters.replace({"training.tau": 0.1}))
    with pytest.raises(asy.InputError, match="linear"):
        learn(path)
