"""The χ² verdict: uniform p-values where the theory is right, rejection where it is one per cent wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from asymptotics.autoencoder.comparison import compare
from asymptotics.autoencoder.finite_size.chi_square import chi_square, power, statistic
from asymptotics.autoencoder.finite_size.reduced_chain import simulate
from asymptotics.autoencoder.process.ensemble import simulate as simulate_fully
from asymptotics.autoencoder.theory import solve
from asymptotics.common.input.checks import InputError
from asymptotics.experiment import load


def reference(**training):
    problem = load("three-clusters").problem
    return dataclasses.replace(problem, training=problem.training.replace(**training))


@pytest.fixture(scope="module")
def path():
    return solve(reference(tau=2.0))


def p_values(path, runs, size):
    parts = [slice(k, k + size) for k in range(0, runs.runs, size)]
    return np.array([chi_square(path, runs.take(part)).p for part in parts])


def test_statistic_is_the_squared_distance():
    rng = np.random.default_rng(0)
    A, x = rng.standard_normal((3, 3)), rng.standard_normal(3)
    C = A @ A.T + 3 * np.eye(3)
    assert statistic(x, C, 1e9) == (pytest.approx(x @ np.linalg.solve(C, x)), 3)
    # A number that does not move and a copy of another add no degree of freedom.
    B = np.zeros((5, 5))
    B[:3, :3], B[4, :3], B[:3, 4], B[4, 4] = C, C[0], C[:, 0], C[0, 0]
    assert statistic(np.array([*x, 0.0, x[0]]), B, 1e9) == (pytest.approx(x @ np.linalg.solve(C, x)), 3)


@pytest.mark.ci
def test_p_values_are_uniform_where_the_theory_is_right(path):
    """400 ensembles of one run, and 80 of five, at d = 500."""
    runs = simulate(path.problem, dimension=500, runs=400, tau=[1.0, 2.0], seed=11, workers=1)
    for size in (1, 5):
        p = p_values(path, runs, size)
        assert stats.kstest(p, "uniform").pvalue > 1e-3
        assert np.mean(p < 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(p))
    assert chi_square(path, runs).p > 1e-3


@pytest.mark.ci
def test_power_is_the_rate_of_rejection(path):
    """A weight decay 30 % wrong at d = 500: the predicted share of single runs is rejected at level 0.05."""
    wrong = solve(reference(tau=2.0, weight_decay=0.13))
    runs = simulate(path.problem, dimension=500, runs=400, tau=[1.0, 2.0], seed=5, workers=1)
    predicted = power(path, wrong, 500, 1, level=0.05)
    assert 0.1 < predicted < 0.95
    p = p_values(wrong, runs, 1)
    # The wrong theory's own covariance and the O(1/d) remainders shift the rate by less than a tenth.
    assert abs(np.mean(p < 0.05) - predicted) < 0.1


@pytest.mark.parametrize("coefficient", ["learning_rate", "weight_decay"])
def test_one_per_cent_is_seen_at_a_million_dimensions(coefficient):
    """Predicted: two runs at d = 10⁶ reject an error of 1 % with probability above 0.999."""
    right = solve(reference())
    wrong = solve(reference(**{coefficient: 1.01 * getattr(right.problem.training, coefficient)}))
    assert power(right, wrong, 10**6, 2) > 0.999
    assert power(right, right, 10**6, 2) == pytest.approx(0.01, rel=1e-6)


@pytest.mark.slow
def test_one_per_cent_is_rejected_at_a_million_dimensions():
    """Two exact trajectories at d = 10⁶ (4 × 10⁷ SGD steps): the right theory passes, both wrong ones fail."""
    right = solve(reference())
    runs = simulate(right.problem, dimension=10**6, runs=2, tau=[2.0, 4.0], seed=1)
    assert chi_square(right, runs).p > 0.01
    for coefficient in ("learning_rate", "weight_decay"):
        wrong = solve(reference(**{coefficient: 1.01 * getattr(right.problem.training, coefficient)}))
        assert chi_square(wrong, runs).p < 1e-4


def test_compare_has_the_test():
    """Full simulation with its companion; the same runs against a theory that is wrong."""
    problem = reference(tau=2.0)
    problem = dataclasses.replace(problem, simulation=problem.simulation.replace(dimension=400, runs=6, samples=1))
    runs = simulate_fully(problem, tau=[1.0, 2.0], workers=1)
    name = "order parameters: chi-square with the predicted covariance"
    verdict = compare(solve(problem), runs)
    assert dict(verdict.tests)[name] > 1e-3 and name not in verdict.failures()
    wrong = reference(tau=2.0, weight_decay=0.4)
    verdict = compare(solve(wrong), runs)
    assert name in verdict.failures()


def test_what_cannot_be_tested(path):
    runs = simulate(path.problem, dimension=100, runs=2, tau=[1.0, 2.0], workers=1)
    with pytest.raises(InputError, match="recorded"):
        chi_square(path, runs, taus=[1.5])
    with pytest.raises(InputError, match="samples"):
        chi_square(path, dataclasses.replace(runs, data="digits"))
    assert "degrees of freedom" in str(chi_square(path, runs, taus=[2.0]))
