"""Hellinger distance: closed forms against quadrature over the Marchenko–Pastur law and against random matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.one_step.closed_forms import divergences, hellinger
from asymptotics.one_step.theory import signal_fraction


def _average(function, ratio, nodes=4000):
    """⟨f(x)⟩ by the Chebyshev rule of the second kind on the support of the law."""
    theta = np.pi * np.arange(1, nodes) / nodes
    x = 1 + ratio + 2 * math.sqrt(ratio) * np.cos(theta)
    return float(np.sum(2 / nodes * np.sin(theta) ** 2 / x * function(x)))


@pytest.mark.parametrize("ratio", [1e-3, 0.2, 0.7, 0.95])
@pytest.mark.parametrize("c", [1e-6, 0.1, 3.0])
def test_marchenko_pastur_moments(ratio, c):
    assert hellinger.inverse_moment(c, ratio) == pytest.approx(_average(lambda x: 1 / (x + c), ratio), rel=1e-9)
    assert hellinger.log_moment(c, ratio) == pytest.approx(
        _average(lambda x: np.log(x + c), ratio), rel=1e-9, abs=1e-10
    )


@pytest.mark.parametrize("q", [1e-3, 0.3, 0.9, 1 - 1e-9])
@pytest.mark.parametrize("ratio", [1e-4, 0.3, 0.9])
def test_fixed_point_solves_the_equations(q, ratio):
    """Both self-consistent averages by quadrature reproduce e and ẽ; the log-determinant by quadrature too."""
    e, t = hellinger.fixed_point(q, ratio)

    def d_of(x):
        return (1 - q) * ratio / x

    assert _average(lambda x: 1 / (1 + t + q / (1 + e * d_of(x))), ratio) == pytest.approx(e, rel=1e-9)
    assert _average(lambda x: d_of(x) / (1 + e * d_of(x) + q / (1 + t)), ratio) == pytest.approx(t, rel=1e-8, abs=1e-15)
    expected = _average(lambda x: np.log((1 + t) * (1 + e * d_of(x)) + q), ratio) - e * t
    assert hellinger.log_det_one_plus(q, ratio)[0] == pytest.approx(expected, rel=1e-9)


def test_known_values(reference):
    q = signal_fraction(2.0, math.exp(-4.0))
    log_det = divergences.log_det_rate(q, 100, 500)
    assert hellinger.log_bhattacharyya(q, 100, 500, log_det) == reference("one_step.reference.log_bhattacharyya")
    assert hellinger.hellinger_floor(q, 100) == reference("one_step.reference.floor")


@pytest.mark.parametrize(("q", "n"), [(0.6, 160), (0.2, 120)])
def test_log_determinant_against_random_matrices(q, n):
    """ln|1 + K Kᵀ|/d and Tr(1 + K Kᵀ)^{−1}/d, K = √q + √(1−q) G V^{−1/2}: self-averaging, error O(1/d)."""
    rng = np.random.default_rng(0)
    d, runs, logs, inverse = 80, 60, [], []
    for _ in range(runs):
        wishart = rng.standard_normal((n - 1, d))
        w, u = np.linalg.eigh(wishart.T @ wishart)
        k = math.sqrt(q) * np.eye(d) + math.sqrt(1 - q) * rng.standard_normal((d, d)) @ ((u / np.sqrt(w)) @ u.T)
        values = np.linalg.svd(k, compute_uv=False) ** 2
        logs.append(np.log1p(values).mean())
        inverse.append((1 / (1 + values)).mean())
    value, e = hellinger.log_det_one_plus(q, d / n)
    assert abs(np.mean(logs) - value) < 4 * np.std(logs) / math.sqrt(runs) + 0.5 / d
    assert abs(np.mean(inverse) - e) < 4 * np.std(inverse) / math.sqrt(runs) + 0.5 / d


def test_floor_is_the_limit_and_has_no_cancellation():
    for q in (1e-8, 0.3, 0.9):
        limit = hellinger.log_bhattacharyya(q, 20, 10**15, divergences.log_det_rate(q, 20, 10**15))
        assert limit == pytest.approx(hellinger.log_bhattacharyya_floor(q, 20), rel=1e-6)
    # two Gaussians of nearly equal variance: ln BC = −(d/16)(1 − q)²
    assert hellinger.log_bhattacharyya_floor(1 - 1e-9, 20) == pytest.approx(-20 / 16 * 1e-18, rel=1e-6)
