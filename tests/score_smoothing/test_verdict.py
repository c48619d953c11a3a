"""The verdict on particles: uniform p for a right theory, wrong theories rejected, finite-size terms that are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom, kstest

from asymptotics.score_smoothing import comparison
from asymptotics.score_smoothing.comparison import compare, kolmogorov_smirnov, wasserstein_terms
from asymptotics.score_smoothing.laws.closed import EarlyStoppedLaw
from asymptotics.score_smoothing.problem import Problem
from asymptotics.score_smoothing.settings import ScoreSmoothing, Simulation
from asymptotics.score_smoothing.simulation import simulate
from asymptotics.score_smoothing.theory import solve

LINE = {"points": 2, "kappa": 0.5, "start_time": 0.2}
CASES = [
    LINE,
    {"points": [-1.0, 0.0, 3.0], "kappa": 0.5, "start_time": 0.1, "end_time": 0.01, "kernel": "gaussian"},
    {"points": 5, "kappa": 0.5, "start_time": 0.2, "curve": "circle"},
    {"points": 3, "kappa": 0.5, "start_time": 0.03, "process": "ou", "dimension": 3},
]


@pytest.mark.parametrize("count", [30, 300])
def test_finite_number_of_particles_in_plain_numpy(count):
    """Means of empirical W₁ and W₂² of N draws of a two-point Gaussian mixture, against W and the stated terms."""
    law = EarlyStoppedLaw([-1.0, 1.0], 0.3)
    rng = np.random.default_rng(0)
    runs = 600_000 // count
    x = np.sort(rng.choice([-1.0, 1.0], (runs, count)) + np.sqrt(0.3) * rng.standard_normal((runs, count)), axis=1)
    edges = -1 + 2 * np.arange(count + 1) / count
    b, a = edges[1:] - x, edges[:-1] - x
    w1, w2 = np.sum(b * abs(b) - a * abs(a), axis=1) / 4, np.sum(b**3 - a**3, axis=1) / 6
    from asymptotics.score_smoothing.laws.transport import to_uniform

    exact = to_uniform(law)
    first, second = wasserstein_terms(law, count)
    assert abs(w2.mean() - exact[1] ** 2 - second) < 4 * w2.std() / np.sqrt(runs)
    # The folded Gaussian is right to the next order, N^{-3/2}.
    assert abs(w1.mean() - exact[0] - first) < 4 * w1.std() / np.sqrt(runs) + 0.5 * count**-1.5
    assert second > 4 * w2.std() / np.sqrt(runs)


def test_kolmogorov_smirnov_at_a_small_sample():
    x = np.array([0.1, 0.35, 0.6])
    d, p = kolmogorov_smirnov(x, x, x)
    assert (d, p) == pytest.approx(tuple(kstest(x, "uniform")))


def _verdicts(table, seeds, wrong=None, **plan):
    """Verdicts at many seeds; predictions depend on the tables alone and are made once."""
    kept = {}

    def once(name):
        function = getattr(comparison, name)

        def call(*arguments):
            if name not in kept:
                kept[name] = function(*arguments)
            return kept[name]

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_predict", "step_error"):
            patch.setattr(comparison, name, once(name))
        patch.setattr(comparison, "_power", lambda *_: {})
        settings = ScoreSmoothing(**table)
        theory = solve(Problem(settings))
        for seed in range(seeds):
            here = Simulation(**{"samples": 1000, "runs": 5, "steps": 150, **plan, "seed": seed})
            runs = simulate(Problem(settings, here), workers=1, progress=False)
            if wrong:
                changed = settings.replace(**wrong)
                other = Problem(changed, here)
                runs, theory = dataclasses.replace(runs, experiment=other.to_tables()), solve(other)
            yield compare(theory, runs)


@pytest.mark.slow
@pytest.mark.parametrize("table", CASES)
def test_p_is_uniform_for_a_right_theory(table):
    seeds = 200
    verdicts = list(_verdicts(table, seeds))
    # Rows and Kolmogorov–Smirnov see the same particles: each part is uniform, the smaller of both a little conservative.
    for part in range(len(verdicts[0].parts)):
        p = np.array([v.parts[part].p for v in verdicts])
        assert kstest(p, "uniform").pvalue > 0.002, verdicts[0].parts[part].name
    p = np.array([v.p_value for v in verdicts])
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.005
    failed = sum(not v.passed for v in verdicts)
    assert binom.sf(failed - 1, seeds, 0.01) > 0.005


@pytest.mark.parametrize("wrong", [{"kappa": 0.6}, {"kappa": 0.4}, {"start_time": 0.27}, {"start_time": 0.14}])
def test_a_wrong_theory_is_rejected(wrong):
    assert not any(v.passed for v in _verdicts(LINE, 2, wrong, samples=8000))


def test_verdict_states_its_power_and_what_it_did_not_test():
    problem = Problem(ScoreSmoothing(**LINE), Simulation(samples=2000, runs=4, steps=100))
    v = compare(solve(problem), simulate(problem, workers=1))
    assert set(v.power) == {"score_smoothing.kappa", "score_smoothing.start_time"}
    assert all(0.01 < change < 1 for change in v.power.values())
    assert "polygon_distance" in dict(v.not_tested)
    assert all(r.source for r in v.rows if np.any(r.allowance))
    circle = compare(*_circle("angular"))
    assert {"memorised", "interpolated_mass"} <= set(dict(circle.not_tested))


def _circle(kernel):
    settings = ScoreSmoothing(points=5, kappa=0.5, start_time=0.2, curve="circle", kernel=kernel)
    problem = Problem(settings, Simulation(samples=1000, runs=3, steps=60, smallest_time=1e-4))
    return solve(problem), simulate(problem, workers=1)


@pytest.mark.slow
def test_stated_power_is_the_rate_of_rejection():
    settings = ScoreSmoothing(**LINE)
    # Many runs: with a few the standard errors, and with them the statement, are themselves uncertain.
    plan = {"samples": 500, "runs": 24, "steps": 100}
    problem = Problem(settings, Simulation(**plan))
    v = compare(solve(problem), simulate(problem, workers=1))
    kappa = settings.kappa * (1 + v.power["score_smoothing.kappa"])
    rejected = np.mean([not v.passed for v in _verdicts(LINE, 60, {"kappa": kappa}, **plan)])
    assert 0.25 < rejected < 0.8
