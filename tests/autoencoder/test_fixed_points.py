"""Fixed points of the training flow, their spectra, and growth rates at any state: numbers of an independent implementation."""

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics import autoencoder
from asymptotics.autoencoder.stability.flow import Flow
from asymptotics.autoencoder.stability.points.fixed_points import FixedPoints
from asymptotics.cli import main

TWO = asy.Experiment(
    target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
    denoiser={"hidden_units": 1, "init": {"random": 0.1}},
    training={"times": [0.5], "learning_rate": 0.1, "weight_decay": 0.05, "tau": 6.0},
)
THREE = asy.example("three-clusters")
NONE = np.zeros((2, 2))


def found(decay, **changes):
    return asy.fixed_points(TWO.replace({"training.weight_decay": decay, **changes}), starts=8, progress=False)


@pytest.mark.rows("stability.two_clusters")
def test_two_clusters_one_unit(decay, uninformed, growth, theta, q, eigenvalues):
    points = found(decay)
    informed = [p for p in points if p.kind == "stable"]
    assert len(informed) == 1 and informed[0].copies == 2
    point = informed[0]
    assert point["Theta"] == pytest.approx(np.array([[theta]]), abs=1e-8)
    assert point["Q"] == pytest.approx(np.array([[q]]), abs=1e-8)
    assert point["b"] == pytest.approx(1.0, abs=1e-12)
    assert np.sort(point["eigenvalues"]) == pytest.approx(np.sort([*eigenvalues, -0.5]), abs=2e-6)
    asleep = [p for p in points if not np.any(p.Theta)]
    best = min(asleep, key=lambda p: abs(p.Q[0, 0] - uninformed))
    assert best.Q[0, 0] == pytest.approx(uninformed, abs=1e-8)
    assert best.kind == "saddle" and best.rate == pytest.approx(growth, abs=1e-6) and best.direction == ("Theta_11",)
    # Trapezoidal sums know no fixed point far out at this learning rate; 64 Gauss–Hermite nodes invent one at Q = 29.75.
    assert np.max(points.states) < 2


def test_beyond_the_bifurcation_nothing_is_learned():
    # The informed branch leaves 0 at λ = 4β(1 − bβ)m² = 4.
    (point,) = found(4.1)
    assert point.kind == "stable" and point.rate == pytest.approx(-0.05, abs=1e-6) and not np.any(point.Theta)


def test_an_artefact_of_64_nodes_is_not_confirmed():
    flow = Flow(TWO.problem, (asy.Rule("hermite", 64), asy.Rule("hermite", 64)))
    invented = flow.root(flow.layout.pack(np.full((1, 1, 1), 1.43), np.full((1, 1, 1), 29.75), 1.0, np.zeros(0)))
    assert invented is not None and invented[:2] == pytest.approx([1.43, 29.75], rel=0.01)
    # By an independent trapezoidal sum dQ/dτ = −51.8 there.
    finer = flow.finer((asy.Rule("hermite", 448), asy.Rule("hermite", 448)))
    assert finer(invented)[1] == pytest.approx(-51.8, abs=0.5)


def test_a_true_boundary_of_divergence_is_found():
    # Between Q = 30 and 60 at η = 2 the noise outgrows what restores; a sum over 40 001 equally spaced nodes: Q = 32.22647.
    points = asy.fixed_points(TWO.replace({"training.learning_rate": 2.0}), starts=8, progress=False)
    (edge,) = [p for p in points if p.Q[0, 0] > 10 and not np.any(p.Theta)]
    assert edge.Q[0, 0] == pytest.approx(32.226472, abs=1e-5) and edge.kind == "saddle" and edge.direction == ("Q_11",)


def test_three_clusters(reference):
    points = asy.fixed_points(THREE, starts=1, progress=False)
    saddle = next(p for p in points if p.unstable == 1 and abs(p.Theta[0, 0] - 0.496) < 0.01)
    assert np.diag(saddle.Theta) == reference("stability.three_clusters.saddle_Theta")
    assert np.max(np.abs(saddle.Theta[[0, 1], [1, 0]])) < 1e-8
    assert np.diag(saddle.Q) == reference("stability.three_clusters.saddle_Q")
    assert saddle.eigenvalues.real == reference("stability.three_clusters.saddle_rates")
    turning = np.sort(np.abs(saddle.eigenvalues.imag))[-4:]
    assert turning == reference("stability.three_clusters.saddle_turning")
    assert set(saddle.direction) == {"Theta_12", "Theta_21"}
    (end,) = [p for p in points if p.kind == "stable"]
    assert np.abs(end.Theta[0]) == reference("stability.three_clusters.end_Theta")
    assert np.abs(end.Theta[1]) == reference("stability.three_clusters.end_Theta")
    assert end.Q[0] == reference("stability.three_clusters.end_Q")
    assert end.Q[1, ::-1] == reference("stability.three_clusters.end_Q")
    assert end.rate == reference("stability.three_clusters.end_rate") and end.copies == 8
    # No other starts find anything lower.
    assert points.potential[0] == points.potential.min() and points[0].kind == "stable"


