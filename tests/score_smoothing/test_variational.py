"""The variational problem: exact loss, lower bound, near-minimiser, convex program, and the trained network against them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing import SmoothedScore, convex_program, lower_bound, three_neurons, train
from asymptotics.score_smoothing.networks.variational import (
    exact_loss,
    gap_loss,
    least_kappa,
    matching_kappa,
    penalised_program,
    smoothed_loss,
    smoothed_path_norm,
)

least_norm, penalised = cache(convex_program), cache(penalised_program)


@pytest.mark.parametrize("kappa", [0.1, 1.0, 2.5])
def test_gap_loss_is_the_truncated_second_moment(kappa):
    direct = quad(lambda u: (u - kappa) ** 2 * norm.pdf(u), kappa, np.inf, epsabs=1e-14)[0]
    assert float(gap_loss(kappa)) == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize(("n", "t"), [(2, 1e-3), (5, 1e-4)])
def test_loss_of_the_smoothed_score(n, t):
    score = SmoothedScore(n, 1.0)
    assert exact_loss(score, n, t) == pytest.approx(smoothed_loss(n, 1.0, t), rel=2e-5)


def test_equality_of_kappa_exceeds_the_loss_at_every_time():
    kappa = least_kappa(0.05)
    for t in (1e-2, 1e-4, 1e-6):
        assert smoothed_loss(2, kappa, t) > 0.05
    assert smoothed_loss(2, 1.01 * kappa, 1e-6) < 0.05
    assert smoothed_path_norm(3, 1.0, 0.01) == pytest.approx(2 * 2 * 0.5 / (0.4 * 0.01))


def test_three_neurons_are_the_smoothed_score_at_its_path_norm():
    t, kappa = 0.02, 1.2
    delta = kappa * np.sqrt(t)
    net = three_neurons(t, delta)
    x = np.linspace(-2, 2, 101)
    value = np.maximum(x[:, None] * net.w + net.b, 0.0) @ net.a + net.c
    np.testing.assert_allclose(value, SmoothedScore(2, kappa)(x, t), atol=1e-11)
    assert 0.5 * np.sum(net.a**2 + net.w**2) == pytest.approx(smoothed_path_norm(2, kappa, t))


GRID = [(epsilon, t) for epsilon in (0.01, 0.04, 0.1) for t in (1e-2, 1e-4, 1e-6)]
QUICK = [(0.01, 1e-2), (0.04, 1e-6), (0.1, 1e-4)]


@pytest.mark.parametrize(
    ("epsilon", "t"), [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in GRID]
)
def test_minimum_lies_between_the_bound_and_the_smoothed_score(epsilon, t):
    best = least_norm(2, t, epsilon)
    assert best.loss == pytest.approx(epsilon, rel=1e-6)
    # Another quadrature, not split at the kinks of f.
    assert exact_loss(lambda x, _: best(x), 2, t) == pytest.approx(epsilon, rel=2e-4)
    assert lower_bound(epsilon, t) <= best.path_norm
    kappa = least_kappa(epsilon) * 1.2
    assert smoothed_loss(2, kappa, t) < epsilon
    assert best.path_norm < smoothed_path_norm(2, kappa, t)


@pytest.mark.parametrize("epsilon", [0.04, pytest.param(0.1, marks=pytest.mark.slow)])
def test_bound_is_sharp_and_the_outer_slopes_flatten(epsilon):
    best = least_norm(2, 1e-6, epsilon)
    assert best.scaled == pytest.approx(1 - np.sqrt(epsilon), abs=5e-3)
    assert -best.slope * best.t == pytest.approx(1 - np.sqrt(epsilon), abs=2e-3)
    # The ratio of the smoothed score to it (1.247 at ε = .04).
    if epsilon == 0.04:
        ratio = smoothed_path_norm(2, least_kappa(0.04), 1e-6) / best.path_norm
        assert ratio == pytest.approx(1.247, abs=1e-3)


def test_penalised_program_is_stationary_along_the_frontier():
    at = penalised(2, 0.01, 0.1)
    for factor in (0.95, 1.05):
        other = convex_program(2, 0.01, at.loss * factor)
        assert 0.5 * other.loss + 0.1 * 2 * other.scaled > 0.5 * at.loss + 0.1 * 2 * at.scaled


def test_errors():
    with pytest.raises(InputError, match="epsilon"):
        convex_program(2, 1e-3, 2.0)
    with pytest.raises(InputError, match="epsilon"):
        convex_program(2, 0.5, 0.9)
    with pytest.raises(InputError, match="epsilon"):
        least_kappa(0.6)
    with pytest.raises(InputError, match="delta"):
        three_neurons(0.1, 1.0)


@pytest.mark.parametrize("t", [pytest.param(0.03, marks=pytest.mark.slow), 0.01])
def test_trained_network_is_near_the_convex_minimum(t):
    """Gradient descent with weight decay reaches the objective of the convex program within 2 %, and its δ within 5 %."""
    net, best = train(2, t, decay=0.1), penalised(2, t, 0.1)
    objective = 0.5 * best.loss + 0.1 * 2 * best.scaled
    assert abs(net.objective / objective - 1) < 0.02
    assert net.weights == pytest.approx(net.path_norm, rel=1e-3)
    x = np.array([-0.25, 0.25])
    slope = np.diff(x + t * best(x))[0] / 0.5
    assert net.effective_delta[0] == pytest.approx(1 - 1 / slope, rel=0.05)
    # It flattens the outer slopes, as the minimiser does and the smoothed score does not.
    assert net.outer_slope == pytest.approx(-best.slope * t, abs=0.02)
    assert net.outer_slope < 0.9


def test_training_is_reproducible_and_saved(tmp_path):
    a, b = train(2, 0.05, steps=200, seed=3), train(2, 0.05, steps=200, seed=3)
    np.testing.assert_array_equal(a.a, b.a)
    again = type(a).load(a.save(tmp_path / "net.npz"))
    np.testing.assert_array_equal(again.posterior_mean(0.2), a.posterior_mean(0.2))
    assert again.effective_kappa == a.effective_kappa


def test_matching_kappa_has_the_loss_it_names():
    kappa = matching_kappa(0.04, 1e-3)
    assert kappa > least_kappa(0.04)
    assert exact_loss(SmoothedScore(2, kappa), 2, 1e-3) == pytest.approx(0.04, rel=1e-4)
    assert matching_kappa(0.04, 1e-12) == pytest.approx(least_kappa(0.04), rel=1e-4)
    assert np.isnan(matching_kappa(0.01, 0.5))
