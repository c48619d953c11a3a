"""The verdict on training sets: uniform p for a right theory, wrong theories rejected, averages at finite d."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom, kstest

from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow import comparison
from asymptotics.mixture_flow.comparison import compare, predict
from asymptotics.mixture_flow.problem import Problem
from asymptotics.mixture_flow.settings import MixtureFlow, Simulation
from asymptotics.mixture_flow.simulation import run_grid, simulate
from asymptotics.mixture_flow.theory import solve

PLAIN = MixtureFlow(4, 0.8, 0.3)
CASES = [
    (PLAIN, {}),
    (MixtureFlow(8, 1.5, 0.1, noises=2), {}),
    (MixtureFlow(5, 0.8, 0.3, skip=False), {"scheme": "midpoint"}),
    (MixtureFlow(4, 0.8, 0.3, fresh_noise=True), {"scheme": "euler", "clock": "time"}),
]


def problem(flow, **plan):
    base = {"dimension": 200, "runs": 5, "samples": 20, "steps": 20, "times": [0.0, 0.3, 0.7, 1.0]}
    return Problem(flow, Interpolant(), Simulation(**(base | plan)))


def _plain_run(rng, n, sigma, lam, d, points, steps):
    """One training set and its points in plain NumPy: M, Q_ξ, Q_η, mean cosine, error of the mean at t = 1, Euler in time."""
    mu = np.ones(d)
    x1, x0 = mu + sigma * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    x = rng.standard_normal((points, d))
    first = None
    for k in range(steps):
        t = k / steps
        y = (1 - t) * x0 + t * x1
        total = y.sum(axis=0)
        b = ((y * x1).sum() - total @ x1.sum(axis=0) / (n + lam)) / ((y * y).sum() - total @ total / (n + lam))
        v = (x1.sum(axis=0) - b * total) / (n + lam)
        sign = np.sign(x @ v)
        first = sign if first is None else first
        f = b * x + sign[:, None] * v
        x = x + (f - x) / (1 - t) / steps
    mean = (first[:, None] * x).mean(axis=0)
    basis = np.stack([mu, x0.sum(axis=0), x1.sum(axis=0) - n * mu])
    big_m, q_xi, q_eta = np.linalg.solve(basis @ basis.T, basis @ mean)
    cosine = np.mean(first * (x @ mu) / np.linalg.norm(x, axis=1)) / np.sqrt(d)
    variance = np.sum((x * first[:, None] - mean) ** 2) / (points - 1)
    return big_m, q_xi, q_eta, cosine, (np.sum((mean - mu) ** 2) - variance / points) / d


def test_averages_at_a_small_dimension_in_plain_numpy():
    """At d = 30 the corrections are many standard errors; nothing of the package enters the runs."""
    n, sigma, lam, d, steps = 3, 0.9, 0.4, 30, 25
    rng = np.random.default_rng(5)
    runs = np.array([_plain_run(rng, n, sigma, lam, d, 20, steps) for _ in range(1500)])
    plan = {"dimension": d, "steps": steps, "samples": 20, "scheme": "euler", "clock": "time", "times": [1.0]}
    p = problem(MixtureFlow(n, sigma, lam), **plan)
    found, limit = predict(p, run_grid(p), 40_000), solve(p, times=[1.0])
    for k, name in enumerate(("M", "Q_xi", "Q_eta", "cosine", "mean_error")):
        value, allowance = found[name]
        sem = runs[:, k].std() / np.sqrt(len(runs))
        # The cosine is expanded to 1/d.
        more = d**-1.5 if name == "cosine" else 0.0
        assert abs(runs[:, k].mean() - float(np.ravel(value)[0])) < 4 * sem + 3 * float(np.ravel(allowance)[0]) + more
        if name == "M":
            assert abs(runs[:, k].mean() - limit.M[0]) > 20 * sem


def _verdicts(flow, plan, seeds, wrong=None):
    """Verdicts at many seeds; the prediction is made once."""
    p = problem(flow, **plan)
    changed = dataclasses.replace(p, mixture_flow=flow.replace(**(wrong or {})))
    kept, theory = predict(changed, run_grid(changed)), solve(changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "predict", lambda *_: kept)
        patch.setattr(comparison, "_power", lambda *_: {})
        for seed in range(seeds):
            here = dataclasses.replace(p, simulation=p.simulation.replace(seed=seed))
            runs = simulate(here, workers=1, progress=False)
            yield compare(theory, dataclasses.replace(runs, experiment=changed.to_tables()))


@pytest.mark.slow
@pytest.mark.parametrize(("flow", "plan"), CASES)
def test_p_is_uniform_for_a_right_theory(flow, plan):
    seeds = 200
    verdicts = list(_verdicts(flow, plan, seeds))
    p = np.array([v.p_value for v in verdicts])
    # Small allowances make p larger: only small p would be wrong.
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.005
    assert np.mean(p) < 0.65
    failed = sum(not v.passed for v in verdicts)
    assert binom.sf(failed - 1, seeds, 0.01) > 0.005


@pytest.mark.parametrize("wrong", [{"cluster_std": 0.86}, {"centroid_norm": 1.07}, {"ridge": 0.36}, {"noises": 2}])
def test_a_wrong_theory_is_rejected(wrong):
    assert not any(v.passed for v in _verdicts(PLAIN, {"dimension": 2000, "runs": 6}, 2, wrong))


def test_verdict_states_its_power_and_what_it_did_not_test():
    p = problem(PLAIN)
    v = compare(solve(p), simulate(p, workers=1))
    assert set(v.power) == {"mixture_flow.cluster_std", "mixture_flow.ridge", "mixture_flow.centroid_norm"}
    assert 1e-3 < v.power["mixture_flow.cluster_std"] < 0.5
    assert all(r.source for r in v.rows if np.any(r.allowance))
    # Allowances are far below what the runs can resolve.
    for r in v.rows:
        seen = np.asarray(r.sem) > 1e-9
        assert np.all(np.broadcast_to(r.allowance, seen.shape)[seen] < 0.35 * np.asarray(r.sem)[seen]), r.name
    fresh = problem(PLAIN.replace(fresh_noise=True), scheme="euler")
    assert "noise_overlap" in dict(compare(solve(fresh), simulate(fresh, workers=1)).not_tested)
