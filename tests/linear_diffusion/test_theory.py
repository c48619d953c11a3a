"""What ``asymptotics solve`` gives: all published numbers by their field names, reasons for what is missing, sweeps."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import power_law
from asymptotics.linear_diffusion.prediction import Sweep
from asymptotics.linear_diffusion.problem import Problem
from asymptotics.linear_diffusion.settings import LinearDiffusion, Simulation
from asymptotics.linear_diffusion.system import SYSTEM as system

BASE = {"dimension": 200, "spectrum": {"power": 1}, "samples": 100, "regularisation": 0.05, "steps": 1000, "time": 100}

CONTRACT = {
    "train_loss",
    "test_loss",
    "kl_generated_target",
    "kl_target_generated",
    "kappa",
    "log_det",
    "log_det_correction",
    "trace_inverse",
    "trace_sigma_inverse",
    "gap_trace",
    "optimal_regularisation",
    "stopping",
    "cosine_models",
    "cosine_truth",
    "d_eff",
    "null_mass",
    "notes",
}


def problem(**changes):
    table = LinearDiffusion.from_table({**BASE, **changes})
    return Problem(table)


def get(**changes):
    return json.loads(json.dumps(system.solve(problem(**changes)).to_json()))


ANCHORS = (
    *("kappa", "log_det", "log_det_correction", "trace_sigma_inverse", "trace_sigma_inverse_squared"),
    *("trace_empirical_inverse_squared", "gap_trace", "kl_generated_target", "kl_target_generated", "alpha_bar"),
)


def test_anchors_at_finite_regularisation(reference):
    out = get()
    assert set(out) >= CONTRACT
    for name in ANCHORS:
        assert out[name] == reference(f"linear.d200.{name}"), name
    for name in ("forward", "reverse"):
        assert out["optimal_regularisation"][name] == reference(f"linear.d200.{name}")
    assert out["notes"] == []
    assert get(samples=50)["cosine_models"] == reference("linear.d200.cosine_models_n50")


def test_anchors_of_losses_and_stopping(reference):
    out = get(regularisation=0.01, samples=50)
    assert [out["train_loss"], out["test_loss"]] == reference("linear.d200.losses_c01_n50")
    assert out["null_mass"] == reference("linear.d200.null_mass_n50")
    out = get(regularisation=0.01)
    assert [out["train_loss_total"], out["test_loss_total"]] == reference("linear.d200.total_c01")
    stopping = system.solve(problem(regularisation=0.0), tau="1,10").to_json()["stopping"]
    assert stopping["tau"] == [1.0, 10.0]
    assert stopping["loss"] == reference("linear.d200.stopping_c0")
    assert [stopping["optimum"]["tau"], stopping["optimum"]["loss"]] == reference("linear.d200.optimum_c0")


def test_anchors_without_regularisation(reference):
    out = get(dimension=50, samples=100, regularisation=0.0)
    for name in ("kl_generated_target", "kl_target_generated", "d_eff"):
        assert out[name] == reference(f"linear.d50.{name}")
    limits = [out["kl_limits"][f"{name}_per_dimension"] for name in ("generated_target", "target_generated")]
    assert limits == reference("linear.d50.limits")
    assert out["kl_limits"]["leading_order_per_dimension"] == 0.125
    inverse = (1 / power_law(50, 1).eigenvalues).sum()
    assert out["trace_inverse"] == pytest.approx(100 / 48 * inverse)
    assert out["trace_sigma_inverse"] == pytest.approx(100 / 48 * 50)
    # ln|Σ| − E ln|Σ₀| is twice the divergence
    log_det = np.log(power_law(50, 1).eigenvalues).sum()
    assert out["log_det"] == pytest.approx(log_det - 2 * out["kl_generated_target"])
    assert out["log_det_correction"] == 0.0
    assert out["kappa"] == 0.0
    assert out["null_mass"] == 0.0
    isotropic = get(dimension=200, spectrum="isotropic", samples=400, regularisation=0)
    assert isotropic["cosine_models"] == reference("linear.isotropic.cosine_models")


def test_anchors_of_the_sampler(reference):
    out = system.solve(problem(regularisation=0.01), eigenvalues="0.1").to_json()["sampler"]
    (mean,) = out["mean"]
    assert mean == reference("linear.sampler.mean")
    for name in ("beta", "posterior", "exact"):
        assert out["variance"][name][0] == reference(f"linear.sampler.{name}")
    assert out["variance_without_last_noise"]["beta"][0] == reference("linear.sampler.beta_without_last_noise")


@pytest.mark.parametrize(
    ("changes", "missing", "reason"),
    [
        (
            {"regularisation": 0, "samples": 200},
            ["kl_generated_target", "kl_target_generated", "log_det"],
            "Σ₀ is singular",
        ),
        ({"regularisation": 0, "samples": 202}, ["kl_target_generated", "trace_inverse", "gap_trace"], "d \\+ 2"),
        ({"regularisation": 0, "samples": 204}, ["gap_trace", "trace_inverse_squared"], "d \\+ 4"),
        (
            {"spectrum": "mnist", "dimension": None},
            ["kl_generated_target", "kl_target_generated"],
            "covariance is singular",
        ),
        ({"spectrum": "mnist", "dimension": None, "regularisation": 0, "samples": 900}, ["log_det"], "singular"),
    ],
)
def test_what_has_no_finite_value_is_null_and_has_a_reason(changes, missing, reason):
    out = get(**changes)
    for name in missing:
        assert out[name] is None, name
    assert any(re.search(reason, note) for note in out["notes"])
    present = {"train_loss", "test_loss", "kappa", "cosine_models", "d_eff", "null_mass"}
    assert all(np.isfinite(out[name]) for name in present)


def test_present_again_just_above_the_threshold():
    assert get(regularisation=0, samples=201)["kl_generated_target"] > 0
    assert get(regularisation=0, samples=203)["kl_target_generated"] > 0
    assert get(regularisation=0, samples=205)["gap_trace"] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"dimension": 300, "spectrum": {"power": 1.3}, "samples": 120, "regularisation": 0.02},
        {"dimension": 150, "spectrum": {"power": 0.7}, "samples": 90, "regularisation": 0.0},
        {"dimension": 60, "steps": 400, "time": 400},
        {"dimension": 1, "spectrum": {"power": 0}, "samples": 2, "steps": 1, "time": 1},
        {"dimension": 60, "samples": 2},
        {"dimension": 60, "samples": 100_000, "regularisation": 1e-12},
        {"dimension": 60, "regularisation": 1e6},
        {"dimension": 30, "spectrum": {"spikes": [10.0, 5.0], "bulk": 0.0}, "samples": 10},
        {"dimension": 30, "spectrum": {"spikes": [10.0, 5.0], "bulk": 0.1}, "samples": 31, "trace": 30.0},
        {"dimension": None, "spectrum": [3.0, 2.0, 1.0], "samples": 9, "regularisation": 0.0},
        {"dimension": 20, "spectrum": {"power": 12.0}, "samples": 20, "regularisation": 0.0},
    ],
)
def test_other_settings_are_finite_and_ordered(changes):
    out = get(**changes)
    assert 0 <= out["train_loss"] <= out["test_loss"] * (1 + 1e-12)
    assert out["stopping"]["optimum"]["loss"] <= out["test_loss"] * (1 + 1e-9)
    assert 0 < out["cosine_truth"] ** 2 <= out["cosine_models"] * (1 + 1e-9)  # Cauchy–Schwarz
    assert out["cosine_models"] <= 1 + 1e-9
    for name in ("kl_generated_target", "kl_target_generated"):
        # A divergence is positive; where it is null the notes say why.
        assert out[name] > 0 if out[name] is not None else any(re.match(r"kl_\*|KL", n) for n in out["notes"])


def test_sweep_has_a_list_for_each_field():
    small = {"dimension": 60, "regularisation": 0.0}
    found = system.solve(problem(**small), samples="20,60,120", tau="1,10")
    assert isinstance(found, Sweep)
    out = json.loads(json.dumps(found.to_json()))
    assert out["samples"] == [20, 60, 120]
    for k, n in enumerate(out["samples"]):
        single = system.solve(problem(**small, samples=n), tau="1,10").to_json()
        for name in (
            "train_loss",
            "test_loss",
            "kl_generated_target",
            "kappa",
            "cosine_models",
            "null_mass",
            "log_det",
        ):
            assert out[name][k] == single[name]
        assert out["optimal_regularisation"]["reverse"][k] == single["optimal_regularisation"]["reverse"]
        assert out["stopping"]["loss"][k] == single["stopping"]["loss"]
        assert out["stopping"]["optimum"]["tau"][k] == single["stopping"]["optimum"]["tau"]
    assert out["stopping"]["tau"] == [1.0, 10.0]
    assert out["d_eff"] == single["d_eff"]
    assert any(note.startswith("N = 20:") for note in out["notes"])
    assert found.test_loss == out["test_loss"]
    assert "20" in found.summary()
    assert not hasattr(found, "nothing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": "20,x"}, "samples = .*x.*: must be whole numbers"),
        ({"samples": "1"}, "samples = 1"),
        ({"samples": []}, "at least one"),
        ({"tau": "-1"}, "tau"),
        ({"tau": "nan"}, "tau"),
        ({"eigenvalues": "-2"}, "eigenvalues"),
        ({"epochs": 3}, "epochs: unknown option"),
    ],
)
def test_bad_options_are_one_clear_line(options, message):
    with pytest.raises(InputError, match=message):
        system.solve(problem(), **options)


def test_settings_round_trip_and_defaults():
    settings = LinearDiffusion.from_table({"spectrum": {"power": 1}, "samples": 5, "dimension": 4})
    assert (settings.steps, settings.time, settings.regularisation) == (1000, 100, 0.0)
    assert LinearDiffusion.from_table(settings.to_table()) == settings
    assert settings.replace(steps=400, time=None).time == 40
    simulation = Simulation.from_table({"tau": [3.0, 1.0]})
    assert simulation.tau == [1.0, 3.0]
    assert (simulation.sampled_points(256), simulation.sampled_points(257)) == (1000, 0)


@pytest.mark.slow
def test_large_dimension_is_linear_in_memory():
    out = get(dimension=20_000, samples=5000)
    assert out["test_loss"] > out["train_loss"] > 0


def test_spectrum_from_a_file(tmp_path, reference):
    np.savez(tmp_path / "own.npz", eigenvalues=power_law(200, 1).eigenvalues)
    out = get(spectrum=str(tmp_path / "own.npz"), dimension=None)
    assert out["kappa"] == reference("linear.d200.kappa")
