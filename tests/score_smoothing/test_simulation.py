"""Particles: whole distribution, masses and distances against the closed form, whatever the score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import kolmogi
from scipy.stats import norm

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing import GeneratedLaw, ScoreSmoothing, Simulation
from asymptotics.score_smoothing.comparison import compare
from asymptotics.score_smoothing.problem import Problem
from asymptotics.score_smoothing.process.motion import follow, follow_circle
from asymptotics.score_smoothing.simulation import simulate
from asymptotics.score_smoothing.theory import solve

KS_99 = float(kolmogi(0.01))


def _draw(n, t0, count, seed):
    rng = np.random.default_rng(seed)
    return np.linspace(-1, 1, n)[rng.integers(0, n, count)] + np.sqrt(t0) * rng.standard_normal(count)


@pytest.mark.parametrize(("n", "kappa", "t0"), [(2, 0.5, 0.2), (3, 0.5, 0.05), (5, 0.8, 0.02)])
def test_kolmogorov_smirnov_below_its_99_percent_value(n, kappa, t0):
    count = 200_000
    x = np.sort(follow(np.linspace(-1, 1, n), _draw(n, t0, count, n), t0, 1e-8, kappa=kappa))
    cdf = GeneratedLaw(n, kappa, t0, 1e-8).cdf(x)
    grid = np.arange(count + 1) / count
    statistic = np.sqrt(count) * max(np.max(grid[1:] - cdf), np.max(cdf - grid[:-1]))
    assert statistic < KS_99


def test_kolmogorov_smirnov_notices_a_wrong_kappa():
    count = 200_000
    x = np.sort(follow(np.linspace(-1, 1, 3), _draw(3, 0.05, count, 3), 0.05, 1e-8, kappa=0.5))
    cdf = GeneratedLaw(3, 0.6, 0.05, 1e-8).cdf(x)
    assert np.sqrt(count) * np.max(np.abs(np.arange(1, count + 1) / count - cdf)) > 2 * KS_99


def test_heun_converges_with_second_order():
    y, x = np.linspace(-1, 1, 3), np.linspace(-1.3, 1.3, 200)
    exact = GeneratedLaw(y, 0.5, 0.05, 1e-4).push(x)
    errors = [np.max(np.abs(follow(y, x, 0.05, 1e-4, kappa=0.5, steps=m) - exact)) for m in (50, 100, 200, 400)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - 2) < 0.25)


@pytest.mark.ci
def test_other_scores_do_what_their_flows_say():
    from asymptotics.score_smoothing import AveragedScore, EmpiricalScore, PiecewiseLinearScore

    y, x = np.linspace(-1, 1, 3), np.linspace(-1.2, 1.2, 50) + 0.003
    width = lambda t: 0.5 - 0.5 * np.sqrt(t)  # noqa: E731
    cases = {
        "none": EmpiricalScore(y),
        "piecewise-linear": PiecewiseLinearScore(y),
        "box-empirical": AveragedScore(y, width),
        "box-numerical": AveragedScore(y, width, "box", "piecewise-linear"),
        "gaussian": AveragedScore(y, width, "gaussian", "piecewise-linear"),
    }
    for kernel, score in cases.items():
        moved = follow(y, x, 0.05, 1e-3, kappa=0.5, kernel=kernel, steps=4000)
        np.testing.assert_allclose(moved, score.flow(x, 0.05, 1e-3), atol=2e-5, err_msg=kernel)


def test_exact_score_memorises_and_smoothing_does_not():
    y, x = np.linspace(-1, 1, 2), _draw(2, 0.2, 20_000, 9)
    exact = follow(y, x, 0.2, 1e-8, kappa=0.5, kernel="none")
    assert np.mean(np.min(np.abs(exact[:, None] - y), axis=1) < 1e-3) > 0.999
    smoothed = follow(y, x, 0.2, 1e-8, kappa=0.5)
    share = np.mean(np.min(np.abs(smoothed[:, None] - y), axis=1) > 1e-3)
    expected = norm.cdf(-0.5) - norm.cdf(0.5 - 2 / np.sqrt(0.2))
    assert share == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 20_000))


TABLES = [
    {"points": 3, "kappa": 0.5, "start_time": 0.03},
    {"points": 7, "kappa": 0.7, "start_time": 0.01, "dimension": 3, "end_time": 1e-4},
    {"points": 3, "kappa": 0.5, "start_time": 0.03, "process": "ou", "end_time": 0.005},
    {"points": [-1.0, -0.2, 1.0], "kappa": 0.5, "start_time": 0.1, "kernel": "gaussian", "end_time": 0.005},
    {"points": [-1.0, -0.2, 1.0], "kappa": 0.5, "start_time": 0.1, "kernel": "box-numerical", "end_time": 0.005},
    {"points": [-1.0, -0.2, 1.0], "kappa": 0.5, "start_time": 0.1, "kernel": "none", "end_time": 0.02, "dimension": 2},
    {"points": 8, "kappa": 0.5, "start_time": 0.1, "curve": "circle"},
    {"points": 8, "kappa": 0.5, "start_time": 0.1, "curve": "circle", "kernel": "angular"},
]


@pytest.mark.parametrize("table", [*TABLES[:3], *(pytest.param(t, marks=pytest.mark.slow) for t in TABLES[3:])])
def test_comparison_passes_for_every_kind_of_experiment(table):
    problem = Problem(ScoreSmoothing.from_table(table), Simulation(samples=20_000, runs=6, seed=11))
    runs = simulate(problem, workers=1)
    verdict = compare(solve(problem), runs)
    assert verdict.passed, verdict.summary()
    assert set(runs.to_json()) >= {"mean", "sem", "runs", "dimension", "seconds"}


def test_comparison_fails_for_a_wrong_theory():
    plan = Simulation(samples=20_000, runs=6, seed=11)
    a = ScoreSmoothing(points=3, kappa=0.5, start_time=0.03)
    runs = simulate(Problem(a, plan), workers=1)
    theory = solve(Problem(a, plan))
    with pytest.raises(InputError, match="different"):
        compare(solve(Problem(a.replace(kappa=0.6), plan)), runs)
    wrong = dataclasses.replace(runs, positions=runs.positions + 0.02, w2=runs.w2 * 1.05)
    assert {"w2", "Kolmogorov-Smirnov"} <= set(compare(theory, wrong).failures())


@pytest.mark.slow  # quick: the exponent of the flow (`test_circle`)
def test_angular_window_slowly_memorises():
    n, rng = 8, np.random.default_rng(0)
    y = np.stack([np.cos(2 * np.pi * np.arange(n) / n), np.sin(2 * np.pi * np.arange(n) / n)], axis=1)
    x = y[rng.integers(0, n, 20_000)] + np.sqrt(0.1) * rng.standard_normal((20_000, 2))
    near = []
    for end in (1e-4, 1e-8):
        moved = follow_circle(n, x, 0.1, end, kappa=0.5, kernel="angular")
        near.append(np.mean(np.min(np.linalg.norm(moved[:, None] - y, axis=2), axis=1) < 0.05))
    # Reference with other particles: .524 and .573, ± .0035 each.
    assert near[0] == pytest.approx(0.524, abs=0.015)
    assert near[1] == pytest.approx(0.573, abs=0.015)
    assert near[1] > near[0] + 0.03


@pytest.mark.slow
def test_a_million_particles():
    count = 1_000_000
    x = np.sort(follow(np.linspace(-1, 1, 5), _draw(5, 0.02, count, 1), 0.02, 1e-8, kappa=0.5, steps=1200))
    cdf = GeneratedLaw(5, 0.5, 0.02, 1e-8).cdf(x)
    grid = np.arange(count + 1) / count
    assert np.sqrt(count) * max(np.max(grid[1:] - cdf), np.max(cdf - grid[:-1])) < KS_99
