"""Closed-form theory of the binary-mixture flow: published numbers, limits, and independent integrations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.equations.order_parameters import at, final_state, order_parameters
from asymptotics.mixture_flow.settings import MixtureFlow

PRESETS = [Interpolant.preset(name) for name in ("linear", "trigonometric", "variance-preserving")]
ODD = Interpolant("(1 - t)**2*(1 + t)", "sin(pi*t/2)**3")
FLOWS = [
    MixtureFlow(8, 1.5, 0.1),
    MixtureFlow(2, 0.4, 0.0, centroid_norm=2.5),
    MixtureFlow(5, 0.7, 3.0, noises=4),
    MixtureFlow(64, 2.0, 0.2, centroid_norm=0.3),
]


def test_reference_point():
    values = order_parameters(0.0, 1.0, samples=8, cluster_std=1.5, ridge=0.1)
    assert pytest.approx(80 / 81, abs=1e-15) == values.M
    assert values.Q_eta == pytest.approx(10 / 81, abs=1e-15)
    assert values.Q_xi == pytest.approx(-0.18576389, abs=5e-9)
    assert values.perp**2 == pytest.approx(2.25 + 0.1 / 7.1, abs=1e-14)  # 2.264084...


@pytest.mark.rows("mixture.errors")
def test_table_of_errors(n, error, mw2, bayes):
    values = final_state(samples=n, cluster_std=0.7, ridge=0.2)
    assert values.mean_error == pytest.approx(error, abs=5.1e-7)
    assert values.mw2_squared == pytest.approx(mw2, abs=5.1e-7)
    assert values.bayes_error == pytest.approx(bayes, abs=5.1e-7)


def slide_equations(t, y, flow, interpolant):
    """dX = (β̇ − α̇β/α) f + (α̇/α) X with b and w of the ridge problem, as printed: poles in 1/α and all."""
    n, sigma, lam, m = flow.samples, flow.cluster_std, flow.ridge, flow.centroid_norm
    a, b, a_dot, b_dot = (
        float(f(t)) for f in (interpolant.alpha, interpolant.beta, interpolant.alpha_dot, interpolant.beta_dot)
    )
    big_s, ell = lam * (m**2 + sigma**2) + (n - 1) * sigma**2, lam + n - 1
    big_d = a**2 * ell + b**2 * big_s
    skip = b * big_s / big_d
    w = np.array([n * a**2 * ell, -a * b * big_s, a**2 * ell, 0.0]) / ((n + lam) * big_d)
    gain = b_dot - a_dot * b / a
    return gain * (skip * y + w) + a_dot / a * y


@pytest.mark.parametrize("interpolant", [*PRESETS, ODD])
@pytest.mark.parametrize("flow", [f for f in FLOWS if f.noises == 1])
def test_closed_form_solves_the_printed_equations(flow, interpolant):
    times = np.array([0.05, 0.3, 0.8, 0.99])
    path = solve_ivp(
        slide_equations,
        (0, 0.99),
        [0.0, 0, 0, 1],
        args=(flow, interpolant),
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-13,
    )
    exact = at(flow, interpolant, times)
    for row, name in zip(path.y, ("M", "Q_xi", "Q_eta", "perp"), strict=True):
        np.testing.assert_allclose(row, getattr(exact, name), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("flow", FLOWS)
def test_ends_are_exact_for_every_interpolant(flow):
    last = [at(flow, interpolant, [0.0, 1.0]) for interpolant in [*PRESETS, ODD]]
    for values in last:
        assert (
            values.M[0] == values.Q_xi[0] == values.Q_eta[0] == values.b[0] == values.w_xi[0] == values.cosine[0] == 0
        )
        assert values.perp[0] == values.Q[0] == 1
        assert values.b[1] == 1 and values.w_m[1] == values.w_xi[1] == values.w_eta[1] == 0
        for name in vars(values):
            assert np.array_equal(getattr(values, name), getattr(last[0], name)), name
            assert not np.any(np.signbit(getattr(values, name)) & (getattr(values, name) == 0)), name


def test_perfect_data_without_penalty():
    # σ = 0, λ = 0: b and w keep their limits up to t = 1, where E vanishes.
    values = order_parameters([1.0, 0.5, 0.0], [0.0, 0.5, 1.0], samples=3, cluster_std=0.0, ridge=0.0)
    np.testing.assert_array_equal(values.b, 0)
    np.testing.assert_array_equal(values.w_m, 1)
    np.testing.assert_array_equal(values.perp, [1, 0.5, 0])
    assert values.cosine[-1] == 1
    end = final_state(samples=3, cluster_std=0.0, ridge=0.0)
    assert end.mean_error == end.mw2_squared == end.bayes_error == 0


def test_tiny_spreads_do_not_underflow():
    values = order_parameters([0.5, 0.0], [0.5, 1.0], samples=3, cluster_std=1e-155, ridge=0.0)
    assert values.b[1] == 1 and values.w_m[0] == 1 and values.w_m[1] == 0 and np.all(np.isfinite(values.cosine))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 2000),
    sigma=st.floats(0.01, 20),
    lam=st.floats(0, 50),
    m=st.floats(0.05, 20),
    k=st.integers(1, 9),
    t=st.floats(0, 1),
)
def test_invariants(n, sigma, lam, m, k, t):
    flow = MixtureFlow(n, sigma, lam, m, k)
    path = at(flow, PRESETS[0], t)
    end = final_state(**flow.to_table())
    assert 0 <= path.M <= 1 and path.Q_xi <= 0 and 0 <= path.cosine <= 1
    # Generated energy per dimension is the sum of its orthogonal parts.
    parts = (m * path.M) ** 2 + n * k * path.Q_xi**2 + n * (sigma * path.Q_eta) ** 2 + path.perp**2
    assert pytest.approx(parts, rel=1e-12) == path.Q
    # Nothing beats Bayes in the mean, and the exact distance is at least the error of the mean.
    assert end.bayes_error <= end.mean_error * (1 + 1e-12)
    assert end.bayes_cosine >= end.mean_cosine - 1e-12
    assert end.mw2_squared >= end.mean_error
    assert end.no_skip_error < end.mean_error or sigma < 1e-3
    if k == 1:
        sigma_g2 = sigma**2 + lam * m**2 / (lam + n - 1)
        assert end.sigma_generated**2 == pytest.approx(sigma_g2, rel=1e-12)
        expected = (lam**2 * m**2 + n * (sigma**2 + sigma_g2)) / (n + lam) ** 2
        assert end.mean_error == pytest.approx(expected, rel=1e-12)


def test_bayes_error_against_the_full_posterior():
    # The posterior mean of μ over all label patterns, by enumeration on explicit data in moderate dimension.
    rng = np.random.default_rng(5)
    n, d, sigma, m, runs = 4, 300, 0.9, 1.2, 200
    errors = []
    patterns = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=n - 1)], dtype=float)
    for _ in range(runs):
        mu = m * rng.standard_normal(d)
        labels = np.where(rng.random(n) < 0.5, -1.0, 1.0)
        x = labels[:, None] * mu + sigma * rng.standard_normal((n, d))
        sums = patterns @ x
        precision = n / sigma**2 + 1 / m**2
        # log evidence of a pattern: ‖Σ s x‖²/(2 σ⁴ precision).
        log_weight = np.sum(sums**2, axis=1) / (2 * sigma**4 * precision)
        weight = np.exp(log_weight - log_weight.max())
        estimate = (weight / weight.sum()) @ sums / (sigma**2 * precision)
        errors.append(min(np.sum((estimate - mu) ** 2), np.sum((estimate + mu) ** 2)) / d)
    theory = final_state(samples=n, cluster_std=sigma, ridge=0.0, centroid_norm=m).bayes_error
    assert abs(np.mean(errors) - theory) < 4 * np.std(errors) / np.sqrt(runs)


def test_pca_direction_is_the_bayes_direction():
    rng = np.random.default_rng(6)
    n, d, sigma, m, runs = 8, 2000, 0.8, 1.0, 60
    cosines, errors = [], []
    for _ in range(runs):
        mu = np.full(d, m)
        x = np.where(rng.random(n) < 0.5, -1.0, 1.0)[:, None] * mu + sigma * rng.standard_normal((n, d))
        left, _, right = np.linalg.svd(x, full_matrices=False)
        cosines.append(abs(right[0] @ mu) / np.linalg.norm(mu))
        estimate = np.sign(left[:, 0]) @ x / n
        errors.append(min(np.sum((estimate - mu) ** 2), np.sum((estimate + mu) ** 2)) / d)
    theory = final_state(samples=n, cluster_std=sigma, ridge=0.0, centroid_norm=m)
    assert abs(np.mean(cosines) - theory.pca_cosine) < 4 * np.std(cosines) / np.sqrt(runs) + 1 / d
    assert abs(np.mean(errors) - theory.pca_error) < 4 * np.std(errors) / np.sqrt(runs)


def test_values_broadcast():
    values = final_state(samples=np.arange(2, 1025), cluster_std=0.7, ridge=0.2)
    assert {v.shape for v in vars(values).values()} == {(1023,)}
    both = order_parameters(
        np.linspace(1, 0, 5)[:, None], np.linspace(0, 1, 5)[:, None], samples=[2, 3], cluster_std=1, ridge=0
    )
    assert {v.shape for v in vars(both).values()} == {(5, 2)}
