"""Losses and training curves: published numbers, dense simulation, ordinary differential equation, contour against modes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import minimize_scalar

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import load_spectrum, power_law
from asymptotics.linear_diffusion.averaged.losses import averaged_losses, corrected_losses, total_losses
from asymptotics.linear_diffusion.averaged.training import averaged_training
from asymptotics.linear_diffusion.diffusion.relaxation import mode_stopping_time
from asymptotics.linear_diffusion.diffusion.schedule import Schedule
from asymptotics.linear_diffusion.process import gradient, moments, train_closed_form, train_descent, train_flow


@pytest.fixture(scope="module")
def spectrum():
    return power_law(200, 1).eigenvalues


def test_loss_anchors(spectrum, reference):
    schedule = Schedule(1000)
    assert averaged_losses(spectrum, 50, 0.01, schedule, 100) == reference("linear.d200.losses_c01_n50")
    assert averaged_losses(spectrum, 800, 0.01, schedule, 100) == reference("linear.d200.losses_c01_n800")
    assert total_losses(spectrum, 100, 0.01, schedule) == reference("linear.d200.total_c01")


@pytest.mark.parametrize("c", [0.0, 1e-4, 1.0])
@pytest.mark.parametrize("samples", [3, 60, 900])
@pytest.mark.parametrize("steps", [3, 400, 5000])
def test_total_is_the_sum_over_all_steps(c, samples, steps):
    values, schedule = power_law(60, 1.3).eigenvalues, Schedule(steps)
    train, test = averaged_losses(values, samples, c, schedule, np.arange(1, steps + 1))
    assert total_losses(values, samples, c, schedule) == pytest.approx((train.sum(), test.sum()), rel=1e-10)


def test_more_data_brings_train_and_test_together(spectrum):
    schedule = Schedule(1000)
    gaps = [np.subtract(*averaged_losses(spectrum, n, 0.0, schedule, 100)[::-1]) for n in (400, 4000, 40000)]
    assert gaps[0] > 8 * gaps[1] > 64 * gaps[2] > 0
    # infinite data: the loss of the Bayes-optimal denoiser, Σ ᾱλ/(ᾱλ + 1 − ᾱ)
    ab = schedule.alpha_bar[100]
    best = (ab * spectrum / (ab * spectrum + 1 - ab)).sum()
    assert averaged_losses(spectrum, 10**8, 0.0, schedule, 100) == pytest.approx((best, best), rel=1e-4)


def test_dynamics_anchors(spectrum, reference):
    curve = averaged_training(spectrum, 100, 0.0, Schedule(1000), 100)
    train, test = curve.losses(np.array([1.0, 10.0]))
    assert test == reference("linear.d200.stopping_c0")
    assert np.all(train < test)
    assert curve.optimum() == reference("linear.d200.optimum_c0")


@pytest.mark.parametrize("time", [1, 100, 1000])
@pytest.mark.parametrize("samples", [30, 785, 3000])
def test_training_for_ever_ends_at_the_optimum(samples, time):
    values, schedule = load_spectrum("mnist").eigenvalues, Schedule(1000)
    curve = averaged_training(values, samples, 1e-3, schedule, time)
    end = curve.losses(1e3 / curve.slowest)
    assert end == pytest.approx(averaged_losses(values, samples, 1e-3, schedule, time), rel=1e-9)
    assert curve.losses(0.0) == pytest.approx((784, 784), rel=1e-9)


def test_optimum_is_the_minimum_of_the_curve(spectrum):
    for time, samples in ((1, 30), (300, 100), (900, 1000)):
        curve = averaged_training(spectrum, samples, 0.001, Schedule(1000), time)
        best = minimize_scalar(
            lambda x, curve=curve: curve.losses(np.exp(x))[1], bounds=(-3, 4), method="bounded", options={"xatol": 1e-8}
        )
        tau, loss = curve.optimum()
        assert tau == pytest.approx(np.exp(best.x), rel=1e-5)
        assert loss == pytest.approx(best.fun, rel=1e-10)


def test_no_optimum_where_the_loss_falls_for_ever(spectrum):
    curve = averaged_training(spectrum, 100_000, 1.0, Schedule(1000), 500)
    tau, loss = curve.optimum()
    assert tau is None
    assert loss == pytest.approx(averaged_losses(spectrum, 100_000, 1.0, Schedule(1000), 500)[1])


def dense_losses(w, covariance, mean, ab, noise):
    """E‖ε − W(x_t − √ᾱ μ₀)‖² over noise, on data with this covariance and distance ``mean`` from the training mean."""
    d = len(w)
    second = ab * (covariance + np.outer(mean, mean)) + noise * np.eye(d)
    return d - 2 * np.sqrt(noise) * np.trace(w) + np.trace(w @ second @ w.T)


@pytest.mark.parametrize(
    ("samples", "exponent", "c"),
    [
        (4, 1, 0.0),
        (40, 1, 0.02),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((20, 0, 0.0), (80, 2, 0.0), (400, 1, 0.1))),
    ],
)
def test_average_over_drawn_data_sets(samples, exponent, c):
    rng, d, schedule, t = np.random.default_rng(samples), 40, Schedule(400), 60
    values = power_law(d, exponent).eigenvalues
    ab, noise = schedule.alpha_bar[t], schedule.noise[t]
    taus, rows = (0.2, 1.0, 4.0), []
    for _ in range(120):
        mean, covariance = moments(rng.standard_normal((samples, d)) * np.sqrt(values))
        second = ab * (covariance + c * np.eye(d)) + noise * np.eye(d)
        end = np.sqrt(noise) * np.linalg.inv(second)
        weights = [end] + [end @ (np.eye(d) - expm(-2 * tau * second)) for tau in taus]
        train = [dense_losses(w, covariance, 0 * mean, ab, noise) for w in weights]
        test = [dense_losses(w, np.diag(values), mean, ab, noise) for w in weights]
        rows.append(train + test)
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    bare = averaged_losses(values, samples, c, schedule, t)
    full = corrected_losses(values, samples, c, schedule, t)
    curves = [averaged_training(values, samples, c, schedule, t, order=k).losses(np.array(taus)) for k in (0, 1)]
    plain = np.concatenate([[bare[0]], curves[0][0], [bare[1]], curves[0][1]])
    theory = np.concatenate([[full[0]], curves[1][0], [full[1]], curves[1][1]])
    scale = np.abs(theory) * np.r_[np.ones(4), np.full(4, 1 - theory[0] / theory[4])]
    assert np.all(np.abs(found.mean(axis=0) - theory) < 3.5 * sem + 2 * (theory - plain) ** 2 / scale)


def test_descent_on_average_and_against_the_flow():
    values, schedule = power_law(50, 1).eigenvalues, Schedule(200)
    flow = averaged_training(values, 40, 0.0, schedule, 60)
    errors = []
    for rate in (2e-3, 1e-3):
        curve = averaged_training(values, 40, 0.0, schedule, 60, learning_rate=rate)
        errors.append(abs(curve.losses(2.0)[1] - flow.losses(2.0)[1]))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    with pytest.raises(InputError, match="learning_rate"):
        averaged_training(values, 40, 0.0, schedule, 60, learning_rate=1.0)
    # averaged descent against dense descent on drawn data sets
    rng, rows = np.random.default_rng(0), []
    curve = averaged_training(values, 40, 0.0, schedule, 60, learning_rate=5e-3, order=1)
    ab, noise = schedule.alpha_bar[60], schedule.noise[60]
    for _ in range(40):
        mean, covariance = moments(rng.standard_normal((40, 50)) * np.sqrt(values))
        (w,) = train_descent(covariance, schedule, np.array([60]), 0.0, 5e-3, 300)
        rows.append(
            (dense_losses(w, covariance, 0 * mean, ab, noise), dense_losses(w, np.diag(values), mean, ab, noise))
        )
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - curve.losses(1.5)) < 3.5 * sem)


def test_training_in_the_full_space_is_what_it_should_be():
    rng, d, c = np.random.default_rng(7), 5, 0.03
    x = rng.standard_normal((9, d)) * np.arange(1, d + 1) + 1.0
    schedule, t = Schedule(50), 20
    ab, noise = schedule.alpha_bar[t], schedule.noise[t]
    mean, covariance = moments(x)
    second = ab * (covariance + c * np.eye(d)) + noise * np.eye(d)
    # regression with intercept on many noised copies: ordinary least squares knows nothing of the formulae
    copies = 100_000
    index = rng.integers(0, len(x), copies)
    index = np.repeat(np.arange(len(x)), copies // len(x))
    epsilon = rng.standard_normal((index.size, d))
    noised = np.sqrt(ab) * x[index] + np.sqrt(noise) * epsilon
    design = np.column_stack([noised, np.ones(index.size)])
    gram = design.T @ design / index.size + np.diag([ab * c] * d + [0.0])
    solution = np.linalg.solve(gram, design.T @ epsilon / index.size).T
    weights, offset = train_closed_form(mean, covariance, ab, noise, c)
    assert np.abs(solution[:, :d] - weights).max() < 0.02
    assert np.abs(solution[:, d] - offset).max() < 0.06
    # and it is where the flow and the descent end
    assert weights == pytest.approx(np.sqrt(noise) * np.linalg.inv(second), abs=1e-12)
    assert offset == pytest.approx(-np.sqrt(ab) * weights @ mean, abs=1e-12)
    assert np.abs(gradient(weights, second, noise)).max() < 1e-12
    descended = train_descent(covariance, schedule, np.array([10, 20]), c, 0.5 / np.linalg.eigvalsh(second)[-1], 40_000)
    assert descended[1] == pytest.approx(weights, abs=1e-6)
    tau = np.array([0.1, 0.5])
    solved = solve_ivp(
        lambda _, w: -gradient(w.reshape(d, d), second, noise).ravel(),
        (0, 0.5),
        np.zeros(d * d),
        t_eval=tau,
        rtol=1e-10,
        atol=1e-12,
    )
    for k, w in enumerate(train_flow(second, noise, tau)):
        assert np.abs(w.ravel() - solved.y[:, k]).max() < 1e-5
        assert np.abs(w - weights @ (np.eye(d) - expm(-2 * tau[k] * second))).max() < 1e-5
    with pytest.raises(InputError, match="limit of stability"):
        train_descent(covariance, schedule, np.array([20]), c, 10.0, 1)


def test_mode_stopping_time():
    s, power = np.array([0.5, 0.5, 2.0]), np.array([1.0, 0.4, 2.5])
    tau = mode_stopping_time(s, power)
    assert np.isinf(tau[1])
    for k in (0, 2):
        best = minimize_scalar(
            lambda x, k=k: 1 - 2 * 0.3 * (w := 0.3 * (1 - np.exp(-2 * s[k] * x)) / s[k]) + w**2 * power[k],
            bounds=(0, 10),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert tau[k] == pytest.approx(best.x, rel=1e-5)


def test_bad_arguments(spectrum):
    schedule = Schedule(100)
    for call, message in (
        (lambda: averaged_training(spectrum, 1, 0.0, schedule, 10), "samples = 1"),
        (lambda: averaged_training(spectrum, 9, -0.5, schedule, 10), "regularisation = -0.5"),
        (lambda: averaged_training(spectrum, 9, 0.0, schedule, 101), "time = 101"),
    ):
        with pytest.raises(InputError, match=message):
            call()
