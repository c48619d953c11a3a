"""Gradients and optimal protocols: closed forms, numbers of the theory note, differences of the drift on random experiments."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asymptotics as asy
from asymptotics.autoencoder.control.objectives.chosen import objective_of
from asymptotics.autoencoder.control.protocols.controls import control_of
from asymptotics.autoencoder.control.protocols.protocol import Protocols
from asymptotics.autoencoder.control.setting import Setting
from asymptotics.cli import run as cli

#: Problem R4 of the note: one unit, two clusters.
SEARCHING = {
    "target": {"centroids": [[2.0], [-2.0]]},
    "denoiser": {"init": {"Theta": [[0.05]], "Q": [[0.08]]}},
    "training": {"times": [0.5], "learning_rate": 0.2, "weight_decay": 0.05, "tau": 3.0},
    "simulation": {"dimension": 100, "runs": 2},
}


@pytest.fixture(scope="module")
def searching() -> asy.Experiment:
    return asy.Experiment(**SEARCHING)


def mignacco(error: float) -> asy.Experiment:
    """Problem R1: Mignacco and Mori's denoising auto-encoder (arXiv 2507.07907), noise level ``error`` in the objective."""
    T = [[0.947122419564553, 0.031274890028714], [0.031274890028714, 0.990020760211375]]
    theta = [[0.116489636115697, -0.005180891113466], [0.028851354511359, 0.103869308837164]]
    Q = [[0.25, 0.00288941033748], [0.00288941033748, 0.25]]
    return asy.Experiment(
        target={"centroids": [[1.0, 0.0], [0.0, 1.0]], "eigenvalues": [[0.01]], "reference_overlaps": [T]},
        interpolant={"alpha": "sqrt(1 - t)", "beta": "sqrt(t)"},
        denoiser={"architecture": "linear", "hidden_units": 2, "init": {"Theta": theta, "Q": Q}},
        training={"times": [1 - error], "learning_rate": 2.5, "tau": 4.0},
    )


# gradients ---------------------------------------------------------------------------------------------------------


@pytest.mark.ci
def test_the_skip_connection_has_its_closed_form(searching) -> None:
    """b = b_∞ + (b₀ − b_∞)e^{−κτ}, κ = Λβ² + α², b_∞ = Λβ/κ: all derivatives by hand."""
    found = asy.gradient(
        searching, lambda at: at.b, ["denoiser.skip", "training.tau", "target.eigenvalues", "training.times"]
    )
    kappa, limit, tau = 0.5, 1.0, 3.0
    kept = np.exp(-kappa * tau)
    assert found.value == pytest.approx(limit * (1 - kept), rel=1e-9)
    assert found["denoiser.skip"] == pytest.approx(kept, rel=1e-8)
    assert found["training.tau"] == pytest.approx(kappa * limit * kept, rel=1e-8)
    # κ = Λ/4 + 1/4 and κ b_∞ = Λ/2 at t = ½, so that db_∞/dΛ = (1/2 − b_∞/4)/κ.
    by_kappa = limit * tau * kept
    by_Lambda = (0.5 - 0.25) / kappa * (1 - kept) + by_kappa * 0.25
    np.testing.assert_allclose(found["target.eigenvalues"], [[by_Lambda]], rtol=1e-8)
    # dκ/dt = 2Λt − 2(1 − t) = 0 and dh/dt = Λ there.
    np.testing.assert_allclose(found["training.times"], [(1 - kept) / kappa], rtol=1e-8)


@pytest.mark.ci
def test_the_time_to_reach_a_cosine(searching, reference) -> None:
    """n/d, and dT/dη; at the best constant η it is zero."""
    at, best = (
        asy.gradient(searching.replace(training=rate), "hitting", ["training.learning_rate"], cosine=0.9)
        for rate in ({}, {"learning_rate": reference.value("control.search_rate")})
    )
    assert at.value == reference("control.search_time")
    assert at["training.learning_rate"] == reference("control.search_slope")
    assert best.value == reference("control.search_best")
    # d²T/dη² is some 30, and the rate is known to 5e-7.
    assert best["training.learning_rate"] == pytest.approx(0.0, abs=3e-5)


