"""The derivation of linear diffusion models: it closes, agrees with numbers found otherwise, and with the package."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from derivations.identity import require_zero
from derivations.linear_diffusion import averages as linear_averages
from derivations.linear_diffusion import derivation
from derivations.linear_diffusion import modes as linear_modes


@pytest.fixture(scope="module")
def chain():
    return derivation()


@pytest.mark.ci
def test_all_steps_are_there_and_print(chain):
    titles = [step.title for step in chain]
    assert titles == [
        "Optimum",
        "Sampler of one mode",
        "Generated mean and variance",
        "Choices of the noise",
        "Losses",
        "Divergences",
        "Average over data sets without regularisation",
        "Limits per dimension",
        "Deterministic equivalents",
        "Terms of O(1) and O(1/n)",
        "Optimal regularisation",
        "Gradient flow",
        "Early stopping of one mode",
        "Effective dimension",
    ]
    assert "telescop" in str(chain).lower()


@pytest.mark.slow
def test_all_steps_are_formulae(chain):
    assert r"\section" in chain.latex()
    assert "$$" in chain.markdown()


@pytest.mark.ci
def test_slips_are_real(chain):
    assert len(chain.slips) == 4
    for slip in chain.slips:
        printed, derived, independent = slip.check()
        assert derived == pytest.approx(independent, rel=1e-6)
        assert abs(printed - independent) > 0.02 * abs(independent)


def test_a_wrong_formula_does_not_pass():
    with pytest.raises(ArithmeticError, match=r"nothing: .* is not zero"):
        require_zero(linear_modes.s - linear_modes.s**2, "nothing")


def test_losses_agree_with_the_package():
    from asymptotics.linear_diffusion import LinearModel, Schedule

    schedule, t, ridge = Schedule(50), 20, 0.07
    empirical, target, error = np.array([0.3, 2.0]), np.array([0.5, 1.4]), np.array([0.2, -0.1])
    model = LinearModel.from_covariances(empirical, target, regularisation=ridge, schedule=schedule, target_mean=error)
    _, bias, weight = linear_modes.optimum()
    _, train, test = linear_modes.losses(bias, weight)
    delta = sp.Symbol("delta", real=True)
    total = np.zeros(2)
    for a, b, e in zip(empirical, target, error, strict=True):
        numbers = {
            linear_modes.lam0: a,
            linear_modes.lam: b,
            linear_modes.c: ridge,
            linear_modes.abar: schedule.alpha_bar[t],
            delta: e,
            linear_modes.mu0: 0,
        }
        total += [float(train.subs(numbers)), float(test.subs(numbers))]
    assert (model.train_loss(t), model.test_loss(t)) == pytest.approx(tuple(total), rel=1e-12)


def test_stopping_time_and_limits_agree_with_the_package():
    from asymptotics.linear_diffusion import limits_per_dimension
    from asymptotics.linear_diffusion.diffusion.relaxation import mode_stopping_time

    _, best = linear_modes.training()
    found = best.subs({linear_modes.s: 0.4, sp.Symbol("p", positive=True): 1.3})
    assert mode_stopping_time(np.array([0.4]), np.array([1.3]))[0] == pytest.approx(float(found))
    _, forward, reverse = linear_averages.divergences()
    for value in (0.2, 0.9):
        numbers = {linear_modes.gamma: value}
        expected = (float(forward.subs(numbers)), float(reverse.subs(numbers)))
        assert limits_per_dimension(value) == pytest.approx(expected)


def test_equivalents_agree_with_the_package():
    from asymptotics.linear_diffusion import deterministic_equivalents

    values, samples, ridge = np.array([2.0] * 3 + [0.5] * 7), 6, 0.1
    e = deterministic_equivalents(values, samples, ridge)
    n, rho = samples - 1, (samples - 1) / samples
    _, formulas = linear_averages.equivalents()
    numbers = dict(
        zip(
            sp.symbols("kappa chat n lambda_1 lambda_2 m_1 m_2", positive=True),
            (float(e.kappa), ridge / rho, n, 2.0, 0.5, 3, 7),
            strict=True,
        )
    )
    assert float(formulas["fixed"].subs(numbers)) == pytest.approx(ridge / rho)
    assert float(formulas["sigma_squared"].subs(numbers)) / rho**2 == pytest.approx(
        float(e.trace_sigma_inverse_squared)
    )
    assert float(formulas["empirical_squared"].subs(numbers)) / rho == pytest.approx(
        float(e.trace_empirical_inverse_squared)
    )


def test_effective_dimension_agrees_with_the_package():
    from asymptotics.linear_diffusion import covariance_distance

    _, distance = linear_averages.effective_dimension()
    values = np.array([3.0, 1.0, 1.0, 0.2])
    p = values.sum() ** 2 / np.square(values).sum()
    expected = float(distance.subs({sp.Symbol("p", positive=True): p, linear_modes.N: 9}))
    assert covariance_distance(values, 9) == pytest.approx(expected)
