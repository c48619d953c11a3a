"""The whole theory at one point: contract of the fields, anchors, nulls with reasons, limits, invariances."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics.one_step.closed_forms.finite_size import mean_log_det, mean_log_start
from asymptotics.one_step.settings import OneStep, Sampling
from asymptotics.one_step.theory import predict as solve
from asymptotics.one_step.theory import signal_fraction

REFERENCE = OneStep(dimension=100, samples=500, diffusion_time=2.0, noise_scale=math.exp(-4.0))


def test_anchor_row(reference):
    """T = 2, λ = e^{−4}, d = 100: the values of the sources' notation, finite-size and asymptotic."""
    data = solve(REFERENCE).to_json()
    for name in ("q", "log_bhattacharyya", "kl_target_generated"):
        assert data[name] == reference(f"one_step.reference.{name}")
    assert data["hellinger_floor"] == reference("one_step.reference.floor")
    for name in ("variance", "mean"):
        assert data["asymptotic"]["kl_generated_target"][name] == reference(f"one_step.reference.{name}")
    assert 100 / data["n_star"] == reference("one_step.reference.q")
    at_150 = solve(REFERENCE.replace(samples=150)).to_json()
    assert at_150["log_det_rate"] is None  # d/n > q: only the limit is known
    assert at_150["asymptotic"]["log_det_rate"] == reference("one_step.reference.log_det_rate_n150")
    assert at_150["asymptotic"]["kl_generated_target"]["variance"] == reference("one_step.reference.variance_n150")
    at_10000 = solve(REFERENCE.replace(samples=10**4)).to_json()
    assert at_10000["mixing_time"] == reference("one_step.bandwidth.mixing_time")
    for name in ("mixing", "amise", "mise"):
        assert at_10000[f"h2_{name}"] == reference(f"one_step.bandwidth.{name}")


def _simulated(d, n, q, runs, seed=0):
    """(1/d) ln|Σ_G|, (1/d) Tr Σ_G, both parts of KL(G‖O), ln BC: the model drawn and fitted with plain numpy."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(runs):
        x, z = rng.standard_normal((2, n, d))
        y = math.sqrt(q) * x + math.sqrt(1 - q) * z
        xc, yc = x - x.mean(0), y - y.mean(0)
        slope = np.linalg.solve(yc.T @ yc, yc.T @ xc).T
        start = q * np.sum(xc**2) / ((n - 1) * d) + 1 - q
        shift = x.mean(0) - math.sqrt(1 - q) * slope @ z.mean(0)
        v, u = np.linalg.eigh(start * slope @ slope.T)
        overlap = np.sum(np.log(2 * np.sqrt(v) / (1 + v)) / 2 - (u.T @ shift) ** 2 / (4 * (1 + v)))
        found.append([np.log(v).mean(), v.mean(), 0.5 * np.sum(v - 1 - np.log(v)), 0.5 * shift @ shift, overlap])
    found = np.array(found)
    return found.mean(0), found.std(0) / math.sqrt(runs)


def _at(d, n, q):
    """An experiment with the signal fraction q."""
    noise = (1 - q) / q / math.expm1(2.0)
    return solve(OneStep(dimension=d, samples=n, diffusion_time=1.0, noise_scale=noise))


@pytest.mark.parametrize(
    ("d", "n", "q", "runs"),
    [
        (1, 5, 0.5, 4000),
        (1, 40, 0.99, 4000),
        (2, 30, 0.5, 4000),
        (5, 30, 0.6, 3000),
        (20, 60, 0.9, 500),
        (30, 75, 0.9999, 400),
    ],
)
def test_finite_size_against_the_model_itself(d, n, q, runs):
    """Exact means: no allowance but the stated error of ln|Σ_G|."""
    theory = _at(d, n, q)
    kl = theory.kl_generated_target
    expected = [theory.log_det_rate, theory.trace_rate, kl.variance, kl.mean]
    error = mean_log_det(q, d, n)[1]
    mean, sem = _simulated(d, n, q, runs)
    if d == 1:
        expected.append(theory.log_bhattacharyya)
    for k, (value, allowed) in enumerate(zip(expected, (error / d, 0, error / 2, 0, 0), strict=False)):
        assert abs(mean[k] - value) < 4 * sem[k] + allowed, k


def test_start_variance_dominates_without_noise():
    """q → 1: the variance part is q²/(2n), not the floor of order (1 − q)²."""
    variance = _at(50, 120, 1 - 1e-9).kl_generated_target.variance
    assert variance == pytest.approx(1 / 240, rel=0.02)


def test_interpolating_regression_has_determinant_one_on_average():
    """n = d + 1: |K| is a ratio of square Gaussian determinants, at any q; what is left is the start's variance."""
    for q in (0.1, 0.5, 0.9):
        theory = _at(6, 7, q)
        assert theory.log_det_rate == pytest.approx(mean_log_start(q, 6, 7), abs=1e-12)
        assert theory.trace_rate is None


@pytest.mark.parametrize(("d", "n", "q"), [(100, 150, 0.5), (20, 30, 0.69), (40, 44, 0.8), (3, 7, 0.6)])
def test_where_finite_size_is_not_known_there_is_a_reason(d, n, q):
    theory = _at(d, n, q)
    assert theory.log_det_rate is None and theory.kl_generated_target.variance is None
    assert theory.kl_generated_target.mean > 0
    assert theory.asymptotic.kl_generated_target.variance > 0
    assert any("log_det_rate" in note and "kl_generated_target" in note for note in theory.notes)


def test_one_dimension_has_no_typical_reverse_divergence():
    theory = _at(1, 30, 0.8)
    assert theory.kl_target_generated is None
    assert any(note.startswith("kl_target_generated: d = 1") for note in theory.notes)


@pytest.mark.parametrize(
    ("samples", "null"),
    [
        (2, ["log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated"]),
        (100, ["log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated"]),
        (102, ["log_det_rate", "trace_rate", "kl_target_generated"]),
        (150, ["log_det_rate", "kl_target_generated"]),
        (500, []),
    ],
)
def test_nulls_have_reasons(samples, null):
    data = json.loads(json.dumps(solve(REFERENCE.replace(samples=samples)).to_json()))
    scalars = ("log_det_rate", "trace_rate", "log_bhattacharyya", "kl_target_generated", "hellinger_squared", "n_star")
    assert [name for name in scalars if data[name] is None] == null
    for name in null:
        assert any(name in note.split(":")[0] for note in data["notes"])
    assert (data["kl_generated_target"]["total"] is None) == (samples <= 150)
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
        for kl in (result.kl_generated_target.total, result.kl_target_generated):
            assert result.log_bhattacharyya >= -0.5 * kl


def test_multistep_floor():
    """Eight steps leave 1 − q_8 ≈ φ²/8 and a floor far below that of one."""
    data = solve(REFERENCE, Sampling(steps=8)).to_json()
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
