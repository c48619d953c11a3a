"""Saddles: rates, amplification of errors, departure of runs at finite d, and starts that cannot move."""

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.finite_size import reduced_chain
from asymptotics.autoencoder.solution import OrderParameterPath

BASE = asy.example("three-clusters")
TWO = {
    "target": {"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
    "denoiser": {"hidden_units": 1, "init": {"centroids": 0.1}},
    "training": {"times": [0.5], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 6.0},
}


def solve(changes=None, experiment=BASE, **options):
    return asy.solve(experiment.replace(changes or {}), progress=False, **options)


def test_the_symmetric_path_of_three_clusters_is_a_saddle():
    # Rate and norm of the propagator by automatic differentiation of an own implementation: .094125 and 693 at τ = 50.
    path = solve({"training.tau": 50.0})
    found = path.stability
    assert found.saddle and found.rate[-1] == pytest.approx(0.094125, abs=2e-5)
    assert found.amplification == pytest.approx(693, rel=0.2)
    assert set(found.direction) == {"Theta_12", "Theta_21"}
    # A full simulation at d = 300: the typical run leaves between 20 and 40.
    assert 20 < found.departure(300) < 40
    assert found.departure(3000) == pytest.approx(found.departure(300) + np.log(10) / 2 / 0.0941, abs=2)
    line = path.summary().splitlines()[-1]
    assert "saddle" in line and "+0.0941 per tau" in line and "realisation" in line and "tau = 31" in line
    assert path.to_json()["stability"]["kind"] == "saddle"


def test_the_propagator_of_the_example():
    # Of the antisymmetric directions alone: 15.1 at τ = 1, 15.6 at 4.
    found = solve().stability
    assert 15 < found.amplification < 40 and not found.saddle
    assert found.rate[0] == pytest.approx(7.522, rel=0.03) and found.rate[-1] == pytest.approx(-0.0873, abs=0.01)


@pytest.mark.parametrize(
    ("example", "changes"),
    [
        ("three-clusters", {}),
        ("collapse-blow-up", {}),
        ("linear-pca", {}),
        pytest.param("mnist-classes", {}, marks=pytest.mark.slow),
    ],
)
def test_no_false_alarms(example, changes):
    found = solve(changes, asy.example(example)).stability
    assert not found.saddle and found.message(1000) == ""


@pytest.mark.parametrize(
    "denoiser",
    [
        {"activation": "linear"}, {"init": {"centroids": 0.1, "random": 0.2}},
        *(pytest.param({"architecture": name}, marks=pytest.mark.slow) for name in ("untied", "no_skip")),
    ],
)  # fmt: skip
def test_one_unit_is_no_saddle(denoiser):
    experiment = asy.Experiment(**{**TWO, "denoiser": {**TWO["denoiser"], **denoiser}})
    found = solve({}, experiment).stability
    assert not found.saddle and found.message(1000) == ""


@pytest.mark.parametrize("tau", [100.0, 300.0, 500.0])
def test_the_stated_error_covers_the_methods(tau):
    paths = [solve({"training.tau": tau}, method=method) for method in ("DOP853", "LSODA", "Radau")]
    ends = np.array([p.state(tau) for p in paths])
    spread = np.max(np.abs(ends[:, None] - ends[None]))
    assert spread <= min(p.error_estimate for p in paths)
    assert all(p.error_estimate > (1e-3 if tau < 200 else 0.3) for p in paths)


def test_a_random_start_is_a_saddle():
    # Rates at Θ = 0, Q = .09 I, b = 0: 8.6079301 = κH₁ + H₀ + P − λ/2.
    changed = BASE.replace({"denoiser.init": {"random": 0.3}, "simulation.dimension": 500})
    path = solve({}, changed)
    found = path.stability
    assert found.start and found.saddle
    assert found.rate[0] == pytest.approx(8.6079301, rel=0.02)
    assert 0.3 < found.departure(500) < 1.0
    assert "Theta = 0 for ever" in path.summary() and "denoiser.init.realisation" in path.summary()
    drawn = solve({"denoiser.init.realisation": 0}, changed)
    assert not drawn.stability.start and np.max(np.abs(drawn(4.0).Theta)) > 0.3


def test_rates_of_the_uninformed_state():
    # Two clusters ±2, one unit: at λ > 4 the state Θ = Q = 0 is stable; the rate tends to (4 − λ)/2.
    start = {"init": {"random": 0.3}}
    for decay, rate in ((4.1, -0.05), (3.0, 0.5), (1.0, 1.5)):
        experiment = asy.Experiment(
            **{**TWO, "denoiser": start, "training": {**TWO["training"], "weight_decay": decay, "tau": 40.0}}
        )
        found = solve({}, experiment).stability
        assert found.rate[-1] == pytest.approx(rate, abs=0.02)
        assert found.saddle == (rate > 0)


def test_two_units_on_two_clusters_end_on_a_saddle():
    experiment = asy.Experiment(**{**TWO, "denoiser": {"hidden_units": 2, "init": {"centroids": 0.1}}}).replace(
        {"training.tau": 100.0}
    )
    path = solve({}, experiment)
    assert path.stability.saddle and path.stability.amplification > 1e3
    # A deviation put in by hand grows at the stated rate.
    w = np.array([1.001, -1.0]) * 0.2
    nudged = experiment.replace({"denoiser.init": {"Theta": w[:, None], "Q": np.outer(w, w)}, "training.tau": 60.0})
    other = solve({}, nudged)
    early, late = (abs(other(t).Theta.sum()) for t in (40.0, 60.0))
    assert np.log(late / early) / 20 == pytest.approx(path.stability.rate[-1], rel=0.05)
    # But w₁ = −w₂ is a symmetry of every step: the noise does not break it, and no run leaves.
    assert path.stability.departure(100) is None
    runs = reduced_chain.simulate(experiment.problem, dimension=100, runs=1, tau=[100.0], workers=1, progress=False)
    assert np.abs(runs.Theta.sum()) < 1e-6


@pytest.mark.ci
def test_a_unit_asleep_is_no_instability():
    path = solve({}, asy.Experiment(**{**TWO, "denoiser": {"hidden_units": 3, "init": {"centroids": 0.1}}}))
    assert path.stability.asleep == (3,) and "starts at zero" in path.summary()
    assert np.all(path(6.0).Q[2] == 0) and path.error_estimate < 1e-3


@pytest.mark.parametrize(
    "denoiser",
    [
        {},
        {"activation": "relu"},
        {"activation": "x**3"},
        {"architecture": "untied"},
        {"hidden_units": 3},
    ],
)
def test_a_start_that_can_never_leave_is_refused(denoiser):
    experiment = asy.Experiment(**{**TWO, "denoiser": denoiser})
    with pytest.raises(asy.InputError, match=r"denoiser\.init: all weights are zero.*zero for ever"):
        asy.solve(experiment, progress=False)
    with pytest.raises(asy.InputError, match=r"denoiser\.init"):
        asy.simulate(experiment, dimension=50, runs=1, progress=False)


@pytest.mark.parametrize(
    "denoiser", [pytest.param({"activation": "cos(x)"}, marks=pytest.mark.slow), {"frozen": ["w"]}]
)
def test_zero_weights_that_move_or_are_meant_are_not(denoiser):
    path = asy.solve(asy.Experiment(**{**TWO, "denoiser": denoiser}), progress=False)
    assert path(6.0).b > 0.5


RANDOM = BASE.replace(
    {"denoiser.init": {"random": 0.3}, "simulation.dimension": 100, "simulation.runs": 2, "simulation.samples": 1}
)


def test_the_picture_of_a_saddle():
    import matplotlib

    matplotlib.use("Agg")
    path = solve({}, RANDOM)
    assert "d = 100" in path.stability.message(100)
    runs = asy.simulate(RANDOM, companion=False, workers=1, progress=False)
    low, high = path.plot()[1].get_ylim()
    assert -3 < low < high < 5
    from asymptotics.autoencoder.plots.paths import plot_path

    low, high = plot_path(path, runs)[1].get_ylim()
    assert -10 < low < high < 10


@pytest.mark.slow
def test_the_verdict_of_a_saddle():
    runs = asy.simulate(RANDOM, companion=False, workers=1, progress=False)
    verdict = asy.compare(solve({}, RANDOM), runs)
    notes = [note for note in verdict.notes if "saddle" in note]
    assert len(notes) == 1 and "d = 100" in notes[0] and "\n" not in notes[0]


def test_a_stored_path_keeps_its_stability(tmp_path):
    path = solve({"training.tau": 50.0})
    loaded = OrderParameterPath.load(path.save(tmp_path / "path.npz"))
    assert loaded.stability.message(300) == path.stability.message(300) != ""
    assert loaded.to_json()["stability"] == path.to_json()["stability"]


def test_plateaus_are_marked():
    import matplotlib

    matplotlib.use("Agg")
    # The symmetric path stays on its saddle; a path that starts beside it leaves at the saddle's rate, after ln(.3/1e-4)/.0941.
    (end,) = solve({"training.tau": 50.0}).plateaus
    assert not end.left and end.end == 50.0 and end.rate == pytest.approx(0.0941, abs=1e-3)
    start = {"Theta": [[0.49639687, 1e-4], [1e-4, -0.40394777]], "Q": [[0.26076913, 0.0], [0.0, 0.17675072]]}
    path = solve({"denoiser.init": start, "training.tau": 150.0, "denoiser.skip": 1.2})
    (passed,) = path.plateaus
    assert passed.left and 40 < passed.end < 80 and set(passed.direction) == {"Theta_12", "Theta_21"}
    assert "plateau from tau = " in path.summary() and path.to_json()["plateaus"][0]["left"] is True
    assert len(path.plot()[1].patches) == 1
    assert solve().plateaus == () and len(solve({"denoiser.init": {"random": 0.3}}).plateaus) == 1