@pytest.mark.parametrize("key", ["training.learning_rate", "training.weight_decay", "target.centroids[0][0]"])
@pytest.mark.parametrize("objective", ["order_one", "loss"])
def test_gradients_are_those_of_the_solver(searching, key: str, objective: str) -> None:
    """Against central differences of the loss of solved paths with the same nodes."""
    rule = asy.Rule("hermite", 32)
    got = np.ravel(asy.gradient(searching, objective, [key], rule=rule)[key])[0]

    def value(by: float) -> float:
        if "centroids" in key:
            moved = searching.replace({"target.centroids": [[2.0 + by], [-2.0]]})
        else:
            name = key.partition(".")[2]
            moved = searching.replace({key: getattr(searching.problem.training, name) + by})
        path = asy.solve(moved, rule=rule, rtol=1e-12, atol=1e-12)
        return float(path.loss_order_one(3.0)) if objective == "order_one" else float(path.loss_total(3.0, 100))

    h = 2e-4
    wanted = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert got == pytest.approx(wanted, rel=1e-6)


NETWORKS = [
    {"architecture": "tied", "hidden_units": 1},
    {"architecture": "untied_bias", "hidden_units": 1, "parameters": [0.2]},
]


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    network=st.sampled_from(NETWORKS),
    times=st.lists(st.floats(0.1, 0.9), min_size=1, max_size=2, unique=True),
    average=st.sampled_from(["times", "random"]),
    scale=st.floats(0.2, 2.0),
    eigenvalues=st.lists(st.floats(0.2, 2.0), min_size=4, max_size=4),
    ema=st.sampled_from([None, 0.7]),
    seed=st.integers(0, 1000),
)
@pytest.mark.ci
def test_dot_products_on_random_experiments(network, times, average, scale, eigenvalues, ema, seed) -> None:
    """v·(Jᵀw) from the adjoint is w·(J v) from differences of the drift."""
    training = {"times": sorted(times), "average": average, "learning_rate": 0.3, "weight_decay": 0.2, "tau": 1.0}
    if ema is not None:
        training["ema"] = ema
    experiment = asy.Experiment(
        target={
            "centroids": [[1.2, 0.1], [-0.7, 0.4]], "weights": [0.4, 0.6], "masses": [0.3, 0.7],
            "eigenvalues": [eigenvalues[:2], eigenvalues[2:]],
        },
        denoiser={**network, "init": {"centroids": 0.2, "random": 0.5}},
        training=training,
    )  # fmt: skip
    setting = Setting.of(experiment.problem, rule=asy.Rule("hermite", 8), noise_rule=asy.Rule("hermite", 5))
    drift = setting.drift()
    rng = np.random.default_rng(seed)
    y = setting.start(drift)
    y = y + 0.02 * rng.standard_normal(len(y))
    v, w = rng.standard_normal((2, len(y)))
    adjoint = setting.adjoint(drift)
    tape = adjoint.record(y, scale, 0.4)
    np.testing.assert_allclose(tape.slope, drift.slope(y, scale, 0.4), rtol=1e-12, atol=1e-13)
    h = 1e-4

    def along(e: float) -> float:
        return float(w @ drift.slope(y + e * v, scale, 0.4))

    wanted = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    assert float(adjoint.pull(tape, w) @ v) == pytest.approx(wanted, rel=1e-7, abs=1e-7)


