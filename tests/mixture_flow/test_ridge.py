"""The finite-dimensional ridge problem against general-purpose solvers, and its sign pattern."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from asymptotics.mixture_flow.process import data
from asymptotics.mixture_flow.process.data import TrainingSet
from asymptotics.mixture_flow.process.ridge import Ridge
from asymptotics.mixture_flow.settings import MixtureFlow


def problem(flow, dimension, seed=0):
    training = TrainingSet(flow, dimension, np.random.SeedSequence(seed))
    pattern = training.pattern()
    return training, pattern, Ridge.of(training.sums(pattern), flow.samples * flow.noises, flow.ridge, flow.skip)


@pytest.mark.parametrize(
    "flow", [MixtureFlow(4, 0.8, 0.3), MixtureFlow(3, 0.5, 0.0, 1.5, noises=3), MixtureFlow(5, 1.0, 2.0)]
)
@pytest.mark.parametrize("t", [0.0, 0.2, 0.6, 1.0])
def test_ridge_against_least_squares(flow, t):
    d = 40
    training, h, ridge = problem(flow, d, 3)
    x1, x0 = training.arrays()
    # Rows: every coordinate of every pair, then the penalty √λ v = 0. Columns: b, then v.
    rows, right = [], []
    for k in range(flow.noises):
        y = (1 - t) * x0[k] + t * x1
        for mu in range(flow.samples):
            rows.append(np.column_stack([y[mu], h[mu] * np.eye(d)]))
            right.append(x1[mu])
    rows.append(np.column_stack([np.zeros(d), np.sqrt(flow.ridge) * np.eye(d)]))
    right.append(np.zeros(d))
    best = np.linalg.lstsq(np.vstack(rows), np.concatenate(right), rcond=None)[0]
    assert float(ridge.b(1 - t, t)) == pytest.approx(best[0], abs=1e-10)
    np.testing.assert_allclose(ridge.v(1 - t, t), best[1:], atol=1e-10)


def test_blocks_do_not_change_what_a_pass_sees(monkeypatch):
    flow = MixtureFlow(6, 0.9, 0.1, noises=2)
    monkeypatch.setattr(data, "_BLOCK", 6 * 100)
    training, h, ridge = problem(flow, 1000, 4)
    x1, x0 = training.arrays()
    assert len(list(training.blocks())) == 10
    np.testing.assert_allclose(ridge.data, 2 * h @ x1, atol=1e-12)
    np.testing.assert_allclose(ridge.noise, np.einsum("m,kmi->i", h, x0), atol=1e-12)
    np.testing.assert_allclose(np.abs(training.labels @ h), 6)
    sums = training.sums(h)
    expected = [np.sum(x0**2), np.sum(x0 * x1), 2 * np.sum(x1**2)]
    np.testing.assert_allclose(sums.squares, expected, rtol=1e-12)
    again = training.redraw(sums, h, 1)
    assert abs(again.noise @ sums.noise) / (12 * 1000) < 0.2 and np.array_equal(again.data, sums.data)


@pytest.mark.parametrize("n", [6, 8])
def test_aligned_pattern_is_the_minimum_over_all_patterns(n):
    flow = MixtureFlow(n, 1.5, 0.1)
    training, h, _ = problem(flow, 3000, 7)
    x1, x0 = training.arrays()
    assert abs(h @ training.labels) == n
    for t in (0.2, 0.5, 0.7):
        y = (1 - t) * x0[0] + t * x1
        losses = {}
        for rest in itertools.product((1.0, -1.0), repeat=n - 1):
            pattern = np.array([1.0, *rest])
            # Loss at the ridge solution of this pattern, v eliminated by hand.
            py, px = pattern @ y, pattern @ x1
            scale = n + flow.ridge
            b = (np.vdot(y, x1) - py @ px / scale) / (np.vdot(y, y) - py @ py / scale)
            v = (px - b * py) / scale
            losses[tuple(pattern)] = np.sum((b * y + np.outer(pattern, v) - x1) ** 2) + flow.ridge * v @ v
        assert min(losses, key=losses.get) == tuple(h * h[0])
        # and it is self-consistent: the network's own signs are the pattern.
        ridge = Ridge.of(training.sums(h), n, flow.ridge)
        assert np.array_equal(np.sign(y @ ridge.v(1 - t, t)), h)


def test_flow_map_has_the_mean_it_states():
    # Quadrature over the one direction that matters: X₀·v₀/‖v₀‖ = g, E|g| = √(2/π).
    flow = MixtureFlow(3, 0.7, 0.5)
    _, _, ridge = problem(flow, 30, 1)
    first = ridge.first_direction()
    unit = first / np.linalg.norm(first)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    starts = nodes[:, None] * unit
    for t in (0.0, 0.4, 1.0):
        points = ridge.flow_map(1 - t, t, starts)
        signed = np.where(nodes >= 0, 1.0, -1.0)[:, None] * points
        mean = weights @ signed / weights.sum()
        np.testing.assert_allclose(mean, ridge.cluster_mean(1 - t, t), atol=5e-3)


def test_no_skip_and_perfect_data():
    _, _, ridge = problem(MixtureFlow(3, 0.7, 0.5, skip=False), 30, 1)
    assert float(ridge.b(0.5, 0.5)) == 0
    np.testing.assert_allclose(ridge.v(0.5, 0.5), ridge.data / 3.5)
    _, _, ridge = problem(MixtureFlow(3, 0.0, 0.0), 30, 1)
    assert ridge.c01 == ridge.c11 == 0
