"""Distances against independent routes: optimal transport of discretised laws, adaptive quadrature, closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import ot
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm

from asymptotics.score_smoothing.laws.closed import EarlyStoppedLaw, GeneratedLaw
from asymptotics.score_smoothing.laws.distances import best_early_stopping, early_stopping, memorised, metrics
from asymptotics.score_smoothing.laws.transport import memorised_atoms


@pytest.mark.parametrize(("n", "kappa", "t0", "s", "process"), [
    (2, 0.5, 0.2, 0.05, "variance-exploding"),
    (3, 0.7, 0.05, 0.0, "variance-exploding"),
    (4, 0.5, 0.03, 0.01, "ornstein-uhlenbeck"),
])  # fmt: skip
def test_wasserstein_against_an_independent_solver(n, kappa, t0, s, process):
    law = GeneratedLaw(n, kappa, t0, s, process)
    count = 4000
    u = (np.arange(count) + 0.5) / count
    generated = law.scale * law.push(law.empirical.quantile(u, law.start))
    uniform = 2 * u - 1
    training = np.repeat(np.linspace(-1, 1, n), count // n + 1)[: count - count % n]
    m = metrics(law)
    assert ot.wasserstein_1d(generated, uniform, p=1) == pytest.approx(m.w1, abs=2e-4)
    assert np.sqrt(ot.wasserstein_1d(generated, uniform, p=2)) == pytest.approx(m.w2, abs=2e-4)
    weights = np.full(n, 1.0 / n)
    points = np.linspace(-1, 1, n)
    assert training.size
    even = np.full(count, 1.0 / count)
    assert ot.wasserstein_1d(generated, points, even, weights, p=1) == pytest.approx(m.w1_training, abs=2e-4)
    assert np.sqrt(ot.wasserstein_1d(generated, points, even, weights, p=2)) == pytest.approx(m.w2_training, abs=1e-3)


def test_memorised_limit_without_smoothing():
    w1, w2 = memorised_atoms(np.array([-1.0, 1.0]))
    assert (w1, w2) == pytest.approx((0.5, 1 / np.sqrt(3)), rel=1e-14)
    # A smoothed law at κ√t0 → Δ memorises too.
    m = metrics(GeneratedLaw(2, 4.999, 0.04))
    assert m.w1 == pytest.approx(0.5, abs=1e-6)
    assert m.w2 == pytest.approx(1 / np.sqrt(3), abs=1e-6)
    assert m.memorised == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("dimension", "expected"), [(1, 0.504), (2, 0.542)])
def test_best_early_stopping_two_points(dimension, expected):
    _, w2 = best_early_stopping(2, dimension)
    assert w2 == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("dimension", [1, 4, 20])
def test_early_stopping_against_a_grid_of_quantiles(dimension):
    def cost(t):
        x = np.linspace(-1 - 9 * np.sqrt(t), 1 + 9 * np.sqrt(t), 400001)
        cdf = 0.5 * (norm.cdf((x - 1) / np.sqrt(t)) + norm.cdf((x + 1) / np.sqrt(t)))
        u = (np.arange(200000) + 0.5) / 200000
        return np.sqrt(np.mean((np.interp(u, cdf, x) - (2 * u - 1)) ** 2) + (dimension - 1) * t)

    best, w2 = best_early_stopping(2, dimension)
    assert cost(best) == pytest.approx(w2, abs=1e-6)
    assert min(cost(best * f) for f in (0.7, 0.9, 1.1, 1.4)) > w2
    assert early_stopping(2, best, dimension)[1] == pytest.approx(w2, abs=1e-12)


def test_smoothing_does_not_feel_the_dimension_and_early_stopping_does():
    smoothed = [metrics(GeneratedLaw(2, 0.5, 0.4), dimension=d).w2 for d in (1, 20)]
    assert smoothed[0] == smoothed[1]
    assert best_early_stopping(2, 20)[1] > best_early_stopping(2, 1)[1] > smoothed[0]
    # In one dimension early stopping is competitive (nine points).
    best = min(metrics(GeneratedLaw(9, 0.5, t)).w2 for t in np.geomspace(1e-3, 0.06, 25))
    assert best_early_stopping(9)[1] == pytest.approx(0.0728, abs=1e-4)
    assert best == pytest.approx(best_early_stopping(9)[1], abs=3e-4)
    assert best_early_stopping(4)[1] == pytest.approx(0.189, abs=5e-4)
    assert min(metrics(GeneratedLaw(4, 0.5, t)).w2 for t in np.geomspace(1e-2, 0.4, 40)) == pytest.approx(
        0.175, abs=5e-4
    )


def test_normal_directions_add_to_w2():
    law = GeneratedLaw(3, 0.5, 0.03, 0.01)
    a, b = metrics(law), metrics(law, dimension=3)
    assert b.w2**2 - a.w2**2 == pytest.approx(2 * 0.01, rel=1e-12)
    assert np.isnan(b.w1)
    ou = GeneratedLaw(3, 0.5, 0.03, 0.01, "ornstein-uhlenbeck")
    # The Ornstein–Uhlenbeck normal variance is 1 − e^{−2s}.
    difference = metrics(ou, dimension=2).w2 ** 2 - metrics(ou).w2 ** 2
    assert difference == pytest.approx(1 - np.exp(-0.02), rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2, 3, 20])
def test_memorised_fraction_in_space(dimension):
    law, eps = GeneratedLaw(3, 0.5, 0.03, 0.001), 0.1
    y = np.array([-1.0, 0.0, 1.0])

    def integrand(x):
        gap = np.min(np.abs(x - y))
        if dimension == 1:
            return float(law.density(x)) * (gap <= eps)
        return float(law.density(x)) * chi2.cdf((eps**2 - gap**2) / 0.001, dimension - 1) if gap < eps else 0.0

    total = 0.0
    for centre in y:
        cuts = np.unique([centre - eps, centre - law.ball_end, centre, centre + law.ball_end, centre + eps])
        for a, b in itertools.pairwise(cuts):
            total += quad(integrand, a, b, epsabs=1e-12, limit=200)[0]
    assert memorised(law, eps, dimension) == pytest.approx(total, abs=1e-8)


def test_memorised_covers_overlapping_balls_once():
    law = GeneratedLaw(3, 0.5, 0.03)
    assert memorised(law, 5.0) == pytest.approx(1.0, abs=1e-12)
    assert memorised(law, 0.0) == pytest.approx(law.ball_masses().sum(), abs=1e-12)
    assert memorised(GeneratedLaw(3, 0.5, 0.03, 0.01), 5.0, 3) == pytest.approx(1.0, abs=1e-9)


def test_divergence_of_a_stopped_law():
    law = EarlyStoppedLaw([-1.0, 0.3, 1.0], 0.1)
    m = metrics(law)
    sigma = np.sqrt(0.1)

    def p(x):
        return np.mean(norm.pdf((x - law.points) / sigma)) / sigma

    direct = quad(lambda x: -0.5 * np.log(2 * p(x)), -1, 1, epsabs=1e-12)[0]
    assert m.kl_uniform_total == pytest.approx(direct, abs=1e-10)
    assert m.interpolated_mass == 0.0


def test_both_divergences_of_the_gaps_do_not_depend_on_the_end_time():
    rows = [metrics(GeneratedLaw(3, 0.5, 0.03, s)) for s in (0.0, 1e-3, 0.03)]
    for name in ("kl_uniform_continuous", "kl_continuous_uniform", "interpolated_mass"):
        values = [getattr(r, name) for r in rows]
        np.testing.assert_allclose(values, values[0], rtol=1e-10)
    law = GeneratedLaw(3, 0.5, 0.03)
    mass = law.gap_mass()
    reverse = sum(
        quad(lambda x: float(law.density(x)) / mass * np.log(2 * float(law.density(x)) / mass), a, b, points=[a + 0.5],
             epsabs=1e-12)[0]
        for a, b in ((-1.0, 0.0), (0.0, 1.0))
    )  # fmt: skip
    assert rows[0].kl_continuous_uniform == pytest.approx(reverse, abs=1e-9)


def test_reverse_divergence_of_a_narrow_law():
    """Early start: what is left of the gaps is two half-Gaussian tails of width √t₀ next to the points."""
    t0, kappa = 1e-10, 0.5
    tail = norm.cdf(-kappa)
    entropy = quad(lambda u: norm.pdf(u) / tail * np.log(norm.pdf(u) / tail), kappa, 30, epsabs=1e-13)[0]
    # Density of the normalised part at distance √t₀ u from a point: φ(u)/(2 tail √t₀); the uniform law has 1/2.
    expected = entropy + np.log(2 / (2 * np.sqrt(t0)))
    assert metrics(GeneratedLaw(2, kappa, t0)).kl_continuous_uniform == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("t0", [1e-8, 1e-4, 3.99])
def test_extreme_settings_stay_finite(t0):
    m = metrics(GeneratedLaw(2, 0.5, t0))
    assert 0.0 <= m.memorised <= 1.0
    assert np.isfinite([m.w1, m.w2, m.kl_uniform_total]).all()
    assert m.w1 <= m.w2
    assert m.kl_uniform_continuous >= 0.0
