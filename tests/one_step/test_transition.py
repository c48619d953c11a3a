"""Sweeps over n: points kept and resumed, each independent of the others."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.running.checkpoints import Checkpoint
from asymptotics.one_step.problem import Problem
from asymptotics.one_step.process import transition
from asymptotics.one_step.process.transition import probability_curve
from asymptotics.one_step.settings import OneStep, Simulation

PROBLEM = Problem(
    OneStep(dimension=20, samples=2, diffusion_time=2.0, noise_scale=2e-4, underlying="kernel", underlying_samples=200),
    simulation=Simulation(6),
)


def test_resumed_sweep_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    """Stop after two of three points; the second call computes the missing one only, and the numbers are the same."""
    whole = probability_curve(PROBLEM, [10, 20, 40], workers=1)
    calls = []
    original = transition.ensemble

    def counted(problem, **options):
        calls.append(problem.one_step.samples)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(problem, **options)

    monkeypatch.setattr(transition, "ensemble", counted)
    with pytest.raises(KeyboardInterrupt), Checkpoint(tmp_path, {}) as keep:
        probability_curve(PROBLEM, [10, 20, 40], checkpoint=keep, workers=1)
    parts = {folder.name: len(list(folder.iterdir())) for folder in tmp_path.iterdir() if folder.is_dir()}
    assert parts == {
        "samples-10": PROBLEM.simulation.runs,
        "samples-20": PROBLEM.simulation.runs,
    }  # whole files only, no debris
    with Checkpoint(tmp_path, {}) as keep:
        resumed = probability_curve(PROBLEM, [10, 20, 40], checkpoint=keep, workers=1)
    for name in ("probability", "interval", "mean", "sem", "median"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))


def test_point_does_not_depend_on_the_rest_of_the_sweep():
    one, two = probability_curve(PROBLEM, [25], workers=1), probability_curve(PROBLEM, [12, 25], workers=1)
    np.testing.assert_array_equal(one.mean[0], two.mean[1])


def test_json_of_the_curve():
    curve = probability_curve(PROBLEM, [10, 60], workers=1)
    data = curve.to_json()
    assert data["samples"] == [10, 60]
    assert len(data["probability"]) == len(data["probability_interval"]) == len(data["mean"]["trace_rate"]) == 2
    assert data["mean"]["kl_generated_target"][0] is None
    assert "n = 60" in curve.summary()


@pytest.mark.parametrize("samples", [[], [1], [2.5], ["x"]])
def test_bad_samples(samples):
    with pytest.raises(InputError, match="must be"):
        probability_curve(PROBLEM, samples)