def test_generated_moments_of_the_reference_example(three_clusters, reference) -> None:
    """E XXᵀ with Euler steps of .01 to .99; its target is diag(7, 4)."""
    from asymptotics.autoencoder.control.objectives.generated import generated_moments, target_moments

    problem = three_clusters.replace({"sampling.step": 0.01, "sampling.stop": 0.99}).problem
    second = generated_moments(problem, asy.solve(three_clusters)(4.0))[1]
    assert np.diag(second) == reference("control.generated_second")
    assert max(abs(second[0, 1]), abs(second[1, 0])) < 1e-4
    np.testing.assert_allclose(target_moments(problem)[1], np.diag([7.0, 4.0]), atol=1e-12)


def test_the_collapse_map_moves_with_its_keys() -> None:
    """Λ* against the fixed point of moved problems."""
    experiment = asy.example("collapse-remedy")
    found = asy.gradient(experiment, "collapse", ["training.tau"])
    values = [asy.gradient(experiment.replace({"training.tau": 4.0 + e}), "collapse").value for e in (-1e-3, 1e-3)]
    assert found["training.tau"] == pytest.approx((values[1] - values[0]) / 2e-3, rel=1e-5)


# optimal protocols -------------------------------------------------------------------------------------------------


@pytest.mark.rows("control.noise_levels")
@pytest.mark.ci
def test_noise_levels_of_the_published_problem(error, same, best, value) -> None:
    """J of Mignacco and Mori's problem at the level Δ of the objective, and at the best constant one (note, R1)."""
    problem = mignacco(error).problem
    control = control_of(problem, "training.times", (0.01, 0.99, 1))
    training = Protocols(Setting.of(problem), objective_of("potential"), [control], 0.8)
    assert training(np.array([1 - error])).value == pytest.approx(same, abs=1e-8)
    at_best = training(np.array([1 - best]))
    assert at_best.value == pytest.approx(value, abs=1e-8)
    # Stationary inside; at the bound more noise would only help.
    assert at_best.gradient[0] < 0 if error == 0.1 else abs(at_best.gradient[0]) < 1e-5


@pytest.mark.slow
@pytest.mark.rows("control.optimal_noise_levels")
def test_optimal_noise_levels_of_the_published_problem(error, optimum, published) -> None:
    """Optimal J of 400 intervals: that of the note, below that of the published solver."""
    found = asy.optimise(mignacco(error), "potential", {"training.times": (0.01, 0.99, 400)}, starts=2, simulate=False)
    assert found.optimum["value"] == pytest.approx(optimum, abs=2e-8)
    assert found.optimum["value"] < published