@pytest.mark.parametrize(
    ("denoiser", "eta"),
    [
        ({"activation": "linear"}, 0.1), ({"activation": "erf"}, 0.3), ({"architecture": "no_skip"}, 0.2),
        pytest.param({"architecture": "untied"}, 0.1, marks=pytest.mark.slow),
        pytest.param({"activation": "x/(1+x**2)"}, 0.1, marks=pytest.mark.slow),
    ],
)  # fmt: skip
@pytest.mark.ci
def test_the_end_of_a_long_path_is_among_them(denoiser, eta):
    changed = TWO.replace({"training.learning_rate": eta, "training.tau": 120.0, "denoiser.init": {"centroids": 0.2}})
    changed = changed.replace(denoiser=denoiser)
    path = asy.solve(changed, progress=False)
    end = path(120.0)
    points = asy.fixed_points(changed.replace({"training.tau": 6.0}), starts=4, progress=False)
    near = min(points, key=lambda p: float(np.max(np.abs(np.abs(p.Theta) - np.abs(end.Theta)))))
    assert np.abs(near.Theta) == pytest.approx(np.abs(end.Theta), abs=1e-5)
    assert pytest.approx(end.Q, abs=1e-5) == near.Q and near.kind in ("stable", "marginal")


def test_growth_rates_at_any_state(reference):
    # κ_k H₁ + H₀ + P − λ/2 at Θ = 0, κ = 7, 4, with nodes of an independent implementation.
    rates = autoencoder.growth_rates(THREE.problem, Theta=NONE, Q=0.09 * np.eye(2), b=0.0)
    assert rates.eigenvalues[[0, 1, 2, 3]] == reference("stability.three_clusters.start_rates")
    rates = autoencoder.growth_rates(THREE.problem, Theta=NONE, Q=0.09 * np.eye(2), b=0.7 / 0.58)
    assert rates.eigenvalues[[0, 2]] == reference("stability.three_clusters.start_rates_settled") and rates.speed > 1e-3
    along = asy.solve(THREE, progress=False)(4.0)
    rates = autoencoder.growth_rates(THREE.problem, along.Theta, along.Q, along.b).eigenvalues
    assert rates == reference("stability.three_clusters.path_rates")
    with pytest.raises(asy.InputError, match=r"Theta, Q: no weights"):
        autoencoder.growth_rates(THREE.problem, Theta=np.eye(2), Q=0.09 * np.eye(2))


@pytest.mark.slow
def test_a_rotation_of_linear_units_is_neutral():
    # f = b x + W Wᵀx/d: W may be rotated among units; the target's second direction is learned by the second unit.
    changed = THREE.replace(denoiser={"activation": "linear"})
    points = asy.fixed_points(changed, starts=6, progress=False)
    stable = [p for p in points if p.kind in ("stable", "marginal")]
    assert len(stable) == 1 and stable[0].rate == pytest.approx(0.0, abs=1e-6)
    assert np.linalg.matrix_rank(stable[0].Theta, tol=1e-3) == 2


def test_json_file_and_picture(capsys, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    toml = tmp_path / "two.toml"
    toml.write_text(
        "[target]\nweights = [0.5, 0.5]\ncentroids = [[2.0], [-2.0]]\n[denoiser]\nhidden_units = 1\n[denoiser.init]\nrandom = 0.1\n"
        "[training]\ntimes = [0.5]\nlearning_rate = 0.1\nweight_decay = 3.0\ntau = 6.0\n"
    )
    arguments = ["fixed_points", str(toml), "--starts", "3", "--json", "--save", str(tmp_path / "f.npz")]
    assert main([*arguments, "--plot", str(tmp_path / "f.png")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"Theta", "Q", "b", "eigenvalues", "kind"} <= set(printed["fixed_points"][0])
    loaded = FixedPoints.load(tmp_path / "f.npz")
    assert [p.kind for p in loaded] == [p["kind"] for p in printed["fixed_points"]] == ["stable", "saddle"]
    assert "fixed points" in loaded.summary() and (tmp_path / "f.png").exists()


def test_bad_input():
    with pytest.raises(asy.InputError, match=r"training\.schedule: is 0 at the end"):
        asy.fixed_points(TWO.replace({"training.schedule": "6 - tau"}))
    with pytest.raises(asy.InputError, match=r"starts = -1"):
        asy.fixed_points(TWO, starts=-1)
    with pytest.raises(asy.InputError, match=r"no such verb"):
        asy.fixed_points("one-step")
