"""Divergences: the note's values, branches against random matrices, claims of the source outside their range."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.one_step.closed_forms import divergences as kl
from asymptotics.one_step.theory import signal_fraction

Q = signal_fraction(2.0, math.exp(-4.0))


def test_known_values(reference):
    """T = 2, λ = e^{−4}, d = 100."""
    assert signal_fraction(2.0, math.exp(-4.0)) == reference("one_step.reference.q")
    forward = kl.kl_generated_target(Q, 100, 500, asymptotic=True)
    assert forward.variance == reference("one_step.reference.variance")
    assert forward.mean == reference("one_step.reference.mean")
    assert forward.total == pytest.approx(forward.variance + forward.mean, rel=1e-12)
    assert kl.kl_target_generated(Q, 100, 500).total == reference("one_step.reference.kl_target_generated")
    at_150 = kl.kl_generated_target(Q, 100, 150, asymptotic=True)
    assert at_150.variance == reference("one_step.reference.variance_n150")
    assert kl.log_det_rate(Q, 100, 150) == reference("one_step.reference.log_det_rate_n150")


def _random_matrices(q, d, n, runs, seed):
    """Eigenvalues of K Kᵀ, K = √q + √(1−q) G V^{−1/2}, V ~ Wishart_d(n − 1), drawn directly."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(runs):
        wishart = rng.standard_normal((n - 1, d))
        root = np.linalg.cholesky(wishart.T @ wishart)
        # V^{−1/2} up to a rotation, which G absorbs on one side and the identity part does not: use the symmetric root
        w, u = np.linalg.eigh(root @ root.T)
        inverse = (u / np.sqrt(w)) @ u.T
        k = math.sqrt(q) * np.eye(d) + math.sqrt(1 - q) * rng.standard_normal((d, d)) @ inverse
        values.append(np.linalg.svd(k, compute_uv=False) ** 2)
    return np.array(values)


@pytest.mark.parametrize(("q", "n"), [(0.8, 200), (0.5, 250), (0.3, 130), (0.1, 180)])
def test_branches_against_random_matrices(q, n):
    """Mean of ln|K Kᵀ|/d and of Tr K Kᵀ/d on both sides of γ = q."""
    d, runs = 60, 150
    values = _random_matrices(q, d, n, runs, seed=n)
    trace = values.mean(axis=1)
    assert abs(trace.mean() - kl.trace_rate(q, d, n)) < 4 * trace.std() / math.sqrt(runs)
    log_det = np.log(values).mean(axis=1)
    # γ < q: next term is o(1/d); γ > q: −½ ln(d)/d and a constant of order 1/d
    allowance = 0.3 / d if d / n < q else (0.5 * math.log(d) + 1.0) / d
    assert abs(log_det.mean() - kl.log_det_rate(q, d, n)) < allowance + 4 * log_det.std() / math.sqrt(runs)


def test_limit_without_signal_is_the_exact_gamma_product():
    """q → 0: E ln|GGᵀ|/|V| is a sum of digammas; the branch is its limit, Λ + O(ln d/d)."""
    from scipy.special import digamma

    for d in (200, 800):
        n = 3 * d
        k = np.arange(1, d + 1)
        exact = (digamma(k / 2).sum() - digamma((n - k) / 2).sum()) / d
        assert abs(exact - kl.log_det_rate(1e-12, d, n)) < (0.5 * math.log(d) + 1.5) / d


def test_branches_join():
    """Value and slope of Λ agree at γ = q, apart from the finite-size term."""
    q, step = 0.4, 1e-5
    inner, outer = (kl.log_det_rate(q, 10**9, round(10**9 / (q + s)), asymptotic=True) for s in (-step, step))
    assert inner == pytest.approx(outer, abs=1e-8)