@pytest.mark.ci
def test_second_moments_at_a_constant_learning_rate(three_clusters) -> None:
    """Σ(S_gen − S)² at η = .0276385: both units are apart there, each a one-dimensional flow, by 100 001 nodes of a line.

    (S = 7.2131499, 3.6913027. The theory note has 7.2080 from a grid of 801 nodes, which the front between the modes outruns.)
    """
    experiment = three_clusters.replace({"sampling.step": 0.01, "sampling.stop": 0.99})
    control = control_of(experiment.problem, "training.learning_rate", (0.0, 0.1, 1))
    training = Protocols(Setting.of(experiment.problem), objective_of("moments"), [control], 20.0)
    at = training(np.array([0.0276385]))
    assert at.value == pytest.approx(0.2131499**2 + 0.3086973**2, abs=1e-6)

    def value(by: float) -> float:
        return training.value(np.array([0.0276385 + by]))

    h = 1e-5
    wanted = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert at.gradient[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.slow
def test_learning_rate_of_the_reference_example(three_clusters, reference) -> None:
    """The best constant η, a second minimum; the optimum gains 15.65 %, and does so in R^d."""
    experiment = three_clusters.replace({"simulation.runs": 8, "simulation.dimension": 1000})
    found = asy.optimise(experiment, "order_one", {"training.learning_rate": (0.0, 2.0, 100)})
    assert found.baseline == reference("control.three_clusters.baseline")
    assert found.constant["value"] == reference("control.three_clusters.constant")
    assert found.constant["control"] == reference("control.three_clusters.constant_rate")
    other = found.constant["others"][0]
    assert [other["control"], other["value"]] == reference("control.three_clusters.other")
    assert found.optimum["value"] == reference("control.three_clusters.optimum")
    constant, best = (found.simulated[name] for name in ("constant", "optimum"))
    error = np.hypot(constant["sem"], best["sem"])
    # Both are of finite d: their gain is that of the theory up to O(1/d).
    gain = reference.value("control.three_clusters.constant") - reference.value("control.three_clusters.optimum")
    assert constant["mean"] - best["mean"] == pytest.approx(gain, abs=4 * error + 5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "constant", "optimum", "switch"),
    [(None, 2.1862398, 2.1835458, 3.88814), ([0.5], 0.811223, 0.8004343, 2.64173)],
)
def test_curriculum_over_times_is_bang_bang(three_clusters, at, constant, optimum, switch) -> None:
    """First t = .8 alone, then .5 alone (note, R3): values and switch time."""
    experiment = three_clusters.replace({"training.times": [0.2, 0.5, 0.8], "training.average": "random"})
    found = asy.optimise(
        experiment, "order_one", {"training.time_probabilities": (0.0, 1.0, 40)}, at=at, starts=2, simulate=False
    )
    assert found.constant["value"] == pytest.approx(constant, abs=1e-6)
    assert found.optimum["bang_bang"] and found.optimum["control"] == [[0, 0, 1], [0, 1, 0]]
    assert found.optimum["value"] == pytest.approx(optimum, abs=1e-6)
    assert 0.2 * found.optimum["knots"][1] == pytest.approx(switch, abs=2e-4)


@pytest.mark.slow
def test_optimal_learning_rate_of_the_search(searching, reference) -> None:
    """60 pieces: 7.1 % below the best constant; η falls smoothly from .68 to .28."""
    control = {"training.learning_rate": (0.0, 1.0, 60)}
    found = asy.optimise(searching, "hitting", control, cosine=0.9, horizon=4.0, starts=2, simulate=False)
    assert found.constant["value"] == reference("control.search_best")
    assert found.constant["control"] == reference("control.search_rate")
    assert found.optimum["value"] == reference("control.search_optimum")
    eta = found.control(np.linspace(0.02, found.optimum["value"] - 0.1, 30))
    assert eta[0] == pytest.approx(0.68, abs=0.03) and eta[-1] == pytest.approx(0.28, abs=0.03)
    assert np.all(np.diff(eta) < 0.02)


@pytest.mark.parametrize(
    ("at", "even", "alone"),
    [
        pytest.param(None, 2.5057222, (3.3594882, 2.5602642, 2.1868057), marks=pytest.mark.slow),
        ([0.5], 1.1289027, (2.2958983, 0.8588400, 1.0789903)),
    ],
)
@pytest.mark.ci
def test_denoising_errors_of_random_times(three_clusters, at, even, alone) -> None:
    """Order-one error after training at .2, .5, .8 with equal probabilities, and at each of them alone (note, R3).

    The note's 3.3594862 and 2.5602658 are those of 64 Hermite nodes. The objective written out by hand, with paths of 140 and of
    200 nodes, gives 3.3594882 and 2.5602642; at .8, whose fields are narrower, 64 nodes are enough.
    """
    problem = three_clusters.replace({"training.times": [0.2, 0.5, 0.8], "training.average": "random"}).problem
    control = control_of(problem, "training.time_probabilities", (0.0, 1.0, 1))
    training = Protocols(
        Setting.of(problem, tolerance=1e-8), objective_of("order_one", at=at), [control], 20.0, refine=2
    )
    for p, wanted in zip([np.full(3, 1 / 3), *np.eye(3)], [even, *alone], strict=True):
        assert training(p).value == pytest.approx(wanted, abs=1e-6)


