"""The equations of motion integrated numerically, and the sampler as run."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.equations.order_parameters import at
from asymptotics.mixture_flow.equations.path import discretise, integrate
from asymptotics.mixture_flow.equations.schemes import TABLEAUX, make_grid
from asymptotics.mixture_flow.settings import MixtureFlow

NAMES = ("M", "Q_xi", "Q_eta", "perp")
TIMES = np.array([0.0, 0.31, 0.9, 1.0, 0.5])
INTERPOLANTS = [
    Interpolant(),
    Interpolant.preset("trigonometric"),
    Interpolant.preset("variance-preserving"),
    Interpolant("(1 - t)**1.5", "sqrt(t)"),
]


def worst(path, exact):
    return max(float(np.max(np.abs(getattr(path, name) - getattr(exact, name)))) for name in NAMES)


@pytest.mark.parametrize("interpolant", INTERPOLANTS)
@pytest.mark.parametrize(
    "flow", [MixtureFlow(8, 1.5, 0.1), MixtureFlow(2, 0.2, 0.0, 3.0), MixtureFlow(5, 0.7, 2.0, noises=3)]
)
@pytest.mark.parametrize("rtol", [1e-6, 1e-10])
def test_integration_reaches_the_tolerance_up_to_the_end(flow, interpolant, rtol):
    path = integrate(flow, interpolant, TIMES, rtol=rtol)
    error = worst(path, at(flow, interpolant, TIMES))
    assert error < 30 * rtol
    assert error <= path.error_estimate + 1e-12
    assert path.evaluations > 0


def test_start_alone_needs_no_step():
    path = integrate(MixtureFlow(4, 1.0, 0.1), Interpolant(), [0.0])
    assert path.evaluations == 0 and path.perp[0] == 1 and path.M[0] == 0


def test_own_skip_connection():
    flow, interpolant = MixtureFlow(6, 0.9, 0.4), INTERPOLANTS[1]
    times = np.array([0.2, 0.7, 0.95])
    same = integrate(flow, interpolant, times, skip=lambda t: float(at(flow, interpolant, t).b))
    assert worst(same, at(flow, interpolant, times)) < 1e-9
    none = integrate(flow, interpolant, times, skip=lambda t: 0.0)
    assert worst(none, at(flow.replace(skip=False), interpolant, times)) < 1e-9
    # b = β is the exponential of a known integral on the linear schedule: E = (1 − t) exp(∫ t/(1 − t) dt) = e^{−t}.
    third = integrate(flow, Interpolant(), times, skip=lambda t: t)
    np.testing.assert_allclose(third.perp, np.exp(-times), atol=1e-9)
    np.testing.assert_allclose(third.Q_xi, (1 - times - np.exp(-times)) / 6.4, atol=1e-9)


def test_fresh_noise_and_points():
    flow = MixtureFlow(6, 0.9, 0.4, fresh_noise=True)
    assert worst(integrate(flow, Interpolant(), TIMES), at(flow, Interpolant(), TIMES)) < 1e-9
    flow = MixtureFlow(6, 0.9, 0.4, skip=False)
    inside = TIMES[TIMES < 1]
    assert worst(integrate(flow, Interpolant(), inside), at(flow, Interpolant(), inside)) < 1e-9
    with pytest.raises(InputError, match="times"):
        integrate(flow, Interpolant(), [1.0])
    with pytest.raises(InputError, match="times"):
        integrate(flow, Interpolant(), [1.0], skip=lambda t: 0.0)


@pytest.mark.parametrize("clock", ["angle", "time"])
@pytest.mark.parametrize("scheme", list(TABLEAUX))
def test_order_of_the_schemes(scheme, clock):
    flow, interpolant = MixtureFlow(8, 1.5, 0.1), INTERPOLANTS[1] if clock == "time" else INTERPOLANTS[2]
    errors = []
    for steps in (64, 128):
        grid = make_grid(interpolant, steps, scheme, clock, np.array([0.25, 1.0]))
        errors.append(worst(discretise(flow, grid), at(flow, interpolant, grid.times)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(TABLEAUX[scheme].order, abs=0.15)


def test_euler_is_exact_for_the_data_on_the_linear_schedule():
    flow = MixtureFlow(8, 1.5, 0.1)
    grid = make_grid(Interpolant(), 100, "euler", "time", np.array([1.0]))
    path = discretise(flow, grid)
    assert path.M[0] == pytest.approx(80 / 81, abs=1e-12)
    assert path.Q_eta[0] == pytest.approx(10 / 81, abs=1e-12)
    assert abs(path.perp[0] - 1.5046875) > 1e-3


def test_fresh_noise_averages_out_with_the_steps():
    flow = MixtureFlow(8, 0.8, 0.0, fresh_noise=True)
    squares = []
    for steps in (100, 200, 400):
        grid = make_grid(Interpolant(), steps, "euler", "time", np.array([1.0]))
        squares.append(float(discretise(flow, grid).Q_xi[0] ** 2))
    assert squares[0] / squares[1] == pytest.approx(2, rel=0.05)
    assert squares[1] / squares[2] == pytest.approx(2, rel=0.03)


def test_a_pole_of_the_schedule_is_named():
    with pytest.raises(InputError, match="clock = 'angle'"):
        make_grid(INTERPOLANTS[2], 10, "rk4", "time", np.array([1.0]))
    with pytest.raises(InputError, match="t = 0"):
        make_grid(INTERPOLANTS[3], 10, "euler", "time", np.array([1.0]))


@pytest.mark.parametrize("bad", [[], [1.2], [-0.1], [float("nan")], "a"])
def test_bad_times(bad):
    with pytest.raises(InputError, match="times"):
        integrate(MixtureFlow(4, 1.0, 0.1), Interpolant(), bad)
