"""Expansion of the error in 1/n and the optimal ridge."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.mixture_flow.rates import curve, error_expansion, optimal_ridge
from asymptotics.mixture_flow.theory import final_state


@pytest.mark.parametrize("noises", [1, 3])
def test_expansion_is_the_limit_of_the_exact_error(noises):
    # Exact rational arithmetic at n = 10^8 leaves n⁴ (error − c1/n − c2/n² − c3/n³) of order one.
    sigma, lam, m, n = Fraction(7, 10), Fraction(3, 10), Fraction(13, 10), 10**8
    total = n * noises
    variance = (lam * m**2 + (total + lam - noises) * sigma**2) / (total + lam - 1)
    error = (lam**2 * m**2 + noises**2 * n * sigma**2 + total * variance) / (total + lam) ** 2
    rest = error
    for k, c in enumerate(error_expansion(0.7, 0.3, 1.3, noises=noises), 1):
        # A coefficient good to rounding is recovered as the limit of the rescaled remainder.
        limit = rest * n**k
        assert float(limit) == pytest.approx(c, rel=1e-6)
        rest -= Fraction(c).limit_denominator(10**12) / n**k


def test_printed_coefficients():
    s, lam, m = 0.7, 0.2, 1.0
    printed = [
        2 * s**2,
        lam * (lam * m**2 + m**2 - 4 * s**2),
        -lam * (2 * lam**2 * m**2 + 3 * lam * m**2 - 6 * lam * s**2 - m**2),
    ]
    np.testing.assert_allclose(error_expansion(s, lam, m), printed, rtol=1e-13)
    assert len(error_expansion(s, lam, m, order=6)) == 6


def test_rate_constant_is_twice_the_bayes_rate():
    values = curve([1e6], 0.7, 0.2)
    assert 1e6 * values["mw2_squared"][0] == pytest.approx(0.98, rel=1e-5)
    assert values["mean_error"][0] / values["bayes_error"][0] == pytest.approx(2, rel=1e-5)
    assert values["fresh_noise_error"][0] / values["bayes_error"][0] == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("quantity", ["mean_error", "mw2_squared"])
@pytest.mark.parametrize(
    ("n", "sigma", "m", "noises"),
    [(8, 1.5, 1, 1), (2, 0.65, 1, 1), (2, 0.5, 1, 1), (30, 0.4, 2.0, 1), (6, 1.1, 0.8, 3)],
)
def test_optimal_ridge_against_a_scan(n, sigma, m, noises, quantity):
    best, value = optimal_ridge(n, sigma, m, noises, quantity)
    scan = np.concatenate([[0.0], np.geomspace(1e-4, 300, 200_001)])
    values = final_state(samples=n, cluster_std=sigma, ridge=scan, centroid_norm=m, noises=noises)[quantity]
    assert value <= values.min() + 1e-12
    assert value == pytest.approx(values.min(), abs=1e-7)
    assert best == pytest.approx(scan[values.argmin()], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("n", "sigma"), [(2, 0.7), (2, 0.72), (5, 0.55), (5, 0.57), (100, 0.49), (100, 0.52)])
def test_a_little_ridge_helps_only_noisy_data(n, sigma):
    error = final_state(samples=n, cluster_std=sigma, ridge=np.array([0.0, 1e-6]))["mean_error"]
    assert (error[1] < error[0]) == (4 * sigma**2 * (n - 1) > n)


@pytest.mark.parametrize("bad", [1, 2.5, [], [4, 1], float("nan")])
def test_bad_sample_numbers(bad):
    with pytest.raises(InputError, match="samples"):
        curve(bad, 0.7, 0.2)