# interface ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_command_line(tmp_path, capsys) -> None:
    """The contract's fields, with both protocols in R^d (quick: those of splines, `test_spline_controls`)."""
    file = tmp_path / "searching.toml"
    file.write_text(
        "[target]\ncentroids = [[2.0], [-2.0]]\n[denoiser.init]\nTheta = [[0.05]]\nQ = [[0.08]]\n"
        "[training]\ntimes = [0.5]\nlearning_rate = 0.2\nweight_decay = 0.05\ntau = 1.0\n"
        "[simulation]\ndimension = 100\nruns = 2\n"
    )
    options = ["--objective", "order_one", "--at", "0.4,0.6", "--control", "training.learning_rate=0.05:1:2"]
    status = cli.main(["optimise", str(file), *options, "--starts", "1", "--workers", "1", "--json"])
    assert status == 0
    found = json.loads(capsys.readouterr().out)
    assert {"objective", "baseline", "constant", "optimum", "simulated"} <= set(found)
    assert set(found["constant"]) >= {"value", "control"}
    assert set(found["optimum"]) >= {"value", "control", "knots", "residual", "starts"}
    assert found["optimum"]["value"] <= found["constant"]["value"] <= found["baseline"]
    assert len(found["optimum"]["control"]) == 2 and found["optimum"]["knots"] == pytest.approx([0, 1.25, 2.5])
    for name in ("constant", "optimum"):
        assert set(found["simulated"][name]) == {"mean", "sem"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controls": {}}, "controls: must be a mapping"),
        ({"controls": {"training.learning_rate": 0.1}}, "without bounds there may be no optimum"),
        ({"controls": {"training.learning_rate": (1.0, 0.5)}}, "controls: training.learning_rate: high"),
        ({"controls": {"training.tau": (0.1, 1.0)}}, "training.tau: cannot be controlled"),
        ({"controls": {"training.time_probabilities": (0.0, 1.0)}}, 'needs training.average = "random"'),
        ({"controls": {"training.learning_rate": (0.1, 1.0)}, "objective": "los"}, "objective = 'los'"),
        (
            {"controls": {"training.learning_rate": (0.1, 1.0)}, "objective": "collapse"},
            "no controls along the training",
        ),
    ],
)
def test_bad_input_of_an_optimisation(searching, options, message) -> None:
    with pytest.raises(asy.InputError, match=message.replace("(", r"\(")):
        asy.optimise(searching, **options)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("training.learning", "no key learning in training"),
        ("tau", "must be a dotted key"),
        ("training.batch", "must be a real number"),
        ("denoiser.activation", "must be a real number"),
        ("target.centroids[5]", "no such entry"),
        ("sampling.stop", "whole steps"),
    ],
)
def test_bad_keys(searching, key, message) -> None:
    with pytest.raises(asy.InputError, match=message):
        asy.gradient(searching, "order_one", [key])


def test_a_kink_over_nodes_is_refused() -> None:
    experiment = asy.Experiment(
        **{**SEARCHING, "denoiser": {"activation": "relu", "hidden_units": 1, "init": {"random": 0.5}}}
    )
    with pytest.raises(asy.InputError, match="has a kink and no closed form"):
        asy.gradient(experiment.replace({"training.times": [0.3, 0.6]}), "order_one", ["training.learning_rate"])


@pytest.mark.slow
def test_gradient_by_the_strength_of_guidance():
    """Second moments of what a guided network generates, by ω: central differences of whole solves."""
    exp, step = asy.example("guidance"), 1e-3
    found = asy.gradient(exp, "moments", wrt=["sampling.guidance", "training.learning_rate"])
    high, low = (
        asy.gradient(exp.replace({"sampling.guidance": 1.0 + h}), "moments", wrt=["training.learning_rate"]).value
        for h in (step, -step)
    )
    assert found["sampling.guidance"] == pytest.approx((high - low) / (2 * step), rel=1e-5)
