"""A score network in the plane: stationarity of its objective, symmetry, and the δ that it finds along the chords."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

import asymptotics as asy
from asymptotics.score_smoothing import train_circle
from asymptotics.score_smoothing.networks.plane import exact_mean


@pytest.fixture(scope="module")
def network():
    return train_circle(4, 0.05, decay=0.02, hidden=48, steps=8000)


def test_the_optimum_of_weight_decay(network):
    """Gradient by the free affine part is 0, and every neuron is balanced, |a_j| = |w_j|."""
    xi = ndtri((np.arange(8) + 0.5) / 8)
    xi = np.sqrt(0.05) * xi / np.sqrt(np.mean(xi**2))
    noise = np.stack(np.meshgrid(xi, xi), axis=-1).reshape(-1, 2)
    x = (network.points[:, None] + noise).reshape(-1, 2)
    residual = network.posterior_mean(x) - x + np.tile(noise, (4, 1))
    assert np.abs(residual.mean(axis=0)).max() < 2e-4
    assert np.abs(residual.T @ x / len(x)).max() < 2e-4
    a, w = np.linalg.norm(network.a, axis=1), np.linalg.norm(network.w, axis=1)
    np.testing.assert_allclose(a, w, atol=0.02)
    assert network.path_norm == pytest.approx(0.5 * np.sum(a**2 + w**2), rel=1e-3)


def test_smoothing_along_the_chords(network):
    """δ > 0 on all four chords, equal by symmetry, while across them samples are pulled in; it falls with t, slower than √t."""
    assert np.all(network.effective_delta > 0.2)
    assert np.ptp(network.effective_delta) < 0.01
    assert np.all(np.abs(network.normal_slope) < 0.1)
    later = train_circle(4, 0.02, decay=0.02, hidden=48, steps=8000)
    ratio = later.effective_delta.mean() / network.effective_delta.mean()
    assert np.sqrt(0.02 / 0.05) < ratio < 1


def test_exact_mean_of_a_square():
    points = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    np.testing.assert_allclose(exact_mean(points, np.zeros((1, 2)), 0.1), 0.0, atol=1e-15)
    # Near the middle of a chord the two ends decide: tanh along it.
    along = np.array([-1.0, 1.0]) / np.sqrt(2)
    found = exact_mean(points, np.array([[0.5, 0.5]]) + 0.1 * along, 0.02)[0] @ along
    half = np.sqrt(0.5)
    assert found == pytest.approx(half * np.tanh(half * 0.1 / 0.02), rel=1e-6)


def test_bad_input():
    with pytest.raises(asy.InputError, match=r"decay = 0\.0"):
        train_circle(4, 0.05, decay=0.0)
    with pytest.raises(asy.InputError):
        train_circle(2, 0.05)
