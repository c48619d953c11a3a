"""Modes: of laws whose modes are known, of odd networks and of networks with biases."""

from __future__ import annotations

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.generated.modes import exact_modes, find_modes, mode_report, target_modes
from asymptotics.common.input.checks import InputError


def mixture(centres, width, weights, n=60_000, seed=0):
    rng = np.random.default_rng(seed)
    pick = rng.choice(len(weights), p=weights, size=n)
    centres = np.asarray(centres, dtype=float)
    return centres[pick] + width * rng.standard_normal((n, centres.shape[1]))


@pytest.mark.parametrize("width", [0.02, 0.3, 0.9])
def test_modes_of_a_known_mixture(width):
    centres, weights = [[3, 0], [0, -3], [-3, 0]], [0.5, 0.3, 0.2]
    found = find_modes(mixture(centres, width, weights))
    assert found.count == 3
    np.testing.assert_allclose(found.weights, weights, atol=0.015)
    np.testing.assert_allclose(found.places, centres, atol=0.1 * width + 0.02)
    np.testing.assert_allclose(found.widths, width**2 * np.eye(2)[None].repeat(3, 0), atol=0.15 * width**2)


def test_one_gaussian_has_one_mode():
    for seed in range(5):
        assert find_modes(mixture([[0, 0]], 1.0, [1.0], seed=seed)).count == 1
        assert find_modes(mixture([[0]], 1.0, [1.0], seed=seed)).count == 1


def test_two_gaussians_on_a_line_merge_at_two_standard_deviations():
    """An equal mixture of N(±a, 1) has two modes exactly where a > 1."""

    def modes(a):
        def density(x):
            return (np.exp(-((x[..., 0] - a) ** 2) / 2) + np.exp(-((x[..., 0] + a) ** 2) / 2)) / np.sqrt(8 * np.pi)

        return exact_modes(density, np.array([-9.0]), np.array([9.0]))

    assert modes(0.9).count == 1
    two = modes(1.5)
    assert two.count == 2
    np.testing.assert_allclose(two.weights, 0.5, atol=0.005)


def test_exact_modes_refuse_a_grid_that_misses_the_mass():
    def narrow(x):
        return np.exp(-(((x[..., 0] - 0.003) / 1e-4) ** 2) / 2) / (1e-4 * np.sqrt(2 * np.pi))

    assert exact_modes(narrow, np.array([-1.0]), np.array([1.0])) is None


def test_target_modes_are_its_clusters():
    problem = asy.example("three-clusters").problem
    found = target_modes(problem.target, np.eye(2))
    assert found.count == 3
    np.testing.assert_allclose(found.weights, 1 / 3, atol=0.005)


def test_odd_activation_without_bias_makes_four_modes_of_three_clusters():
    e = asy.example("model-collapse")
    report = mode_report(e.problem, asy.generations(e, count=1, progress=False).order_parameters(1))
    assert report.generated.count == 4 and report.target.count == 3
    np.testing.assert_allclose(report.generated.weights, 0.25, atol=0.01)
    assert report.mirror < 0.1
    assert report.spurious.sum() >= 1
    fields = json.loads(json.dumps(report.to_json()))
    assert {"generated", "target", "spurious", "missing", "mirror"} <= set(fields)
    assert "spurious" in report.summary()


@pytest.mark.slow
def test_trained_biases_and_three_units_remove_the_spurious_mode():
    """With biases and a unit for each cluster the network is no longer odd, and every cluster has one mode."""
    e = asy.example("model-collapse").replace(
        {"denoiser.architecture": "untied_bias", "denoiser.hidden_units": 3, "denoiser.parameters": [-0.5, -0.5, -0.5]}
    )
    chain = asy.generations(e, count=1, progress=False)
    report = mode_report(e.problem, chain.order_parameters(1))
    assert report.generated.count == 3
    assert not report.spurious.any() and not report.missing.any()
    # Without them, three units make the mirror images of all.
    odd = e.replace({"denoiser.architecture": "untied", "denoiser.parameters": []})
    law = mode_report(odd.problem, asy.generations(odd, count=1, progress=False).order_parameters(1))
    assert law.mirror < 0.2 < report.mirror


def test_bad_points():
    with pytest.raises(InputError, match="points"):
        find_modes(np.zeros((10, 2)))
    with pytest.raises(InputError, match="one or two"):
        find_modes(np.zeros((2000, 3)))
