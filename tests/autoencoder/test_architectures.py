"""Every architecture and prediction: derivation, theory against simulation. And every built-in experiment, by its registration."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.comparison import order_parameter_rows
from asymptotics.common.output.verdict import Verdict
from derivations import ARCHITECTURES, architecture, derive

START = {"Theta": [[0.4], [0.3]], "Q": [[0.5, 0.1], [0.1, 0.4]]}
CASES = {
    "tied": {"hidden_units": 2, "init": START},
    "tied-noise": {"hidden_units": 2, "init": START, "predicts": "noise"},
    "tied-velocity": {"hidden_units": 2, "init": START, "predicts": "velocity"},
    "no_skip": {"architecture": "no_skip", "hidden_units": 2, "init": START},
    "scaled": {"architecture": "scaled", "hidden_units": 2, "init": START, "parameters": [0.8]},
    "untied": {"architecture": "untied", "init": START, "shift": 0.3},
    "untied_bias": {"architecture": "untied_bias", "init": START, "parameters": [0.2]},
}
VARIANTS = {
    "frozen encoder": ({"denoiser.frozen": ["v"]}, "untied"),
    "slow decoder and b": ({"training.rates": {"u": 0.4, "b": 2.0}}, "untied"),
    "decreasing rate": ({"training.schedule": "1/(1 + tau)"}, "tied"),
    "random time": ({"training.average": "random", "training.times": [0.3, 0.8]}, "tied"),
    "batch of four": ({"training.batch": 4, "training.times": [0.3, 0.8]}, "tied"),
    "trigonometric": ({"interpolant.alpha": "cos(pi*t/2)", "interpolant.beta": "sin(pi*t/2)"}, "tied"),
    "variance preserving": ({"interpolant.alpha": "sqrt(1 - t**2)", "interpolant.beta": "t"}, "tied"),
}


def experiment(denoiser, **changes):
    return asy.Experiment(
        target={"centroids": [[2.0], [-1.0]], "weights": [0.7, 0.3], "eigenvalues": [[0.8], [1.1]]},
        denoiser={"skip": 0.1, **denoiser},
        training={"times": [0.6], "learning_rate": 0.4, "weight_decay": 0.2, "tau": 1.5},
        sampling={"start": 0.05, "stop": 0.9},
        simulation={"dimension": 400, "runs": 8, "samples": 1, "seed": 2},
    ).replace(changes)


def judge(exp):
    path = asy.solve(exp, tolerance=3e-5)
    runs = asy.simulate(exp, tau=[0.5, 1.5], workers=1, progress=False)
    verdict = Verdict.of(order_parameter_rows(path, runs))
    assert verdict.passed, verdict.summary()
    return path


#: The others are those of the variants below, or of the reference experiment; a velocity against the chain: `test_fluctuations`.
SLOW = ("tied", "tied-noise", "tied-velocity", "no_skip", "untied", "scaled")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in CASES])
def test_architecture_against_simulation(name):
    path = judge(experiment(CASES[name]))
    assert np.all(np.linalg.eigvalsh(path(np.linspace(0, 1.5, 16)).Q) > -1e-9)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.ci
def test_training_variant_against_simulation(name):
    changes, case = VARIANTS[name]
    judge(experiment(CASES[case]).replace(changes))


def test_frozen_vectors_do_not_move():
    exp = experiment(CASES["untied"]).replace({"denoiser.frozen": ["v", "b"]})
    at = asy.solve(exp)(1.5)
    assert at.Q[1, 1] == pytest.approx(0.4, abs=1e-12)
    assert at.Theta[1, 0] == pytest.approx(0.3, abs=1e-12)
    assert at.b == 0.1
    assert at.Q[0, 0] != pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "predicts"), [*((name, "data") for name in ARCHITECTURES), ("untied_bias", "noise"), ("tied", "velocity")]
)
@pytest.mark.ci
def test_every_architecture_prints_its_derivation(name, predicts):
    labels = 2 if name.startswith("labelled") else 0
    system = derive(architecture(name, 1, predicts=predicts, labels=labels))
    assert "Order-parameter equations" in str(system)
    assert r"}{\mathrm d\tau}" in system.latex()


@pytest.mark.ci
def test_noise_prediction_generates_from_a_later_start():
    from asymptotics.autoencoder.generated.density import GeneratedDensity

    exp = experiment(CASES["tied-noise"]).replace({"simulation.samples": 4000})
    path = asy.solve(exp, tolerance=1e-4)
    runs = asy.simulate(exp, workers=2, progress=False, companion=False)
    law = GeneratedDensity(exp.problem, path(1.5))
    means = runs.generated.mean(axis=1)[:, 0]
    sem = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - law.mean()[0]) < 4.5 * sem + 10 / 400 * (1 + abs(law.mean()[0]))


def _autoencoder_examples():
    import tomllib
    from importlib import resources

    folder = resources.files("asymptotics").joinpath("examples")
    names = []
    for name in asy.examples():
        table = tomllib.loads(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"))
        if table.get("system", "autoencoder") == "autoencoder" and "generations" not in table:
            names.append(name)
    return names


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", _autoencoder_examples())
def test_built_in_experiment_agrees_with_its_simulation(name):
    """A new experiment is tested by being registered: full simulation as its file says, one verdict."""
    exp = asy.example(name)
    path = asy.solve(exp, tolerance=1e-4)
    runs = asy.simulate(exp, progress=False)
    verdict = asy.compare(path, runs)
    assert verdict.passed, verdict.summary()
