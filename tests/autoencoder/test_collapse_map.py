"""The collapse map against derived closed forms, direct iteration and the full chain."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.collapse.collapse_map import CollapseMap
from asymptotics.autoencoder.collapse.generations import generations
from asymptotics.autoencoder.collapse.phases import phase_diagram
from asymptotics.common.input.checks import InputError
from derivations.autoencoder.sampling import collapse
from derivations.autoencoder.training import skip


def problem(**changes):
    return asy.example("model-collapse").replace({k.replace("__", "."): v for k, v in changes.items()}).problem


def test_map_is_the_published_number(reference):
    f = CollapseMap(problem())
    assert float(f.skip(1.0)) == reference("autoencoder.collapse.b_1")
    assert float(f(1.0)) == reference("autoencoder.collapse.v_1")
    assert float(f.skip(f(1.0))) == reference("autoencoder.collapse.b_2")


@pytest.mark.parametrize("b", [0.1, 0.7, 1.3])
def test_euler_variance_is_the_derived_one(b):
    derived = float(collapse.euler_variance().subs({collapse.N: 100, collapse.m: 99, collapse.b: b}))
    assert float(CollapseMap(problem()).variance(b)) == pytest.approx(derived, rel=1e-9)


@pytest.mark.parametrize("schedule", list(collapse.SCHEDULES))
@pytest.mark.parametrize("b", [0.4, 1.2])
def test_continuous_variance_is_the_derived_one(schedule, b):
    e = asy.example("model-collapse").replace(
        interpolant=dict(zip(("alpha", "beta"), _texts(schedule), strict=True)),
        sampling={"scheme": "continuous", "stop": 0.9},
    )
    derived = float(collapse.variance(schedule).subs({collapse.b: b, collapse.t_f: 0.9}))
    assert float(CollapseMap(e.problem).variance(b)) == pytest.approx(derived, rel=1e-8)


def _texts(schedule):
    from asymptotics.common.numerics.interpolants import PRESETS

    return PRESETS[schedule]


def test_whole_map_is_the_derived_one():
    f = CollapseMap(problem(sampling__scheme="continuous", sampling__stop=0.95, denoiser__skip=0.3))
    times = np.arange(0.05, 1.0, 0.1)
    values = {
        skip.E_beta: times.mean(), skip.E_beta2: (times**2).mean(), skip.E_alpha2: ((1 - times) ** 2).mean(),
        skip.b0: 0.3, skip.tau: 4.0, collapse.t_f: 0.95,
    }  # fmt: skip
    derived = collapse.collapse_map().subs(values)
    for Lambda in (0.01, 0.5, 3.0):
        assert float(f(Lambda)) == pytest.approx(float(derived.subs(skip.Lambda, Lambda)), rel=1e-8)


def test_noise_in_the_sampler_against_fine_euler_steps():
    fine = CollapseMap(problem(sampling__epsilon="1 - t", sampling__step=2e-5, sampling__stop=0.9))
    limit = CollapseMap(problem(sampling__epsilon="1 - t", sampling__scheme="continuous", sampling__stop=0.9))
    assert float(fine(0.6)) == pytest.approx(float(limit(0.6)), rel=1e-3)


def test_fixed_points_and_stability():
    f = CollapseMap(problem())
    points = f.fixed_points()
    assert [p.stable for p in points] == [True, False, True]
    for p in points:
        assert float(f(p.Lambda)) == pytest.approx(p.Lambda, rel=1e-9)
        nearby = p.Lambda * 1.01
        for _ in range(60):
            nearby = float(f(nearby))
        assert (abs(nearby / p.Lambda - 1) < 1e-3) == p.stable
    assert f.phase() == "collapse"
    assert f.limit() == pytest.approx(points[0].Lambda)
    assert f.limit(4.0) == pytest.approx(points[2].Lambda)


@pytest.mark.parametrize("stop", [0.55, 0.75])
def test_pitchfork_at_half_time(stop):
    """Trained to convergence at t = ½: Λ = 1 is a fixed point, stable up to t_f = 1 − 1/e."""
    f = CollapseMap(
        problem(training__times=[0.5], training__tau=200.0, sampling__scheme="continuous", sampling__stop=stop)
    )
    points = f.fixed_points(2000)
    derived = float(collapse.half_time()["slope"].subs(collapse.half_time()["ell"], -np.log(1 - stop)))
    middle = points[len(points) // 2]
    assert middle.Lambda == pytest.approx(1.0, rel=1e-6)
    assert middle.slope == pytest.approx(derived, rel=1e-5)
    assert len(points) == (1 if stop < 1 - np.exp(-1) else 3)
    if len(points) == 3:
        assert points[0].Lambda * points[2].Lambda == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"generations__start": "warm", "training__schedule": "exp(-tau/2)"},
        {"generations__accumulate": True},
        pytest.param({"generations__original": 0.2}, marks=pytest.mark.slow),
        pytest.param({"denoiser__predicts": "velocity"}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.ci
def test_iteration_is_the_bulk_of_the_full_chain(changes):
    p = problem(generations__nodes=64, generations__replicas=2, generations__count=3, **changes)
    chain = generations(p, progress=False)
    np.testing.assert_allclose(chain.Lambda, CollapseMap(p).iterate(2), rtol=5e-5)


def test_mixing_stops_collapse():
    f = CollapseMap(problem())
    found = f.critical_fraction()
    assert 0 < found["fraction"] < 1
    assert (
        CollapseMap(problem(), found["fraction"] - 1e-3).limit()
        < 0.5
        <= CollapseMap(problem(), found["fraction"] + 1e-3).limit()
    )
    # The collapsed branch keeps little but the original share: Λ = φ Λ₀ + (1 − φ) v with v small.
    assert found["fraction"] == pytest.approx(0.5, abs=0.02)
    assert CollapseMap(problem(), 1.0).limit() == pytest.approx(1.0)


def test_phase_diagram():
    diagram = phase_diagram(problem(), ("stop", [0.3, 0.99]), ("tau", [2.0, 8.0]))
    assert diagram.limit.shape == (2, 2)
    assert np.all(diagram.limit[:, 1] < 1e-3) and np.all(diagram.limit[:, 0] > 0.4)
    assert CollapseMap(problem(training__times=[0.7])).phase() == "blow-up"
    assert CollapseMap(problem(sampling__stop=0.3)).phase() == "spread"
    noisy = phase_diagram(problem(), ("epsilon", [0.0, 1.0]), ("stop", [0.9]))
    assert noisy.limit[0, 0] != noisy.limit[0, 1]
    with pytest.raises(InputError, match="axis"):
        phase_diagram(problem(), ("wrong", [1.0]), ("tau", [1.0]))


def _chain(times, b0, tau, stop, warm, Lambda=1.0, count=4000, original=0.0):
    """The chain in plain floats, linear schedule, v = (1 − t_f)^{2 − 2b}, Λ₀ = 1: the last 64 values of Λ."""
    times = np.asarray(times)
    beta, beta2, alpha2 = times.mean(), (times**2).mean(), ((1 - times) ** 2).mean()
    b, values = b0, []
    for _ in range(count):
        kappa = Lambda * beta2 + alpha2
        limit = Lambda * beta / kappa
        b = limit + ((b if warm else b0) - limit) * np.exp(-kappa * tau)
        Lambda = original + (1 - original) * (1 - stop) ** (2 - 2 * b)
        values.append(Lambda)
    return np.array(values[-64:])


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    ("times", "b0", "tau", "stop", "original"),
    [
        ([0.7], 0.0, 1.0, 0.9, 0.0),
        ([0.2, 0.5, 0.8], 0.0, 0.7, 0.95, 0.0),
        ([0.5], 1.5, 0.8, 0.9, 0.0),
        ([0.8], 2.5, 1.0, 0.9, 0.0),
        ([0.9], 2.0, 2.0, 0.95, 0.0),
        ([0.9], 3.0, 4.0, 0.9, 0.2),
        ([0.3], 4.0, 0.5, 0.99, 0.1),
        ([0.8], 2.5, 0.5, 0.95, 0.0),  # alternates between 4.40 and 24.9
        ([0.8], 3.0, 1.0, 0.9, 0.0),  # between 3.17 and 7.92
    ],
)
def test_chain_ends_where_plain_iteration_ends(times, b0, tau, stop, original, warm):
    e = asy.example("model-collapse").replace(
        {"training.times": times, "training.tau": tau, "denoiser.skip": b0, "sampling.scheme": "continuous"}
    )
    start = "warm" if warm else "fresh"
    e = e.replace({"sampling.stop": stop, "generations.start": start, "generations.original": original})
    f = CollapseMap(e.problem)
    assert f.start == pytest.approx(1.0)
    end = _chain(times, b0, tau, stop, warm, original=original)
    values = f.attractor()
    if np.ptp(end) < 1e-6 * end.max():
        assert values == pytest.approx([end[-1]], rel=1e-6)
        assert f.limit() == values[0]
        expected = "collapse" if end[-1] < 0.1 else "blow-up" if end[-1] > 10 else "spread"
        assert f.phase() == expected
    else:
        assert np.isnan(f.limit()) and len(values) > 1
        assert values.min() == pytest.approx(end.min(), rel=1e-6) and values.max() == pytest.approx(end.max(), rel=1e-6)
        inside = (end > 0.1).all() and (end < 10).all()
        assert f.phase() == ("spread" if inside else "alternation")


def test_fixed_points_of_a_warm_chain_and_their_rates():
    """A small deviation from a fixed point grows or decays in the chain itself by the stated factor."""
    f = CollapseMap(problem(generations__start="warm", sampling__scheme="continuous", sampling__stop=0.95))
    points = f.fixed_points()
    assert points
    for p in points:
        b, Lambda = p.b + 1e-6, float(f.following(p.b + 1e-6))
        after = float(f.skip(Lambda, b))
        assert (after - p.b) / 1e-6 == pytest.approx(p.slope, abs=1e-3)
        assert float(f.following(p.b)) == pytest.approx(p.Lambda, rel=1e-9)


def test_accumulating_data_end_at_the_next_fixed_point():
    f = CollapseMap(problem(generations__accumulate=True, denoiser__skip=2.5, training__tau=0.5))
    long, (point,) = f.iterate(1600), f.fixed_points()
    assert f.limit() == pytest.approx(point.Lambda)
    # Λ_{g+1} = Λ_g + (f(Λ_g) − Λ_g)/(g + 1): a deviation decays as g^{−(1 − slope)}.
    decay = np.log((long[1599] - point.Lambda) / (long[799] - point.Lambda)) / np.log(0.5)
    assert decay == pytest.approx(1 - point.slope, abs=0.02)


def test_cobweb_of_a_warm_chain_draws_the_chain():
    f = CollapseMap(problem(generations__start="warm"))
    _, axis = f.plot()
    path = axis.lines[-1].get_xydata()
    values = f.iterate(12)
    assert path[1::2, 1] == pytest.approx(values[1:])
