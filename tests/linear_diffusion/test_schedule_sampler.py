"""Schedule and sampler: published numbers, the step-by-step recursion, and points that are really sampled."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import power_law
from asymptotics.linear_diffusion.averaged.generated import generated_averages
from asymptotics.linear_diffusion.diffusion.sampler import (
    continuous_variance,
    generated_mean,
    generated_variance,
    reverse_variances,
    run_modes,
)
from asymptotics.linear_diffusion.diffusion.schedule import Schedule
from asymptotics.linear_diffusion.process import gaussian_divergences, moments, run_sampler, train_descent


def test_schedule_anchors(reference):
    schedule = Schedule(1000)
    assert schedule.alpha_bar[100] == reference("linear.sampler.alpha_bar_100")
    assert schedule.alpha_bar[1000] == reference("linear.sampler.alpha_bar_1000")
    assert schedule.alpha_bar[0] == 1.0
    assert schedule.beta[1] == pytest.approx(1e-4 + 9.9e-3 / 1000)
    assert schedule.noise + schedule.alpha_bar == pytest.approx(np.ones(1001))


@pytest.mark.parametrize("steps", [1, 7, 400])
def test_schedule_is_a_product(steps):
    schedule, product = Schedule(steps), 1.0
    for t in range(1, steps + 1):
        product *= 1 - (1e-4 + (1e-2 - 1e-4) * t / steps)
        assert schedule.alpha_bar[t] == pytest.approx(product, rel=1e-12)


@pytest.mark.parametrize("call", [lambda: Schedule(0), lambda: Schedule(5, 0.0), lambda: Schedule(5).step(6)])
def test_bad_schedules(call):
    with pytest.raises(InputError):
        call()


def test_sampler_anchors(reference):
    schedule, s0 = Schedule(1000), 0.1 + 0.01
    assert generated_mean(s0, schedule) == reference("linear.sampler.mean")
    for name in ("beta", "posterior", "exact"):
        assert generated_variance(s0, schedule, name) == reference(f"linear.sampler.{name}")
    without = generated_variance(s0, schedule, "beta", last_noise=False)
    assert without == reference("linear.sampler.beta_without_last_noise")


def by_recursion(s0, schedule, variance, start):
    """Mean factor and variance of one mode, step by step from the reverse update itself."""
    mean, v = 0.0, start
    for t in range(schedule.steps, 0, -1):
        ab, before, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
        second = ab * s0 + 1 - ab
        gain = (1 - beta / np.sqrt(1 - ab) * np.sqrt(1 - ab) / second) / np.sqrt(1 - beta)
        shift = beta / second / np.sqrt(1 - beta) * np.sqrt(ab)
        sigma2 = {
            "beta": beta,
            "posterior": beta * (1 - before) / (1 - ab),
            "exact": beta * (before * s0 + 1 - before) / second,
        }[variance]
        mean, v = gain * mean + shift, gain**2 * v + sigma2
    return mean, v


@pytest.mark.parametrize("variance", ["beta", "posterior", "exact"])
@pytest.mark.parametrize("steps", [5, 137])
def test_telescoped_solution_is_the_recursion(variance, steps):
    schedule = Schedule(steps, 1e-3, 0.05)
    s0 = np.array([0.0, 1e-3, 0.3, 1.0, 7.0])
    found = generated_variance(s0, schedule, variance, initial_variance=1.3)
    means = generated_mean(s0, schedule)
    for k, s in enumerate(s0):
        mean, v = by_recursion(s, schedule, variance, 1.3)
        assert found[k] == pytest.approx(v, rel=1e-9, abs=1e-14)
        assert means[k] == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_special_cases_of_the_variance():
    schedule = Schedule(300)
    # each of the two usual choices is exact for one variance of the data
    one = schedule.alpha_bar[-1] + schedule.noise[-1]
    assert generated_variance(1.0, schedule, "beta", initial_variance=one) == pytest.approx(1.0)
    assert generated_variance(0.0, schedule, "posterior") == 0.0
    assert generated_variance(0.0, schedule, "beta") == pytest.approx(schedule.beta[1])
    assert generated_variance(0.0, schedule, "beta", last_noise=False) == 0.0
    s0 = np.array([0.2, 4.0])
    start = schedule.alpha_bar[-1] * s0[1] + schedule.noise[-1]
    assert generated_variance(s0[1], schedule, "exact", initial_variance=start) == pytest.approx(4.0)
    assert generated_variance(s0, schedule, "exact") == pytest.approx(continuous_variance(s0, schedule))
    last = schedule.alpha_bar[-1] * s0 + schedule.noise[-1]
    assert generated_variance(s0, schedule, "flow") == pytest.approx(s0 / last)


def test_usual_variances_approach_the_continuous_limit_as_one_over_steps():
    errors = []
    for steps in (200, 400, 800):
        schedule = Schedule(steps, 2e-2 / steps, 10.0 / steps)  # the same noise in the end, in finer steps
        limit = continuous_variance(0.3, schedule)
        errors.append(abs(generated_variance(0.3, schedule, "beta") - limit))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("variance", [pytest.param("beta", marks=pytest.mark.slow), "posterior", "exact"])
def test_points_that_went_through_the_sampler_have_these_moments(variance):
    rng = np.random.default_rng(2)
    d, points, c, schedule = 4, 60_000, 0.02, Schedule(60, 1e-3, 0.2)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    values = np.array([0.0, 0.1, 1.0, 5.0])
    mean = rng.standard_normal(d)
    u = run_sampler(rng, points, mean, basis * values @ basis.T, schedule, c, variance, True)
    found_mean, found = moments(u)
    expected = generated_variance(values + c, schedule, variance)
    along = basis.T @ found @ basis
    assert np.abs(np.diag(along) / expected - 1).max() < 4 * np.sqrt(2 / points)
    off = along - np.diag(np.diag(along))
    assert np.abs(off / np.sqrt(np.outer(expected, expected))).max() < 4.5 / np.sqrt(points)
    wanted = basis @ (generated_mean(values + c, schedule) * (basis.T @ mean))
    assert np.abs(basis.T @ (found_mean - wanted) / np.sqrt(expected / points)).max() < 4


def test_samples_of_early_stopped_descent_at_all_steps():
    # all W_t trained by gradient descent and stopped early, then sampled from: against the recursion of the modes
    rng = np.random.default_rng(8)
    c, schedule, rate, iterations = 0.05, Schedule(40, 1e-3, 0.2), 0.05, 12
    values, mean, points = np.array([0.0, 0.4, 3.0]), np.array([1.0, -0.5, 2.0]), 40_000
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    covariance = basis * values @ basis.T
    weights = train_descent(covariance, schedule, np.arange(1, 41), c, rate, iterations)
    u = run_sampler(rng, points, basis @ mean, covariance, schedule, c, "beta", True, weights)
    second = schedule.alpha_bar[1:, None] * (values + c) + schedule.noise[1:, None]
    trained = np.sqrt(schedule.noise[1:, None]) * (1 - (1 - 2 * rate * second) ** iterations) / second
    factor, variances = run_modes(trained, reverse_variances(schedule, "beta", values + c), schedule)
    found_mean, found = moments(u @ basis)
    assert np.abs(np.diag(found) / variances - 1).max() < 4 * np.sqrt(2 / points)
    assert np.abs((found_mean - factor * mean) / np.sqrt(variances / points)).max() < 4
    # stopped this early, the spread is still far from that of the trained model
    assert np.abs(variances / generated_variance(values + c, schedule) - 1).max() > 0.2


def test_noise_free_sampler_approaches_the_probability_flow():
    rng = np.random.default_rng(4)
    errors = []
    for steps in (100, 200, 400):
        schedule = Schedule(steps, 2e-2 / steps, 10.0 / steps)
        u = run_sampler(rng, 20_000, np.zeros(1), np.array([[3.0]]), schedule, 0.0, "flow", True)
        sigma = np.sqrt(2 / 20_000)
        errors.append(u.var() / float(generated_variance(3.0, schedule, "flow")) - 1)
    assert abs(errors[2]) < 0.02 + 3 * sigma
    assert abs(errors[2]) < abs(errors[0]) + 3 * sigma


def test_divergence_of_sampled_points_is_unbiased():
    rng = np.random.default_rng(5)
    d, points, runs = 6, 20, 4000
    target = np.diag(rng.uniform(0.5, 2.0, d))
    mean, root = 0.3 * rng.standard_normal(d), rng.standard_normal((d, d)) / 2 + np.eye(d)
    covariance = root @ root.T
    exact = gaussian_divergences(mean, covariance, target)
    found = np.array(
        [
            gaussian_divergences(*moments(mean + rng.standard_normal((points, d)) @ root.T), target, points)
            for _ in range(runs)
        ]
    )
    sem = found.std(axis=0, ddof=1) / np.sqrt(runs)
    assert np.abs(found.mean(axis=0) - exact).max() < 10 * sem.max()
    assert np.all(np.abs(found.mean(axis=0) - exact) < 3.5 * sem)
    assert np.all(np.isnan(gaussian_divergences(mean, covariance, target, d + 2)))


@pytest.mark.parametrize(("exponent", "samples", "c"), [(1, 40, 0.05), (0, 80, 0.0), (1, 20, 0.05)])
def test_averaged_divergences_of_the_sampler(exponent, samples, c):
    # independent: dense covariance propagation through the reverse steps, for drawn data sets
    rng = np.random.default_rng(6)
    d, schedule = 40, Schedule(60, 1e-3, 0.1)
    values = power_law(d, exponent).eigenvalues
    rows = []
    for _ in range(60):
        mean, covariance = moments(rng.standard_normal((samples, d)) * np.sqrt(values))
        average, spread = np.zeros(d), np.eye(d)
        for t in range(schedule.steps, 0, -1):
            ab, beta = schedule.alpha_bar[t], schedule.beta[t]
            second = ab * (covariance + c * np.eye(d)) + (1 - ab) * np.eye(d)
            gain = (np.eye(d) - beta * np.linalg.inv(second)) / np.sqrt(1 - beta)
            average = gain @ average + np.sqrt(ab / (1 - beta)) * beta * np.linalg.solve(second, mean)
            spread = gain @ spread @ gain.T + beta * np.eye(d)
        rows.append((np.trace(spread), *gaussian_divergences(average, spread, np.diag(values))))
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    g = generated_averages(values, samples, c, schedule, "beta", order=1)
    bare = generated_averages(values, samples, c, schedule, "beta")
    for k, name in enumerate(("trace", "kl_generated_target", "kl_target_generated")):
        value, change = getattr(g, name), getattr(g, name) - getattr(bare, name)
        assert abs(found[:, k].mean() - value) < 3.5 * sem[k] + 2 * change**2 / abs(value), name