def test_typical_reverse_divergence_by_median():
    """Medians over random matrices; the correction of order 1/d of the trace is stated as 2/(d (1 − γ/q)²)."""
    q, d, n, runs = 0.7, 80, 400, 120
    values = _random_matrices(q, d, n, runs, seed=3)
    variance = 0.5 * np.sum(1 / values - 1 + np.log(values), axis=1)
    expected = kl.kl_target_generated(q, d, n).variance
    sem = 1.2533 * variance.std() / math.sqrt(runs)
    allowance = 2 * expected / (d * (1 - d / n / q) ** 2)
    assert abs(np.median(variance) - expected) < allowance + 4 * sem


def test_reverse_divergence_ends_at_n_star_not_at_d():
    """Finite just above d/q, infinite at it, though the generated covariance is regular for all n > d."""
    d, q = 100, 0.5
    assert math.isfinite(kl.kl_target_generated(q, d, 201).total)
    assert math.isinf(kl.kl_target_generated(q, d, 200).total)
    assert math.isfinite(kl.kl_generated_target(q, d, 150).total)


def test_published_monotonicity_holds_above_the_threshold_only():
    """q > 0.1873: the variance part grows with d/n; below it falls on an interval (q = 0.02: 69 at n = 200, 143 at 3000)."""
    threshold = kl.monotone_threshold()
    assert threshold == pytest.approx(0.1873, abs=5e-5)
    ratios = np.linspace(0.002, 0.99, 4000)
    d = 10**7

    def variance(q):
        return np.array([kl.kl_generated_target(q, d, round(d / r), asymptotic=True).variance for r in ratios]) / d

    assert np.all(np.diff(variance(threshold + 0.01)) > 0)
    assert kl.decreasing_interval(threshold + 0.001) is None
    falling = ratios[:-1][np.diff(variance(threshold - 0.03)) < 0]
    low, high = kl.decreasing_interval(threshold - 0.03)
    assert falling[0] == pytest.approx(low, abs=1e-3)
    assert falling[-1] == pytest.approx(high, abs=1e-3)
    assert kl.kl_generated_target(0.02, 100, 200).variance == pytest.approx(69, abs=1)
    assert kl.kl_generated_target(0.02, 100, 3000).variance == pytest.approx(144, abs=2)


def test_quadratic_truncation_is_the_second_moment_but_no_bound():
    """It is (d/4)·Tr(Σ − 1)²/d of random matrices, and lies below at n = 300 and above at n = 150 the true value."""
    q, d, n, runs = 0.7, 80, 480, 100
    values = _random_matrices(q, d, n, runs, seed=8)
    squares = 0.25 * np.sum((values - 1) ** 2, axis=1)
    expected = kl.quadratic_truncation(q, d, n)
    assert abs(squares.mean() - expected) < 4 * squares.std() / math.sqrt(runs) + 5 * expected / d
    assert kl.quadratic_truncation(Q, 100, 300) == pytest.approx(10.1, abs=0.05)
    assert kl.kl_generated_target(Q, 100, 300, asymptotic=True).variance == pytest.approx(21.8, abs=0.05)
    assert kl.quadratic_truncation(Q, 100, 150) == pytest.approx(104.8, abs=0.06)
    # accurate for q → 1
    near = kl.quadratic_truncation(0.999, 100, 5000)
    assert near == pytest.approx(kl.kl_generated_target(0.999, 100, 5000, asymptotic=True).variance, rel=0.02)


def test_floors_are_the_limits():
    for q in (0.2, Q, 0.99):
        floor = kl.kl_floor(q, 50)
        assert kl.kl_generated_target(q, 50, 10**9).total == pytest.approx(floor.generated_target, rel=1e-4)
        assert kl.kl_target_generated(q, 50, 10**9).total == pytest.approx(floor.target_generated, rel=1e-4)
    # ≈ (d/4) λ²(e^{2T} − 1)²/σ⁴ at small noise
    noise = 1e-4 * math.expm1(4.0)
    q = signal_fraction(2.0, 1e-4)
    assert kl.kl_floor(q, 100).generated_target == pytest.approx(25 * noise**2, rel=0.02)
