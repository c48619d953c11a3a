"""The adapter: experiment files, what ``--json`` prints, errors at the door, plots."""

from __future__ import annotations

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.mixture_flow.equations.order_parameters import at, final_state
from asymptotics.mixture_flow.plots import error_curve
from asymptotics.mixture_flow.theory import Solution

TABLE = {"samples": 8, "cluster_std": 1.5, "centroid_norm": 1.0, "ridge": 0.1}
SMALL = {"dimension": 400, "runs": 3, "samples": 20, "seed": 1}


def experiment(**tables):
    return asy.Experiment(system="mixture_flow", **({"mixture_flow": TABLE, "simulation": SMALL} | tables))


@pytest.fixture
def agg():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_solve_json(capsys):
    assert main(["solve", "binary-mixture", "--json", "--times", "0,0.25,1"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["t"] == [0, 0.25, 1]
    for name in ("M", "Q_xi", "Q_eta", "perp", "b", "w_m", "w_xi", "w_eta", "cosine"):
        assert len(output[name]) == 3
    assert output["M"][2] == pytest.approx(80 / 81, abs=1e-14)
    assert output["perp"][2] ** 2 == pytest.approx(2.25 + 0.1 / 7.1, abs=1e-14)
    final = output["final"]
    theory = final_state(samples=8, cluster_std=1.5, ridge=0.1)
    for name in (
        "mean_error",
        "mean_cosine",
        "sigma_generated",
        "mw2_squared",
        "bayes_error",
        "bayes_cosine",
        "no_skip_error",
    ):
        assert final[name] == getattr(theory, name)
    # The norms of the vectors add up: ‖v‖²/d from the components, against the ridge solution's own normal equation.
    w, b, t = [output[f"w_{x}"][1] for x in ("m", "xi", "eta")], output["b"][1], 0.25
    assert (8 + 0.1) * w[0] == pytest.approx(8 * (1 - b * t), abs=1e-12)
    assert (8 + 0.1) * w[1] == pytest.approx(-b * (1 - t), abs=1e-12)
    assert (8 + 0.1) * w[2] == pytest.approx(1 - b * t, abs=1e-12)


@pytest.mark.parametrize("preset", ["trigonometric", "variance-preserving"])
def test_other_interpolants_end_alike(preset):
    ours = asy.solve(experiment(interpolant={"preset": preset}), times="0.5,1")
    linear = asy.solve(experiment(), times=[0.5, 1])
    assert ours.final == linear.final and ours.M[1] == linear.M[1] and ours.perp[0] != linear.perp[0]


def test_numerical_method_agrees():
    closed = asy.solve(experiment(), times=[0, 0.4, 1])
    numeric = asy.solve(experiment(), times=[0, 0.4, 1], method="ode", rtol=1e-9)
    for name in ("M", "Q_xi", "Q_eta", "perp", "Q", "cosine"):
        np.testing.assert_allclose(getattr(numeric, name), getattr(closed, name), atol=1e-8)
    assert numeric.evaluations > 0 and 0 < numeric.error_estimate < 1e-7


def test_solution_is_dense_prints_and_is_stored(tmp_path):
    exp = experiment()
    solution = asy.solve(exp)
    np.testing.assert_array_equal(solution(0.37).M, at(exp.problem.mixture_flow, exp.problem.interpolant, 0.37).M)
    assert "mw2_squared" in solution.summary()
    assert Solution.load(solution.save(tmp_path / "s.npz")).to_json() == solution.to_json()
    with pytest.raises(asy.InputError, match="t = "):
        solution(1.5)


def test_simulate_and_compare(capsys):
    arguments = ["--json", "--set", "simulation.dimension=500", "--set", "simulation.samples=30", "--workers", "1"]
    assert main(["simulate", "binary-mixture", *arguments]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["runs"] == 8 and output["dimension"] == 500 and output["seconds"] > 0
    assert len(output["mean"]["M"]) == len(output["sem"]["M"]) == len(output["t"]) == 11
    assert output["sem"]["final"]["mean_error"] > 0
    assert main(["compare", "binary-mixture", *arguments]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["passed"] and {r["name"] for r in verdict["rows"]} >= {"M", "Q_xi", "Q_eta", "perp", "mean_error"}


@pytest.mark.parametrize(
    "arguments", [["--times", "0,2"], ["--times", "a"], ["--method", "magic"], ["--rtol", "0", "--method", "ode"]]
)
def test_bad_options_are_one_line(arguments, capsys):
    assert main(["solve", "binary-mixture", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "error" in captured.err


def test_runs_of_another_experiment_are_refused():
    runs = asy.simulate(experiment(), workers=1)
    with pytest.raises(asy.InputError, match="differs"):
        asy.compare(asy.solve(experiment(mixture_flow=TABLE | {"ridge": 0.2})), runs)


def test_plots(agg):
    exp = experiment()
    solution, runs = asy.solve(exp), asy.simulate(exp, workers=1)
    figure, ax = asy.plot(solution, runs)
    assert len(ax.containers) == 5 and figure is ax.figure
    assert any(np.array_equal(line.get_ydata(), solution.M) for line in ax.lines)
    assert solution.plot()[1].lines and runs.plot()[1].containers
    _, ax = error_curve(0.7, 0.2)
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize("name", ["binary-mixture", "binary-mixture-euler", "binary-mixture-fresh-noise"])
def test_examples_are_complete(name):
    exp = asy.example(name)
    assert exp.system == "mixture_flow" and exp.description
    assert asy.solve(exp).final.mean_error > 0


def test_earlier_names_still_work():
    solution = asy.solve(experiment(), times=[1.0])
    with pytest.warns(DeprecationWarning, match="parameters: is now called experiment"):
        assert solution.parameters is solution.experiment
    with pytest.warns(DeprecationWarning, match="mean_error"):
        assert solution.final["mean_error"] == solution.final.mean_error


def test_power_is_of_what_fluctuates():
    exp = experiment()
    # w at t = 0 is N/(N + λ) in every run: it would see any change of λ.
    power = asy.compare(asy.solve(exp), asy.simulate(exp, workers=1)).power
    assert power["mixture_flow.ridge"] > 0.01
