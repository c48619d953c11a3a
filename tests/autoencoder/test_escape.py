"""Escape from saddles: the law of escape times and of typical runs against numbers of independent simulations, and the chain."""

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.finite_size import reduced_chain
from asymptotics.autoencoder.stability.leaving.escape import Escape
from asymptotics.autoencoder.stability.leaving.typical import Typical
from asymptotics.cli import main


def resting(activation="linear", decay=0.0, q=0.1005051, **changes):
    """Two clusters ±2, one unit; b = b_∞ and Q = Q* from the start: the path rests on the uninformed saddle."""
    experiment = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
        denoiser={"hidden_units": 1, "skip": 1.0, "activation": activation, "init": {"random": q**0.5}},
        training={"times": [0.5], "learning_rate": 0.2, "weight_decay": decay, "tau": 6.0},
        simulation={"dimension": 500},
    )
    return experiment.replace(changes)


TANH = resting("tanh", 0.05, 0.0760165)
THREE = asy.example("three-clusters")


@pytest.mark.rows("stability.escape")
def test_the_law_of_escape_times(network, rate, effective, std, means):
    experiment = {"linear": resting(), "tanh": TANH}[network]
    for d, mean in zip((500, 2000, 8000), means, strict=True):
        law = asy.escape(experiment, d)
        assert law["rate"] == pytest.approx(rate, abs=1e-6) and law["direction"] == ("Theta_11",)
        assert law.effective == pytest.approx(effective, rel=2e-5)
        assert law["mean"] == pytest.approx(mean, abs=6e-5) and law["std"] == pytest.approx(std, abs=6e-5)
        # The table is the law of −ln|ξ|/γ.
        assert np.mean(law.quantile((np.arange(4000) + 0.5) / 4000)) == pytest.approx(mean, abs=0.01)
    assert law.cdf(law.quantile(0.3)) == pytest.approx(0.3)


@pytest.mark.rows("stability.on_its_way")
def test_a_path_still_on_its_way(initial, mean):
    # From Q = .03; Q* = .1005.
    law = asy.escape(resting(q=0.03), 500, initial=initial)
    assert not law.resting and law.initial == initial
    assert law.mean == pytest.approx(mean, abs=0.045)


@pytest.mark.parametrize(
    ("d", "mean", "sem", "std"),
    [(500, 0.42034, 0.00194, 0.0970), pytest.param(2000, 0.5465, 0.0081, 0.1146, marks=pytest.mark.slow)],
)
@pytest.mark.ci
def test_slower_overlaps_help_runs_to_leave(d, mean, sem, std):
    """A random start of three clusters: both directions grow, the second at about half the rate, and bring |Θ| to .3 earlier.

    2500 and 200 runs of the exact chain. The growth of the first direction alone gives .4416 and .5664, standard deviations .117, .131.
    """
    law = asy.escape(THREE.replace({"denoiser.init": {"random": 0.3}}), d)
    assert not law.resting and law.degeneracy == 2
    assert law.mean == pytest.approx(mean, abs=3 * sem)
    assert law.std == pytest.approx(std, abs=0.02 * law.mean)


@pytest.mark.slow
def test_three_clusters_leave_late():
    # Full simulation at d = 300: root mean square Θ₁₂ .101 at τ = 20, .185 at 30, .244 at 40 of .31 in the end.
    law = asy.escape(THREE, 300)
    assert law.rate == pytest.approx(0.094125, abs=2e-6) and law.initial == "exact"
    assert {k: abs(v) for k, v in law.vector.items()} == pytest.approx(
        {"Theta_21": 0.716, "Theta_12": 0.694, "Q_12": 0.076}, abs=1e-3
    )
    assert 20 < law.quantile(0.25) < law.mean < 45


@pytest.mark.ci
def test_two_units_alike_and_the_measured_chain():
    # Two units have the same rate: |ξ| is the norm of two Gaussian numbers, its logarithm's standard deviation π/√24.
    two = resting("linear").replace({"denoiser.hidden_units": 2})
    law = asy.escape(two, 1000, chain=20, workers=1, progress=False)
    assert law.degeneracy == 2 and law.std == pytest.approx(np.pi / np.sqrt(24) / law.rate, rel=0.02)
    found = law.measured["chain"]
    assert abs(found["mean"] - law.mean) < 3.5 * law.std / np.sqrt(20) and found["late"] == 0


def test_full_simulation_agrees():
    law = asy.escape(TANH, 60, full=20, initial="drawn", workers=1, progress=False)
    assert abs(law.measured["simulation"]["mean"] - law.mean) < 4 * law.std / np.sqrt(20)


def test_nothing_to_escape_from():
    with pytest.raises(asy.InputError, match=r"ends on no saddle \(largest growth rate -0\.05"):
        asy.escape(TANH.replace({"training.weight_decay": 4.1, "training.learning_rate": 0.1}), 500)
    with pytest.raises(asy.InputError, match=r"threshold = 3: an orbit from the saddle never gets farther"):
        asy.escape(TANH, 500, threshold=3.0)
    with pytest.raises(asy.InputError, match=r"initial = 'drawn'"):
        asy.escape(THREE, 300, initial="drawn")


