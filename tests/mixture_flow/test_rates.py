"""Expansion of the error in 1/n and the optimal ridge."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.equations.order_parameters import final_state
from asymptotics.mixture_flow.equations.rates import curve, error_expansion, optimal_ridge
from asymptotics.mixture_flow.problem import Problem
from asymptotics.mixture_flow.settings import MixtureFlow
from asymptotics.mixture_flow.settings import Simulation as Plan
from asymptotics.mixture_flow.theory import solve


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
    values = getattr(final_state(samples=n, cluster_std=sigma, ridge=scan, centroid_norm=m, noises=noises), quantity)
    assert value <= values.min() + 1e-12
    assert value == pytest.approx(values.min(), abs=1e-7)
    assert best == pytest.approx(scan[values.argmin()], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("n", "sigma"), [(2, 0.7), (2, 0.72), (5, 0.55), (5, 0.57), (100, 0.49), (100, 0.52)])
def test_a_little_ridge_helps_only_noisy_data(n, sigma):
    error = final_state(samples=n, cluster_std=sigma, ridge=np.array([0.0, 1e-6])).mean_error
    assert (error[1] < error[0]) == (4 * sigma**2 * (n - 1) > n)


@pytest.mark.parametrize("bad", [1, 2.5, [], [4, 1], float("nan")])
def test_bad_sample_numbers(bad):
    with pytest.raises(InputError, match="samples"):
        curve(bad, 0.7, 0.2)


def _generated_mean(n, noises, sigma, lam, m, d, fresh, skip, seed, steps=150):
    """μ and μ̂ of one training set in plain NumPy: the normal equations of (b, v) at every t, and the flow of X₀ = 0 at s = 1."""
    rng = np.random.default_rng(seed)
    centre = np.full(d, m)
    data = centre + sigma * rng.standard_normal((n, d))  # in the frame of the labels: h x₁
    x = np.zeros(d)

    def draw():
        x0 = rng.standard_normal((noises, n, d))
        return (x0**2).sum(), np.einsum("knd,nd->", x0, data), x0.sum(axis=(0, 1))

    g11, sum1 = noises * (data**2).sum(), noises * data.sum(axis=0)
    g00, g01, sum0 = draw()
    for k in range(steps):
        t = (k + 0.5) / steps
        if fresh:
            g00, g01, sum0 = draw()
        a, c = 1 - t, t
        field = a * sum0 + c * sum1
        # Gradient in b: b Σ‖y‖² + v·Σ h y = Σ y·x₁; in v: b Σ h y + (N + λ) v = Σ h x₁.
        square = a * a * g00 + 2 * a * c * g01 + c * c * g11
        target = a * g01 + c * g11
        scale = n * noises + lam
        b = (target - field @ sum1 / scale) / (square - field @ field / scale) if skip else 0.0
        v = (sum1 - b * field) / scale
        # Implicit midpoint of the linear equation dX/dt = r X + g v, with α̇ = −1, β̇ = 1.
        gain = 1 + c / a
        rate = gain * b - 1 / a
        h = 1 / steps
        x = (x * (1 + h * rate / 2) + h * gain * v) / (1 - h * rate / 2)
    return centre, x


@pytest.mark.parametrize(
    ("noises", "fresh", "skip", "ridge", "expected"),
    [
        (1, False, True, 0.0, 2.0),
        (3, False, True, 0.0, 4 / 3),
        (3, False, True, 5.0, 4 / 3),
        (2, False, False, 1.0, 1.0),
        (1, True, True, 0.5, 1.0),
    ],
)
def test_asymptote_against_a_plain_simulation(noises, fresh, skip, ridge, expected):
    """n ‖μ̂ − μ‖²/d → σ²(1 + 1/K), or σ² where the noises leave no trace, whatever the ridge."""
    sigma, n, d = 0.9, 150, 3000
    centre, mean = _generated_mean(n, noises, sigma, ridge, 1.0, d, fresh, skip, 3, steps=60 if fresh else 150)
    measured = n * np.sum((mean - centre) ** 2) / d
    # Squared Gaussian vectors in d dimensions: a relative standard error √(2/d); next order in 1/n, and in the step if fresh.
    assert measured == pytest.approx(sigma**2 * expected, rel=4 * np.sqrt(2 / d) + 4 * (1 + ridge) / n + 0.02 * fresh)
    flow = MixtureFlow(10**7, sigma, ridge, 1.0, noises, fresh, skip)
    final = solve(Problem(flow, Interpolant(), Plan()), times=[1.0]).final
    assert 1e7 * final.asymptote == pytest.approx(sigma**2 * expected, rel=1e-12)
    assert final.mean_error == pytest.approx(final.asymptote, rel=1e-5)
    assert final.mean_error_expansion[0] == pytest.approx(sigma**2 * expected, rel=1e-12)


@pytest.mark.parametrize(("fresh", "skip"), [(True, True), (False, False), (True, False)])
def test_without_learned_noise_the_best_ridge_is_bayes_optimal(fresh, skip):
    kind = {"fresh_noise": fresh, "skip": skip}
    best, value = optimal_ridge(7, 1.3, 0.8, 2, **kind)
    state = final_state(samples=7, cluster_std=1.3, ridge=best, centroid_norm=0.8, noises=2, **kind)
    assert value == pytest.approx(float(state.bayes_error), rel=1e-12)
    scan = final_state(samples=7, cluster_std=1.3, ridge=np.linspace(0, 20, 20001), centroid_norm=0.8, noises=2, **kind)
    assert value <= scan.mean_error.min() + 1e-15
    n = 10**6
    exact = final_state(samples=n, cluster_std=0.7, ridge=2.0, noises=3, **kind).mean_error
    first, second = error_expansion(0.7, 2.0, order=2, noises=3, **kind)
    assert n**2 * (float(exact) - first / n) == pytest.approx(second, rel=1e-4)
