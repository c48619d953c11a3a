"""The closed-form law: published table, limits, and independent routes (ODE integration, continuity equation, quadrature)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.stats import norm

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing.laws.closed import GeneratedLaw
from asymptotics.score_smoothing.laws.distances import metrics
from asymptotics.score_smoothing.laws.numerical import NumericalLaw
from asymptotics.score_smoothing.scores.averaging import AveragedScore


@pytest.mark.rows("smoothing.two_points")
def test_table_of_two_points(kappa, t0, interpolated, w1, w2, kl_total, kl_continuous, memorised):
    expected = [interpolated, w1, w2, kl_total, kl_continuous, memorised]
    m = metrics(GeneratedLaw([-1.0, 1.0], kappa, t0))
    got = [m.interpolated_mass, m.w1, m.w2, m.kl_uniform_total, m.kl_uniform_continuous, m.memorised]
    np.testing.assert_allclose(got, expected, atol=5.001e-5, rtol=0)


@pytest.mark.parametrize(("kappa", "t0"), [(0.25, 0.2), (0.5, 0.05), (1.0, 0.5)])
def test_two_point_masses(kappa, t0):
    law = GeneratedLaw(2, kappa, t0)
    atom = 0.5 * (norm.cdf(kappa) + norm.cdf(kappa - 2 / np.sqrt(t0)))
    np.testing.assert_allclose(law.ball_masses(), [atom, atom], rtol=1e-13)
    assert law.gap_mass() == pytest.approx(norm.cdf(-kappa) - norm.cdf(kappa - 2 / np.sqrt(t0)), rel=1e-12)


def _slow(y, kappa, t0):
    """All numbers of the limit s → 0 by scipy's adaptive quadrature of the definition, point by point."""
    n, half = len(y), (y[1] - y[0]) / 2
    delta, sigma = kappa * np.sqrt(t0), np.sqrt(t0)
    r = 1 - delta / half

    def p(x):
        return np.mean(norm.pdf((x - np.asarray(y)) / sigma)) / sigma

    def cdf(x):
        return np.mean(norm.cdf((x - np.asarray(y)) / sigma))

    def density(x):
        k = min(max(int(np.searchsorted(y, x, side="right")) - 1, 0), n - 2)
        c = (y[k] + y[k + 1]) / 2
        return r * p(c + r * (x - c))

    edges = [0.0] + [cdf(v) for k in range(n - 1) for v in (y[k] + delta, y[k + 1] - delta)] + [1.0]
    atoms = np.diff(edges)[::2]
    length = y[-1] - y[0]

    def law_cdf(x):
        k = min(max(int(np.searchsorted(y, x, side="right")) - 1, 0), n - 2)
        c = (y[k] + y[k + 1]) / 2
        return cdf(c + r * (x - c)) if x < y[-1] else 1.0

    # W1 = ∫|F̂ − F_U|; W2² = ∫∫ over u through the squared difference of quantiles, split into atoms and gaps.
    w1 = w2 = kl = 0.0
    for k in range(n - 1):
        a, b = y[k], y[k + 1]
        cuts = np.linspace(a, b, 101)
        signs = [law_cdf(v) - (v - y[0]) / length for v in cuts]
        inner = [cuts[i] for i in range(100) if signs[i] * signs[i + 1] < 0]
        w1 += quad(lambda v: abs(law_cdf(v) - (v - y[0]) / length), a, b, points=inner, limit=400, epsabs=1e-11)[0]
        w2 += quad(lambda v: (v - y[0] - length * law_cdf(v)) ** 2 * density(v), a, b, epsabs=1e-13, limit=400)[0]
        kl -= quad(lambda v: np.log(length * density(v)) / length, a, b, points=[(a + b) / 2], epsabs=1e-12)[0]
    for k in range(n):
        low, high = edges[2 * k], edges[2 * k + 1]
        w2 += ((y[0] + length * high - y[k]) ** 3 - (y[0] + length * low - y[k]) ** 3) / (3 * length)
    return atoms, w1, np.sqrt(w2), kl


@pytest.mark.parametrize(
    ("y", "kappa", "t0"),
    [
        (np.linspace(-1, 1, 3), 0.5, 0.03),
        (np.linspace(-1, 1, 7), 0.8, 0.01),
        (np.linspace(0.0, 6.0, 4), 0.3, 0.9),
        (np.linspace(-1, 1, 5), 0.1, 0.2),
    ],
)
def test_any_number_of_points_against_adaptive_quadrature(y, kappa, t0):
    atoms, w1, w2, kl = _slow(y, kappa, t0)
    law = GeneratedLaw(y, kappa, t0)
    m = metrics(law)
    np.testing.assert_allclose(law.ball_masses(), atoms, atol=1e-13)
    assert law.ball_masses().sum() + m.interpolated_mass == pytest.approx(1.0, abs=1e-13)
    assert m.w1 == pytest.approx(w1, abs=2e-8)
    assert m.w2 == pytest.approx(w2, abs=1e-9)
    assert m.kl_uniform_total == pytest.approx(kl, abs=1e-8)