@pytest.mark.slow
def test_typical_runs_of_one_direction():
    # The exact chain, 4000 runs at d = 500: mean |Θ| .0606 .2756 .6405 .9028 1.0806 at τ = 1, 2, 3, 4, 6 (± .0007 to .0035).
    law = asy.typical(TANH, 500, 40, 0, tau=[0.0, 1.0, 2.0, 3.0, 4.0, 6.0], progress=False)
    assert law.unstable and law.initial == "drawn" and 0.3 < law.leaving < 0.8
    runs = np.abs(law.sample(40)[..., 0])
    assert runs.mean(axis=0)[1:] == pytest.approx([0.0606, 0.2756, 0.6405, 0.9028, 1.0806], rel=0.04)
    assert law.mean("Q")[:, 0, 0] == pytest.approx([0.0760, 0.0817, 0.1812, 0.5505, 0.9481, 1.2906], rel=0.035)
    assert law.std("Q")[-1, 0, 0] < 0.1
    # Both signs: the mean of Θ is not what a run has.
    signs = np.sign(law.Theta[:, -1, 0, 0])
    assert abs(signs.sum()) < 0.4 * len(signs)


def test_typical_runs_on_the_way_out():
    # The same chain at τ = 2.
    law = asy.typical(TANH, 500, 10, 0, tau=[2.0], progress=False)
    assert law.unstable and 0.3 < law.leaving < 0.8
    assert np.abs(law.sample(60)[:, 0, 0]).mean() == pytest.approx(0.2756, rel=0.12)
    assert law.mean("Q")[0, 0, 0] == pytest.approx(0.1812, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("initial", ["exact", "drawn"])
def test_runs_that_leave_are_compared_with_their_law(initial):
    import matplotlib

    matplotlib.use("Agg")
    changed = TANH.replace({"simulation.method": "chain", "simulation.runs": 40, "training.tau": 3.0})
    path = asy.solve(changed, progress=False)
    runs = asy.simulate(changed, initial=initial, workers=1, progress=False)
    assert runs.initial == initial and (np.ptp(runs.Theta[:, 0]) > 0) == (initial == "drawn")
    verdict = asy.compare(path, runs)
    assert verdict.passed and any("Kolmogorov" in name for name, _ in verdict.tests)
    # What it would have seen is said: 40 runs and 32 branches see changes of tens of per cent of |Θ|.
    assert set(verdict.power) == {name for name, _ in verdict.tests} and "this comparison sees" in verdict.summary()
    assert all(0.05 < change < 3.0 for change in verdict.power.values())
    assert any(
        ("drew their weights anew" in note) == (initial == "drawn") for note in verdict.notes if "typical" in note
    )
    # Runs of the other kind are told apart.
    other = asy.simulate(changed, initial="exact" if initial == "drawn" else "drawn", workers=1, progress=False)
    object.__setattr__(other, "initial", initial)
    assert min(p for _, p in asy.compare(path, other).tests) < 1e-3
    assert asy.plot(path, runs)[1] is not None


def test_what_the_test_of_typical_runs_would_have_seen():
    """A scale that is seen with probability 1/2: SciPy's test on samples of exponential numbers, drawn anew."""
    from scipy.stats import ks_2samp

    from asymptotics.autoencoder.comparison.typical import seen

    values = -np.log(1 - (np.arange(4000) + 0.5) / 4000)
    n, m, level, rng = 32, 60, 0.005, np.random.default_rng(1)
    probability = seen(values, n, m)
    changes = np.linspace(0.0, 3.0, 61)
    half = changes[np.argmax([probability(c, level) > 0.5 for c in changes])]
    for change, wanted in ((half, 0.5), (0.0, level)):
        rejected = [
            ks_2samp(rng.exponential(size=n), (1 + change) * rng.exponential(size=m)).pvalue < level for _ in range(300)
        ]
        assert np.mean(rejected) == pytest.approx(wanted, abs=0.12 if wanted == 0.5 else 0.015)
    assert probability(0.0, level) < 0.02


def test_a_stable_path_is_its_own_law():
    law = asy.typical(THREE, 1000, tau=[2.0, 4.0])
    path = asy.solve(THREE, progress=False)
    assert not law.unstable and law.draws == 1
    assert law.std("Theta")[1] == pytest.approx(
        np.sqrt(np.diag(path.covariance(4.0, 1000)))[:4].reshape(2, 2), rel=1e-6
    )
    assert law.mean("Q")[1] == pytest.approx(path(4.0).Q, abs=0.01)


def test_json_files_and_pictures(capsys, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    toml = tmp_path / "saddle.toml"
    toml.write_text(
        "[target]\nweights = [0.5, 0.5]\ncentroids = [[2.0], [-2.0]]\n[denoiser]\nhidden_units = 1\nskip = 1.0\n"
        "[denoiser.init]\nrandom = 0.317\n[training]\ntimes = [0.5]\nlearning_rate = 0.2\ntau = 3.0\n"
    )
    for verb, kind, more in (
        ("escape", Escape, ["--chain", "3"]),
        ("typical", Typical, ["--draws", "2", "--tau", "1,3"]),
    ):
        kept = str(tmp_path / f"{verb}.npz")
        arguments = [verb, str(toml), "--dimension", "400", "--json", "--save", kept, *more]
        assert main([*arguments, "--plot", str(tmp_path / f"{verb}.png"), "--workers", "1", "--quiet"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["dimension"] == 400
        loaded = kind.load(kept)
        own = {k: v for k, v in loaded.to_json().items() if k != "provenance"}
        assert {k: printed[k] for k in own} == own
        # Above them stands what every command says of its run.
        assert set(printed) - set(own) <= {"version", "experiment", "seed", "provenance"}
        assert len(loaded.summary().splitlines()) > 1


def test_drawn_starts_of_the_chain_scatter():
    runs = reduced_chain.simulate(
        TANH.problem, dimension=500, runs=4, tau=[0.0], initial="drawn", workers=1, progress=False
    )
    assert len(np.unique(runs.Theta)) == 4
