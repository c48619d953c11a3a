"""Controls that are splines along the training: bounds everywhere, exact gradients, and what they reach."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

import asymptotics as asy
from asymptotics.autoencoder.control.objectives.chosen import objective_of
from asymptotics.autoencoder.control.protocols.basis import Basis
from asymptotics.autoencoder.control.protocols.controls import control_of
from asymptotics.autoencoder.control.protocols.optimum import Optimum
from asymptotics.autoencoder.control.protocols.protocol import Protocols
from asymptotics.autoencoder.control.setting import Setting
from asymptotics.cli import run as cli

#: One unit, two clusters, a short training.
SEARCHING = asy.Experiment(
    target={"centroids": [[2.0], [-2.0]]},
    denoiser={"init": {"Theta": [[0.05]], "Q": [[0.08]]}},
    training={"times": [0.5], "learning_rate": 0.2, "weight_decay": 0.05, "tau": 1.0},
    simulation={"dimension": 100, "runs": 2},
)
RULE = asy.Rule("hermite", 24)


def protocols(controls, experiment=SEARCHING, objective="order_one", horizon=2.5, **options):
    """Splines of all the controls ``{key: (low, high, pieces)}``."""
    problem = experiment.problem
    made = [control_of(problem, key, bounds, "spline") for key, bounds in controls.items()]
    setting = Setting.of(problem, rule=RULE, noise_rule=asy.Rule("hermite", 12))
    return Protocols(setting, objective_of(objective), made, horizon, **options)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(pieces=st.integers(1, 9), seed=st.integers(0, 100), x=st.floats(0.0, 1.0))
def test_splines_stay_between_their_bounds(pieces, seed, x) -> None:
    """Coefficients at the bounds in any order; the functions are SciPy's, never negative, and sum to one."""
    basis = Basis("spline", pieces)
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, pieces + 1), np.ones(3)])
    row = basis.row(x)
    np.testing.assert_allclose(row, BSpline.design_matrix([x], knots, 3).toarray()[0], atol=1e-14)
    coefficients = np.random.default_rng(seed).choice([0.25, 1.5], basis.count)
    assert 0.25 - 1e-14 <= row @ coefficients <= 1.5 + 1e-14
    assert row @ basis.centres == pytest.approx(x, abs=1e-14) and basis.areas.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("controls", "changes"),
    [
        ({"training.learning_rate": (0.0, 1.0, 3)}, {}),
        ({"training.weight_decay": (0.0, 1.0, 2), "training.learning_rate": (0.0, 1.0, 1)}, {}),
        ({"training.times": (0.2, 0.8, 2)}, {}),
        ({"training.weights": (0.0, 2.0, 1)}, {"training.times": [0.3, 0.6], "training.average": "random"}),
        ({"training.time_probabilities": (0.0, 1.0, 2)}, {"training.times": [0.3, 0.6], "training.average": "random"}),
        ({"training.rates.b": (0.0, 2.0, 2)}, {"training.schedule": "1/(1+tau)"}),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else None,
)  # fmt: skip
@pytest.mark.ci
def test_gradients_through_the_basis(controls, changes) -> None:
    """Against central differences of the value, along a random direction of all coefficients."""
    along = protocols(controls, SEARCHING.replace(changes))
    rng = np.random.default_rng(3)
    low, high = along.bounds()
    u = low + (high - low) * rng.uniform(0.3, 0.7, len(low))
    direction = (high - low) * rng.standard_normal(len(low))
    h = 1e-3
    values = [along.value(u + k * h * direction) for k in (-2, -1, 1, 2)]
    wanted = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * h)
    assert float(along(u).gradient @ direction) == pytest.approx(wanted, rel=1e-6)


def test_equal_coefficients_are_a_constant() -> None:
    along = protocols({"training.learning_rate": (0.0, 1.0, 2)})
    steady = Protocols(
        along.setting, along.objective, [control_of(along.setting.problem, "training.learning_rate", (0, 1, 1))], 2.5
    )
    assert along(np.full(5, 0.3)).value == pytest.approx(steady(np.array([0.3])).value, rel=1e-9)
    # By all coefficients alike as by the constant.
    assert along(np.full(5, 0.3)).gradient.sum() == pytest.approx(steady(np.array([0.3])).gradient[0], rel=1e-7)


def test_a_weight_decay_along_the_training_is_the_expression_s() -> None:
    """λ = .1 + .6 x − .5 x³, x = τ/τ_f, is a spline of one piece: the path of the expression has the same loss."""
    along = protocols({"training.weight_decay": (0.0, 1.0, 1)})
    x = np.linspace(0, 1, 4)
    coefficients = np.linalg.solve(Basis("spline", 1).rows(x), 0.1 + 0.6 * x - 0.5 * x**3)
    path = asy.solve(
        SEARCHING.replace({"training.weight_decay": "0.1 + 0.6*tau - 0.5*tau**3"}), rule=RULE, progress=False
    )
    assert along(coefficients).value == pytest.approx(float(path.loss_order_one(1.0)), rel=1e-6)


@pytest.mark.ci
def test_command_line(tmp_path, capsys) -> None:
    """The contract's fields, with both protocols in R^d."""
    file = tmp_path / "searching.toml"
    file.write_text(
        '[target]\ncentroids = [[2.0], [-2.0]]\n[denoiser]\nactivation = "linear"\n'
        "[denoiser.init]\nTheta = [[0.05]]\nQ = [[0.08]]\n"
        "[training]\ntimes = [0.5]\nlearning_rate = 0.2\nweight_decay = 0.05\ntau = 0.5\n"
        "[simulation]\ndimension = 100\nruns = 2\n"
    )
    options = ["--control", "training.learning_rate=0.3:0.5:1", "--basis", "spline", "--starts", "1", "--workers", "1"]
    kept = tmp_path / "optimum.npz"
    assert cli.main(["optimise", str(file), *options, "--json", "--save", str(kept)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"objective", "baseline", "constant", "optimum", "simulated"} <= set(found)
    assert set(found["constant"]) >= {"value", "control"}
    assert set(found["optimum"]) >= {"value", "control", "knots", "residual", "starts"}
    assert found["optimum"]["basis"] == "spline" and len(found["optimum"]["coefficients"]) == 4
    assert found["optimum"]["value"] < found["constant"]["value"] < found["baseline"]
    assert all(set(found["simulated"][name]) == {"mean", "sem"} for name in ("constant", "optimum"))
    assert found["simulated"]["optimum"]["mean"] == pytest.approx(found["optimum"]["value"], abs=1.0)
    optimum = Optimum.load(kept)
    eta = optimum.control(np.linspace(0, optimum.horizon, 101))
    assert np.all((eta >= 0.3) & (eta <= 0.5)) and eta[[0, 100]] == pytest.approx(found["optimum"]["control"])
    assert optimum.plot()[0] is not None and "splines of 1 pieces" in optimum.summary()
    assert cli.main(["optimise", str(file), *options[:3], "splines"]) == 2
    assert "basis" in capsys.readouterr().err
