"""The whole theory at one point: contract of the fields, anchors, nulls with reasons, limits, invariances."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics.one_step.settings import OneStep, Sampler
from asymptotics.one_step.theory import Theory, signal_fraction, solve

REFERENCE = OneStep(dimension=100, samples=500, diffusion_time=2.0, noise_scale=math.exp(-4.0))


def test_anchor_row():
    """T = 2, λ = e^{−4}, d = 100: the values of the sources' notation, finite-size and asymptotic."""
    data = solve(REFERENCE).to_json()
    assert data["q"] == pytest.approx(0.5046212, rel=1e-6)
    assert data["log_bhattacharyya"] == pytest.approx(-5.624212, rel=1e-6)
    assert data["hellinger_floor"] == pytest.approx(0.9432091, rel=1e-6)
    assert data["kl_target_generated"] == pytest.approx(47.42541, rel=1e-6)
    assert data["asymptotic"]["kl_generated_target"]["variance"] == pytest.approx(15.62066, rel=1e-6)
    assert data["asymptotic"]["kl_generated_target"]["mean"] == pytest.approx(0.1311329, rel=1e-6)
    assert data["n_star"] == pytest.approx(100 / 0.5046212, rel=1e-6)
    at_150 = solve(REFERENCE.replace(samples=150)).to_json()
    assert at_150["log_det_rate"] == pytest.approx(-0.6035549, rel=1e-6)
    assert at_150["asymptotic"]["kl_generated_target"]["variance"] == pytest.approx(54.94669, rel=1e-6)
    at_10000 = solve(REFERENCE.replace(samples=10**4)).to_json()
    assert at_10000["mixing_time"] == pytest.approx(0.8911931, rel=1e-6)
    for name, value in {"h2_mixing": 4.944023, "h2_amise": 0.7870967, "h2_mise": 1.432809}.items():
        assert at_10000[name] == pytest.approx(value, rel=1e-6)


def test_finite_size_forms():
    """m has n − d − 2 and Λ its (1/d) ln term; both move the divergence off its limit by the right amount."""
    data = solve(REFERENCE).to_json()
    q = data["q"]
    m = q + (1 - q) * 100 / (500 - 102)
    log_det = math.log(q) + math.log((q - 0.2) / (q * 0.8)) / 100
    assert data["trace_rate"] == pytest.approx(m, rel=1e-12)
    assert data["log_det_rate"] == pytest.approx(log_det, rel=1e-12)
    parts = data["kl_generated_target"]
    assert parts["variance"] == pytest.approx(50 * (m - 1 - log_det), rel=1e-12)
    assert parts["total"] == pytest.approx(parts["variance"] + parts["mean"], rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "null"),
    [
        (2, ["log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated"]),
        (100, ["log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated"]),
        (102, ["trace_rate", "kl_target_generated"]),
        (150, ["kl_target_generated"]),
        (500, []),
    ],
)
def test_nulls_have_reasons(samples, null):
    data = json.loads(json.dumps(solve(REFERENCE.replace(samples=samples)).to_json()))
    scalars = ("log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated", "hellinger_squared", "n_star")
    assert [name for name in scalars if data[name] is None] == null
    for name in null:
        assert any(name in note.split(":")[0] for note in data["notes"])
    assert (data["kl_generated_target"]["total"] is None) == (samples <= 102)
    if samples <= 100:
        assert data["hellinger_squared"] == 1.0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    dimension=st.integers(1, 2000),
    samples=st.integers(2, 10**7),
    time=st.floats(1e-8, 900.0),
    noise_scale=st.floats(1e-12, 1e12),
    std=st.floats(1e-6, 1e6),
)
def test_everything_is_finite_or_null(dimension, samples, time, noise_scale, std):
    """Random valid experiments over the whole range of floats: no error, probabilities in [0, 1], divergences ≥ 0."""
    result = solve(OneStep(dimension, samples, time, noise_scale, std))
    data = result.to_json()
    json.dumps(data, allow_nan=False)
    assert 0.0 < data["q"] < 1.0
    assert 0.0 <= data["hellinger_squared"] <= 1.0
    for value in (data["kl_generated_target"]["mean"], data["kl_target_generated"]):
        assert value is None or value >= 0.0
    if data["asymptotic"]["kl_generated_target"]["variance"] is not None:
        assert data["asymptotic"]["kl_generated_target"]["variance"] >= -1e-9 * dimension
    assert 0.0 < data["h2_kernel"] <= data["h2_mixing"] * (1 + 1e-12)


def test_units_drop_out():
    """σ → cσ with λ → c²λ: nothing but the bandwidths and t_S changes, and those scale as c²."""
    base = solve(REFERENCE).to_json()
    scaled = solve(REFERENCE.replace(std=3.0, noise_scale=9 * math.exp(-4.0), mean=-5.0)).to_json()
    for name in ("q", "log_det_rate", "hellinger_squared", "kl_target_generated", "n_star"):
        assert scaled[name] == pytest.approx(base[name], rel=1e-12)
    for name in ("h2_mixing", "h2_kernel", "h2_amise", "h2_mise"):
        assert scaled[name] == pytest.approx(9 * base[name], rel=1e-12)


def test_hellinger_is_between_the_bounds_of_the_divergence():
    """1 − BC ≤ 1 − e^{−KL/2} for both directions: a consistency of independent formulae."""
    for n in (250, 400, 3000, 10**6):
        result = solve(REFERENCE.replace(samples=n))
        for kl in (result.kl_generated_target["total"], result.kl_target_generated):
            assert result.log_bhattacharyya >= -0.5 * kl


def test_multistep_floor():
    """Eight steps leave 1 − q_8 ≈ φ²/8 and a floor far below that of one."""
    data = solve(REFERENCE, Sampler(steps=8)).to_json()
    phi = math.acos(math.sqrt(data["q"]))
    assert data["multistep"]["q"] == pytest.approx(math.cos(phi / 8) ** 16, rel=1e-12)
    assert data["multistep"]["kl_floor"]["generated_target"] < 0.02 * data["kl_floor"]["generated_target"]


def test_signal_fraction_is_a_squared_correlation():
    """q = corr²(x, a x + b z), by the moments of a million draws."""
    rng = np.random.default_rng(0)
    t, scale, sigma = 0.8, 0.4, 1.5
    x = sigma * rng.standard_normal(10**6)
    y = math.exp(-t) * x + math.sqrt(scale * (1 - math.exp(-2 * t))) * rng.standard_normal(10**6)
    assert np.corrcoef(x, y)[0, 1] ** 2 == pytest.approx(signal_fraction(t, scale, sigma), abs=4e-3)


def test_round_trip(tmp_path):
    result = solve(REFERENCE, Sampler(steps=2))
    loaded = Theory.load(result.save(tmp_path / "theory.npz"))
    assert loaded.to_json() == result.to_json()
    assert "n* = d/q" in result.summary()
