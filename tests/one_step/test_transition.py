"""Sweeps over n: points kept and resumed, each independent of the others."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.checks import InputError
from asymptotics.one_step import transition
from asymptotics.one_step.settings import OneStep, Sampler, Simulation
from asymptotics.one_step.transition import Transition, probability_curve

MODEL = OneStep(
    dimension=20, samples=2, diffusion_time=2.0, noise_scale=2e-4, underlying="kernel", underlying_samples=200, runs=6
)


def test_resumed_sweep_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    """Stop after two of three points; the second call computes the missing one only, and the numbers are the same."""
    whole = probability_curve(MODEL, [10, 20, 40], workers=1)
    calls = []
    original = transition.simulate

    def counted(model, *arguments, **options):
        calls.append(model.samples)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(model, *arguments, **options)

    monkeypatch.setattr(transition, "simulate", counted)
    with pytest.raises(KeyboardInterrupt):
        probability_curve(MODEL, [10, 20, 40], directory=tmp_path, workers=1)
    assert len(list(tmp_path.iterdir())) == 2  # whole files only, no debris
    resumed = probability_curve(MODEL, [10, 20, 40], directory=tmp_path, workers=1)
    assert calls == [10, 20, 40, 40]
    for name in ("probability", "interval", "mean", "sem", "median"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))


def test_other_parameters_do_not_meet_in_one_directory(tmp_path):
    first = probability_curve(MODEL, [30], directory=tmp_path, workers=1)
    second = probability_curve(MODEL, [30], simulation=Simulation(7), directory=tmp_path, workers=1)
    third = probability_curve(MODEL, [30], Sampler(steps=2), directory=tmp_path, workers=1)
    assert len(list(tmp_path.iterdir())) == 3
    assert not np.array_equal(first.mean, second.mean)
    assert not np.array_equal(first.mean, third.mean)


def test_point_does_not_depend_on_the_rest_of_the_sweep():
    one, two = probability_curve(MODEL, [25], workers=1), probability_curve(MODEL, [12, 25], workers=1)
    np.testing.assert_array_equal(one.mean[0], two.mean[1])


def test_round_trip_and_json(tmp_path):
    sweep = probability_curve(MODEL, [10, 60], workers=1)
    loaded = Transition.load(sweep.save(tmp_path / "sweep.npz"))
    assert loaded.to_json() == sweep.to_json()
    data = sweep.to_json()
    assert data["samples"] == [10, 60]
    assert len(data["probability"]) == len(data["probability_interval"]) == len(data["mean"]["trace_rate"]) == 2
    assert data["mean"]["kl_generated_target"][0] is None
    assert "n = 60" in sweep.summary()


@pytest.mark.parametrize("samples", [[], [1], [2.5], ["x"]])
def test_bad_samples(samples):
    with pytest.raises(InputError, match="must be"):
        probability_curve(MODEL, samples)


def test_damaged_or_foreign_point_is_an_error(tmp_path):
    probability_curve(MODEL, [30], directory=tmp_path, workers=1)
    (point,) = tmp_path.iterdir()
    point.write_bytes(b"not an archive")
    with pytest.raises(InputError, match="not a result"):
        probability_curve(MODEL, [30], directory=tmp_path, workers=1)
    with pytest.raises(InputError, match="directory"):
        probability_curve(MODEL, [30], directory=point, workers=1)