@pytest.mark.parametrize("process", ["variance-exploding", "ornstein-uhlenbeck"])
@pytest.mark.parametrize("n", [2, 5])
def test_flow_against_the_differential_equation_in_its_own_time(n, process):
    y, kappa, t0, s = np.linspace(-1, 1, n), 0.6, 0.3 / (n - 1) ** 2, 0.002 / (n - 1) ** 2
    half = 1 / (n - 1)
    ou = process == "ornstein-uhlenbeck"

    def drift(t, x):
        shrink, variance = (np.exp(-t), 1 - np.exp(-2 * t)) if ou else (1.0, t)
        delta = kappa * np.sqrt(variance)
        points, gap = shrink * y, shrink * half
        k = np.argmin(np.abs(x[:, None] - points), axis=1)
        c = points[np.clip(np.searchsorted(points, x) - 1, 0, n - 2)] + gap
        inside = np.abs(x - c) < gap - delta
        score = np.where(inside, delta / (gap - delta) * (x - c) / variance, (points[k] - x) / variance)
        return -x - score if ou else -score / 2

    law = GeneratedLaw(y, kappa, t0, s, process)
    x0 = np.linspace(-1.6, 1.6, 41) + 0.003
    end = solve_ivp(drift, (t0, s), x0, rtol=1e-10, atol=1e-12, max_step=t0 / 300).y[:, -1]
    start = x0 * (np.exp(t0) if ou else 1.0)
    np.testing.assert_allclose(law.scale * law.push(start), end, atol=2e-7)


@pytest.mark.parametrize("s", [1e-4, 0.004, 0.03])
def test_density_integrates_to_one_and_matches_the_cdf(s):
    law = GeneratedLaw(3, 0.5, 0.03, s)
    edges = np.sort(np.concatenate([[-3, 3, 0], law.points - law.ball_end, law.points + law.ball_end]))
    total = 0.0
    for a, b in itertools.pairwise(edges):
        pts = [p for p in (-0.5, 0.5, -1 - 3 * np.sqrt(s), 1 + 3 * np.sqrt(s)) if a < p < b]
        mass = quad(lambda x: float(law.density(x)), a, b, points=pts or None, epsabs=1e-12, limit=200)[0]
        assert mass == pytest.approx(float(law.cdf(b) - law.cdf(a)), abs=1e-9)
        total += mass
    assert total == pytest.approx(1.0, abs=1e-9)


def test_continuous_part_at_zero_time_and_its_value():
    law = GeneratedLaw(2, 0.5, 0.2)
    mass = quad(lambda x: float(law.density(x)), -1, 1, points=[0.0], epsabs=1e-13)[0]
    assert mass == pytest.approx(law.gap_mass(), abs=1e-12)
    r = 1 - 0.5 * np.sqrt(0.2)
    direct = r * 0.5 * (norm.pdf(r * 0.3 - 1, scale=np.sqrt(0.2)) + norm.pdf(r * 0.3 + 1, scale=np.sqrt(0.2)))
    assert float(law.density(0.3)) == pytest.approx(direct, rel=1e-13)
    assert float(law.density(1.2)) == 0.0
    assert float(law.cdf(-1.0)) == pytest.approx(law.ball_masses()[0], rel=1e-13)
    assert float(law.cdf(-1.0, below=True)) == 0.0
    assert float(law.cdf(1.0)) == 1.0


def test_limit_of_small_kappa():
    # δ → 0: the interpolating part is p_{t0} cut to [−1, 1], the rest sits at the ends.
    law = GeneratedLaw(3, 1e-9, 0.2)
    inside = law.empirical.cdf(1.0, 0.2) - law.empirical.cdf(-1.0, 0.2)
    assert law.gap_mass() == pytest.approx(float(inside), abs=1e-8)
    x = np.array([-0.7, 0.2])
    np.testing.assert_allclose(law.density(x), law.empirical.density(x, 0.2), rtol=1e-8)


def test_limit_of_the_critical_time_and_of_small_start():
    # Caution (iii): nothing is interpolated at t_c; (ii): as t0 → 0 the mass tends to 2(n−1)/n Φ(−κ), close to the points.
    assert GeneratedLaw(5, 0.5, 0.25 * (1 - 1e-8)).gap_mass() < 1e-7
    early = GeneratedLaw(5, 0.5, 1e-7)
    assert early.gap_mass() == pytest.approx(2 * 4 / 5 * norm.cdf(-0.5), abs=1e-9)
    assert metrics(early, within=0.005).memorised == pytest.approx(1.0, abs=1e-6)
    # (iv) two points: below one half.
    assert max(GeneratedLaw(2, k, t).gap_mass() for k in (1e-3, 0.1) for t in (0.01, 0.3, 1.0)) < 0.5


def test_the_numerical_law_agrees_with_the_closed_form():
    score = AveragedScore(3, lambda t: 0.5 - 0.5 * np.sqrt(t), "box", "piecewise-linear")
    exact, numeric = GeneratedLaw(3, 0.5, 0.03, 0.01), NumericalLaw(score, 0.03, 0.01, ball=0.05)
    a, b = metrics(exact), metrics(numeric)
    for name in a.__dataclass_fields__:
        assert getattr(b, name) == pytest.approx(getattr(a, name), abs=2e-7), name
    x = np.linspace(-1.3, 1.3, 27) + 0.001
    np.testing.assert_allclose(numeric.density(x), exact.density(x), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([0.0, 1.0, 3.0], 0.5, 0.1), "uniformly"),
        (([0.0, 0.0, 1.0], 0.5, 0.1), "distinct"),
        (([1.0, 0.0], 0.5, 0.1), "sorted"),
        (([1.0], 0.5, 0.1), "two"),
        ((2, 0.0, 0.1), "kappa"),
        ((2, -1.0, 0.1), "kappa"),
        ((2, 0.5, 4.0), "start_time"),
        ((2, 0.5, 0.0), "start_time"),
        ((2, 0.5, 0.1, 0.2), "end_time"),
        ((2, 0.5, 0.1, 0.0, "brownian"), "process"),
    ],
)
def test_bad_input_is_named(arguments, word):
    with pytest.raises(InputError, match=word):
        GeneratedLaw(*arguments)
