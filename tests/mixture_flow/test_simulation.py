"""The full process against the theory, with standard errors over training sets."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.comparison import compare, half_space_bias, predict
from asymptotics.mixture_flow.equations.order_parameters import at, final_state, order_parameters
from asymptotics.mixture_flow.finite_size import Draws
from asymptotics.mixture_flow.problem import Problem
from asymptotics.mixture_flow.settings import MixtureFlow, Simulation
from asymptotics.mixture_flow.simulation import run_grid, simulate
from asymptotics.mixture_flow.theory import solve

LINEAR = Interpolant()


def experiment(flow, interpolant=LINEAR, **simulation):
    return Problem(flow, interpolant, Simulation(**simulation))


@pytest.mark.parametrize(
    ("flow", "interpolant", "simulation"),
    [
        (MixtureFlow(8, 1.5, 0.1), LINEAR, {"dimension": 1500, "seed": 1}),
        (MixtureFlow(2, 0.5, 0.0, 1.4), Interpolant.preset("variance-preserving"), {"dimension": 2000, "seed": 2}),
        (
            MixtureFlow(16, 0.7, 0.2, 0.8),
            Interpolant.preset("trigonometric"),
            {"scheme": "heun", "clock": "time", "seed": 3},
        ),
        (MixtureFlow(5, 0.9, 0.3, noises=4), LINEAR, {"scheme": "euler", "clock": "time", "seed": 4}),
        (MixtureFlow(6, 0.8, 0.2, skip=False), LINEAR, {"scheme": "euler", "seed": 5}),
        (
            MixtureFlow(8, 0.8, 0.1, fresh_noise=True),
            LINEAR,
            {"scheme": "euler", "dimension": 1500, "steps": 80, "seed": 6},
        ),
        (MixtureFlow(6, 0.0, 0.4), LINEAR, {"seed": 7}),
    ],
    ids=["reference", "n=2", "heun", "K=4", "no skip", "fresh noise", "no spread"],
)
def test_theory_against_the_full_process(flow, interpolant, simulation):
    problem = experiment(flow, interpolant, **({"dimension": 1500, "runs": 12, "samples": 150} | simulation))
    runs = simulate(problem, workers=1)
    verdict = compare(solve(problem), runs)
    assert verdict.passed, verdict.summary()
    assert runs.mistakes.sum() == 0 and runs.flips.sum() == 0


def test_a_wrong_theory_fails():
    problem = experiment(MixtureFlow(8, 1.5, 0.1), dimension=1500, runs=12, samples=150, seed=1)
    runs = simulate(problem, workers=1)
    wrong = problem.mixture_flow.replace(ridge=0.3)
    runs.experiment["mixture_flow"] = wrong.to_table()
    verdict = compare(solve(Problem(wrong, LINEAR, problem.simulation)), runs)
    assert not verdict.passed and "M" in verdict.failures()


@pytest.mark.ci
def test_half_space_bias_is_seen_and_shrinks_with_the_dimension():
    flow = MixtureFlow(4, 0.8, 0.3)
    gaps = {}
    for d, count in ((250, 160), (4000, 40)):
        runs = simulate(experiment(flow, dimension=d, runs=count, samples=100, times=[1.0], seed=8), workers=1)
        asymptotic = at(flow, LINEAR, [1.0])
        bias = half_space_bias(flow, asymptotic.perp, d)
        for name, factor in (("M", 4), ("Q_eta", 1)):
            gap, sem = runs.mean(name) - getattr(asymptotic, name), runs.sem(name)
            assert abs(gap - factor * bias) < 4 * sem + factor * bias * 8 / d
            assert gap > 5 * sem
        gaps[d] = runs.mean("M") - asymptotic.M
    assert gaps[250] / gaps[4000] == pytest.approx(4, rel=0.25)
    # d = 5000, n = 4: .0090 for M and .0022 for Q_eta.
    assert 4 * half_space_bias(flow, asymptotic.perp, 5000)[0] == pytest.approx(0.0090, abs=5e-5)


@pytest.mark.parametrize("noises", [1, 2])
def test_second_order_shift_at_small_dimension(noises):
    # d = 40, 60 000 training sets: the shifts of b and E are seen, and as derived up to O(1/d²).
    flow, d, count = MixtureFlow(3, 0.9, 0.5, 1.2, noises), 40, 60_000
    alpha, beta, n, total = 0.5, 0.5, 3, 3 * noises
    rng = np.random.default_rng(9)
    c = np.zeros((3, count))
    for j in range(0, count, 5000):
        x1 = 1.2 + 0.9 * rng.standard_normal((5000, n, d))
        x0 = rng.standard_normal((5000, noises, n, d))
        data, noise = noises * x1.sum(axis=1), x0.sum(axis=(1, 2))
        scale = total + 0.5
        c[0, j : j + 5000] = np.einsum("rkmi,rkmi->r", x0, x0) - np.einsum("ri,ri->r", noise, noise) / scale
        c[1, j : j + 5000] = np.einsum("rkmi,rmi->r", x0, x1) - np.einsum("ri,ri->r", noise, data) / scale
        c[2, j : j + 5000] = noises * np.einsum("rmi,rmi->r", x1, x1) - np.einsum("ri,ri->r", data, data) / scale

    def skip(c00, c01, c11):
        return (alpha * c01 + beta * c11) / (alpha**2 * c00 + 2 * alpha * beta * c01 + beta**2 * c11)

    def envelope(c00, c01, c11):
        return np.sqrt(alpha**2 + (2 * alpha * beta * c01 + beta**2 * c11) / c00)

    exact = order_parameters(alpha, beta, **flow.to_table())
    drawn = Draws(flow, d, 40_000).noise()[1:]
    for function, limit, visible in ((skip, exact.b, noises == 1), (envelope, exact.perp, True)):
        values, predicted = function(*c), function(*drawn)
        sem = np.hypot(values.std() / np.sqrt(count), predicted.std() / np.sqrt(40_000))
        assert abs(values.mean() - limit) > 3 * values.std() / np.sqrt(count) or not visible
        assert abs(values.mean() - predicted.mean()) < 4 * sem
        assert predicted.std() == pytest.approx(values.std(), rel=0.05)


def test_memorisation_at_large_dimension():
    flow = MixtureFlow(8, 0.8, 0.3)
    runs = simulate(experiment(flow, dimension=6000, runs=8, samples=60, times=[1.0], seed=10), workers=1)
    theory = final_state(**flow.to_table())
    for name in ("data_overlap", "noise_overlap", "training_distance"):
        assert abs(runs.mean(name) - getattr(theory, name)) < 4.5 * runs.sem(name) + 20 / 6000, name


def test_learned_noise_averages_out():
    flow = MixtureFlow(8, 0.8, 0.0)
    errors = {}
    for fresh in (False, True):
        problem = experiment(
            flow.replace(fresh_noise=fresh),
            dimension=1500,
            runs=6,
            samples=60,
            steps=100,
            scheme="euler",
            clock="time",
            seed=11,
        )
        runs = simulate(problem, workers=1)
        prediction, allowance = predict(problem, run_grid(problem))["mean_error"]
        errors[fresh] = runs.mean("mean_error")
        assert abs(errors[fresh] - prediction) < 4.5 * runs.sem("mean_error") + allowance
    # .16 with fixed noises, .08 with fresh ones, up to O(1/steps) and O(1/√d).
    assert errors[False] == pytest.approx(0.16, abs=0.01)
    assert errors[True] == pytest.approx(0.08, abs=0.01)


def test_more_runs_leave_the_first_ones_as_they_are():
    problem = experiment(MixtureFlow(4, 0.8, 0.3), dimension=300, runs=3, samples=20, times=[0.5, 1.0], seed=12)
    longer = simulate(Problem(problem.mixture_flow, LINEAR, problem.simulation.replace(runs=4)), workers=1)
    assert np.array_equal(longer.M[:3], simulate(problem, workers=1).M)


def test_order_of_the_times_and_chunks_of_points(monkeypatch):
    flow = MixtureFlow(4, 0.8, 0.3)
    forward = simulate(experiment(flow, dimension=300, runs=2, samples=30, times=[0.2, 0.7, 1.0], seed=13), workers=1)
    back = simulate(experiment(flow, dimension=300, runs=2, samples=30, times=[1.0, 0.2, 0.7], seed=13), workers=1)
    np.testing.assert_allclose(forward.M, back.M[:, [1, 2, 0]], atol=1e-13)
    monkeypatch.setattr("asymptotics.mixture_flow.process.run._CHUNK", 300 * 7)
    chunks = simulate(experiment(flow, dimension=300, runs=2, samples=30, times=[0.2, 0.7, 1.0], seed=13), workers=1)
    np.testing.assert_allclose(chunks.M, forward.M, atol=0.05)
    assert not np.array_equal(chunks.M, forward.M)


def test_single_run_has_no_standard_error():
    problem = experiment(MixtureFlow(4, 0.8, 0.3), dimension=100, runs=1, samples=5)
    runs = simulate(problem, workers=1)
    assert runs.to_json()["sem"]["M"] == [None] * 11
    with pytest.raises(InputError, match=r"simulation\.runs = 1"):
        compare(solve(problem), runs)


@pytest.mark.parametrize(
    ("flow", "simulation", "message"),
    [
        (MixtureFlow(4, 0.8, 0.3, skip=False), {"scheme": "rk4"}, "euler or midpoint"),
        (MixtureFlow(4, 0.0, 0.0), {"scheme": "heun"}, "euler or midpoint"),
        (MixtureFlow(4, 0.8, 0.3, fresh_noise=True), {"scheme": "heun"}, "must be euler"),
    ],
)
def test_schemes_that_would_meet_a_pole(flow, simulation, message):
    with pytest.raises(InputError, match=message):
        simulate(experiment(flow, **simulation), workers=1)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "runs"), [(1024, 4000, 4), (64, 50_000, 4)])
def test_large_sizes(n, d, runs):
    problem = experiment(MixtureFlow(n, 0.7, 0.2), dimension=d, runs=runs, samples=100, times=[0.5, 1.0], seed=14)
    measured = simulate(problem, workers=1)
    verdict = compare(solve(problem), measured)
    assert verdict.passed, verdict.summary()
