"""The one-step regression with a ridge: drawn matrices, the limit without, and few samples."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.one_step import log_det_rate, ridge_divergence


@pytest.mark.parametrize(("q", "n"), [(0.5, 400), (0.9, 300), (0.5, 160)])
def test_without_ridge_it_is_the_closed_form(q, n):
    """Both phases of the closed form, d/n below and above q."""
    found = ridge_divergence(q, 100, n, 0.0)
    assert found.log_det_rate == pytest.approx(log_det_rate(q, 100, n - 1, asymptotic=True), abs=2e-4)
    ratio = 100 / (n - 1)
    assert found.trace_rate == pytest.approx(q + (1 - q) * ratio / (1 - ratio), rel=1e-6)


@pytest.mark.parametrize("n", [60, 400])
def test_drawn_regressions(n):
    d, q, rho = 100, 0.7, 0.2
    rng = np.random.default_rng(0)
    traces, dets, shifts = [], [], []
    for _ in range(25):
        u, w = rng.standard_normal((2, n, d))
        x = np.sqrt(q) * u + np.sqrt(1 - q) * w
        centre = x.mean(axis=0)
        v, z = u - u.mean(axis=0), x - centre
        K = z.T @ v @ np.linalg.inv(v.T @ v + n * rho * np.eye(d))
        traces.append(np.trace(K @ K.T) / d)
        dets.append(np.linalg.slogdet(K @ K.T)[1] / d)
        # x̄ − θ₁(ȳ − a x̄), b z̄ independent of x̄ and of variance 1 − q in white inputs.
        shift = centre - np.sqrt(1 - q) * K @ rng.standard_normal(d) / np.sqrt(n)
        shifts.append(0.5 * shift @ shift)
    found = ridge_divergence(q, d, n, rho)
    sem = np.std(traces) / 5
    assert abs(found.trace_rate - np.mean(traces)) < 4 * sem + 0.01 * found.trace_rate
    assert abs(found.mean - np.mean(shifts)) < 4 * np.std(shifts) / 5
    if n > d:
        assert abs(found.log_det_rate - np.mean(dets)) < 4 * np.std(dets) / 5 + 1 / d
        assert found.total == pytest.approx(found.variance + found.mean)
    else:
        assert found.total is None


def test_bad_input():
    with pytest.raises(asy.InputError, match="ridge = 0"):
        ridge_divergence(0.5, 100, 50, 0.0)
    with pytest.raises(asy.InputError, match="q = 1"):
        ridge_divergence(1.0, 100, 50, 0.1)
