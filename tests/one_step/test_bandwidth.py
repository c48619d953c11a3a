"""Bandwidths: the note's values, quadrature of the squared error, condensation measured, where mixing and AMISE coincide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from asymptotics.common.input.checks import InputError
from asymptotics.one_step.closed_forms import bandwidth


def test_known_values(reference):
    """d = 100, n = 10⁴, σ = 1."""
    assert bandwidth.mixing_time(10**4, 100) == reference("one_step.bandwidth.mixing_time")
    for name in ("mixing", "kernel", "amise", "mise"):
        assert getattr(bandwidth, f"{name}_bandwidth")(10**4, 100) == reference(f"one_step.bandwidth.{name}")
    # At the published width the estimate is worse than the zero function, which scores 1.
    assert bandwidth.mise(reference.value("one_step.bandwidth.kernel"), 10**4, 100) == pytest.approx(2.0, abs=1e-3)


def test_mise_is_the_squared_error():
    """E ∫(p̂ − p)² in one dimension by quadrature: variance of a kernel at x over n, plus squared bias."""
    n, h2, sigma = 7, 0.3, 1.4

    def gauss(x, v):
        return math.exp(-0.5 * x * x / v) / math.sqrt(2 * math.pi * v)

    def integrand(x):
        mean = gauss(x, sigma**2 + h2)
        square = quad(lambda y: gauss(y, sigma**2) * gauss(x - y, h2) ** 2, -15, 15, points=[x], limit=200)[0]
        return (square - mean**2) / n + (mean - gauss(x, sigma**2)) ** 2

    expected = quad(integrand, -12, 12, limit=200)[0] / quad(lambda x: gauss(x, sigma**2) ** 2, -15, 15)[0]
    assert bandwidth.mise(h2, n, 1, sigma) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (50, 1), (10**5, 1), (8, 2), (300, 20), (10**4, 100), (2, 1000)])
def test_mise_bandwidth_is_the_global_minimum(n, d):
    """A scan over eight decades finds nothing lower, and neighbours are higher."""
    best = bandwidth.mise_bandwidth(n, d, 0.7)
    lowest = bandwidth.mise(best, n, d, 0.7)
    scan = [bandwidth.mise(h2, n, d, 0.7) for h2 in np.geomspace(best * 1e-4, best * 1e4, 2001)]
    assert lowest <= min(scan) + 1e-15
    if d <= 20:
        # the curvature is visible in double precision
        assert lowest < bandwidth.mise(1.05 * best, n, d, 0.7)
        assert lowest < bandwidth.mise(0.95 * best, n, d, 0.7)


def test_amise_is_the_limit_of_mise_at_fixed_dimension():
    """The relative difference falls with n."""
    gaps = [abs(bandwidth.amise_bandwidth(n, 3) / bandwidth.mise_bandwidth(n, 3) - 1) for n in (10**2, 10**4, 10**6)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.02


@pytest.mark.parametrize("alpha", [0.05, 0.5, 3.0])
def test_mixing_coincides_with_amise_only_at_large_alpha(alpha):
    """h²_mixing/h²_AMISE → 1/(1 − e^{−2α}) for d → ∞ at n = e^{αd}; α = 3 is within 0.3 % of coinciding."""
    d = 200
    n = int(math.exp(min(alpha * d, 700)))
    while math.log(n) / d < alpha * 0.999:
        n *= 2
    ratio = bandwidth.mixing_bandwidth(n, d) / bandwidth.amise_bandwidth(n, d)
    # AMISE's own correction is ln(d)/d
    assert ratio == pytest.approx(1 / (1 - math.exp(-2 * math.log(n) / d)), rel=2.5 * math.log(d) / d + 0.07 * alpha)


def test_own_sample_weighs_half_at_the_mixing_time():
    """At a point diffused from one sample to time t_C, that sample's kernel holds half of the density (median)."""
    rng = np.random.default_rng(5)
    d, n, sigma = 24, 4000, 1.3
    t = bandwidth.mixing_time(n, d, sigma)
    shrink, variance = math.exp(-t), -math.expm1(-2 * t)
    weights = []
    for _ in range(40):
        data = sigma * rng.standard_normal((n, d))
        points = shrink * data[:8] + math.sqrt(variance) * rng.standard_normal((8, d))
        for k in range(8):
            exponents = -0.5 * np.sum((points[k] - shrink * data) ** 2, axis=1) / variance
            own = math.exp(exponents[k] - exponents.max())
            weights.append(own / np.exp(exponents - exponents.max()).sum())
    above = np.mean(np.array(weights) > 0.5)
    # O(1/d) allowance of 0.05 beside the binomial error
    assert abs(above - 0.5) < 0.05 + 4 * 0.5 / math.sqrt(len(weights))
    # and not at a time 15 % off
    assert abs(np.mean(weights) - 0.5) < 0.06


def test_gaussian_time_of_two_points():
    """Two points at ±m: the diffused density at the centre turns from a dip to a peak at ½ ln(1 + m²)."""
    m = 1.7
    t_s = bandwidth.gaussian_time(m**2)

    def curvature(t):
        shrink, variance = math.exp(-t), -math.expm1(-2 * t)

        def log_density(x):
            return math.log(sum(math.exp(-0.5 * (x - s * shrink * m) ** 2 / variance) for s in (1, -1)))

        return (log_density(1e-3) - 2 * log_density(0.0) + log_density(-1e-3)) / 1e-6

    assert curvature(0.99 * t_s) > 0 > curvature(1.01 * t_s)


@pytest.mark.parametrize("arguments", [(1, 3, 1.0), (5, 0, 1.0), (5, 3, 0.0), (5, 3, -1.0), (2.5, 3, 1.0)])
def test_bad_input(arguments):
    with pytest.raises(InputError, match="must be"):
        bandwidth.mixing_time(*arguments)


def test_its_picture_is_in_house_style():
    """Also where a user calls it directly, not through a result."""
    from asymptotics.one_step import plots

    _, ax = plots.plot_bandwidths(100, [10, 100, 1000])
    assert not ax.spines["top"].get_visible()
    assert not ax.get_legend().get_frame_on()
    assert ax.xaxis.label.get_size() == 8
