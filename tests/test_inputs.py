"""Files written from memory: what is wrong is said at once, key by key, and what a paper's reader would write is understood."""

from __future__ import annotations

import copy
import pickle
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.common.input.expressions import check
from asymptotics.places import stand_ins

RATES = {"times": [0.5], "learning_rate": 0.1, "tau": 1.0}


def errors(**tables):
    """The errors of an experiment, one by one."""
    with pytest.raises(asy.InputError) as caught:
        asy.Experiment(**tables)
    assert "\n" not in str(caught.value)
    return caught.value.lines


#: A file of bad inputs, and the beginning of every line that it gives.
FILE = """
[target]
weights = [0.5]
eigenvalues = [[-1.0]]
centroids = [[1.0]]
foo = 3
[denoiser]
hidden_unit = 2
activation = "tanhh"
init = { randm = 0.1, centroids = "a" }
[training]
times = [2.0]
learning_rat = 0.1
tau = -1.0
average = "foo"
[smulation]
[sampling]
stop = 5.0
start = 0.9
"""
SAID = [
    ("smulation: unknown table", "did you mean simulation?"),
    ("target.foo: unknown key", ""),
    ("target.weights = [0.5]: must be non-negative and sum to 1", ""),
    ("target.eigenvalues = [[-1.0]]: must be >= 0", ""),
    ("denoiser.hidden_unit: unknown key", "did you mean hidden_units?"),
    ("denoiser.init.randm: unknown key", "did you mean random?"),
    ("denoiser.init.centroids = 'a': must be a finite number", ""),
    ("denoiser.activation = 'tanhh'", "did you mean tanh?"),
    ("training.learning_rat: unknown key", "did you mean learning_rate?"),
    ("training.times = [2.0]", "all in [0, 1]"),
    ("training.tau = -1.0: must be a finite number and > 0", ""),
    ("training.average = 'foo': must be one of times, random", ""),
    # start = 0.9 is not told: it is compared with stop, which is wrong.
    ("sampling.stop = 5.0", "< 1"),
]


def test_all_errors_of_a_file_at_once(tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(FILE)
    with pytest.raises(asy.InputError) as caught:
        asy.load(file)
    found = caught.value.lines
    assert len(found) == len(SAID)
    for start, hint in SAID:
        (line,) = [line for line in found if line.startswith(start)]
        assert hint in line
    assert main(["solve", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    # One line where nobody looks at a terminal.
    assert said.err == f"asymptotics: error: {'; '.join(found)}\n"


def test_on_a_terminal_every_error_has_its_line(tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    (tmp_path / "x.toml").write_text("[target]\nfoo = 1\n[training]\neta = 0\n")
    assert main(["solve", str(tmp_path / "x.toml")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("asymptotics: error: ") for line in lines)


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        # Keys and tables that belong elsewhere.
        ({"training": {**RATES, "ridge": 0.1}}, "[mixture_flow] ridge is a key of the system mixture_flow"),
        ({"denoiser": {"dimension": 100}}, "it belongs in [simulation] dimension"),
        ({"simulation": {"hidden_units": 2}}, "it belongs in [denoiser] hidden_units"),
        ({"data": {}}, "did you mean target?"),
        ({"model": {}}, "did you mean denoiser?"),
        ({"score_smoothing": {}}, 'a table of the system score_smoothing: say system = "score_smoothing"'),
        ({"learning_rate": {}}, "a key of [training], as learning_rate"),
        ({"interpolant": {"kind": "linear"}}, "did you mean preset?"),
        # What a reader of the papers might write, and we do not mean.
        ({"target": {"centroids": [[1.0]], "sigma": 0.3}}, "write eigenvalues = sigma squared"),
        ({"target": {"centroids": [1.8, -1.8]}}, "did you mean [[1.8], [-1.8]]?"),
        ({"target": {"centroids": [[1.0], [2.0]], "eigenvalues": [0.5, 0.3]}}, "did you mean [[0.5], [0.3]]?"),
        ({"target": {"centroids": [[1.0]], "covariance": [[0.5, 0.1], [0.1, 0.5]]}}, "must be one row"),
        ({"target": {"centroids": [[1.0]], "eigenvalues": [[0.5, 0.1]]}}, "the 2 columns of eigenvalues are atoms"),
        ({"training": {**RATES, "eta": 0.2}}, "training.eta: given twice; it is called training.learning_rate"),
        ({"training": {**RATES, "steps": 100}}, "write tau = 2 eta steps/d"),
        # Entries of arrays.
        ({"target": {"centroids": [[1.0] * 8 + [float("nan")]]}}, "target.centroids[0, 8] = nan"),
        ({"target": {"centroids": np.ma.masked_array([[1.0]])}}, "a masked array"),
        # Expressions.
        ({"interpolant": {"alpha": "1 - t^2"}}, "a power is written **: 1 - t**2"),
        ({"denoiser": {"sigma": "ln(x)"}}, "write log"),
        ({"denoiser": {"sigma": "np.tanh(x)"}}, "functions have no prefix: tanh"),
        ({"denoiser": {"sigma": "|x|"}}, "abs(x)"),
    ],
)
def test_stumbles(tables, line):
    tables = {"target": {"centroids": [[1.0]]}, "training": RATES, **tables}
    (found,) = errors(**tables)
    assert line in found


def bad_input():
    """The table of bad input: of every case the tables of a right experiment, what is changed, and what must be said."""
    content = tomllib.loads((Path(__file__).parent / "bad_input.toml").read_text(encoding="utf-8"))
    for entry in content["experiment"]:
        named = "example" in entry
        tables = asy.example(entry["example"]).to_table() if named else entry["tables"]
        system = {"system": entry["system"]} if "system" in entry else {}
        for changes, said in entry["cases"]:
            yield pytest.param(
                {**system, **tables}, changes, said, id=f"{entry.get('system', 'autoencoder')}: {changes}"
            )


def test_every_room_has_bad_input():
    assert {case.values[0].get("system", "autoencoder") for case in bad_input()} == set(asy.experiment.SYSTEMS)


@pytest.mark.parametrize(("tables", "changes", "said"), list(bad_input()))
def test_bad_input_is_one_clear_line(tables, changes, said):
    tables = copy.deepcopy(tables)
    for key, value in changes.items():
        *place, name = key.split(".")
        table = tables
        for part in place:
            table = table.setdefault(part, {})
        if value == "(absent)":
            del table[name]
        else:
            table[name] = value
    with pytest.raises(asy.InputError, match=said) as caught:
        asy.Experiment.from_table(tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        # A further name that is misspelt is told as the key that it stands for; the beginning of a name is enough.
        ({"simulation": {"repetition": 2}}, "did you mean runs?"),
        ({"target": {"centroids": [[1.0]], "cov": 0.5}}, "did you mean eigenvalues?"),
        ({"denoiser": {"act": "tanh"}}, "did you mean activation?"),
        ({"denoiser": {"theta0": [[0.1]]}}, "write init = { Theta"),
        ({"sampling": {"noise": 0.1}}, "epsilon"),
        # A symbol that another system uses for something else is not told to be its key.
        ({"sampling": {"K": 3}}, "label, guidance"),
    ],
)
def test_hints_at_keys(tables, line):
    tables = {"target": {"centroids": [[1.0]]}, "training": RATES, **tables}
    (found,) = errors(**tables)
    assert line in found and "is a key of the system" not in found


def test_keys_of_a_misnamed_table_are_checked_with_all_others():
    found = errors(
        data={"means": [[2.0], [-2.0]], "pi": [0.5, 0.6]},
        model={"r": 2, "sigma": "Tanh"},
        sgd={"t": [0.5], "lr": 0.1, "taumax": -1},
    )
    assert [line.partition(":")[0] for line in found] == [
        "data", "model", "sgd", "target.weights = [0.5, 0.6]", "denoiser.activation = 'Tanh'", "training.tau = -1",
    ]  # fmt: skip
    # A file without its system misses that alone, not the tables of another one.
    assert len(errors(mixture_flow={"samples": 8}, simulation={"dimension": 50})) == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2t", "a product is written *"),
        ("e**t", "write exp(1)"),
        ("math.sin(t)", "no prefix: sin"),
        ("T", "did you mean t?"),
        ("sinn(t)", "did you mean sin?"),
    ],
)
def test_hints_at_arithmetic(text, hint):
    with pytest.raises(asy.InputError) as caught:
        check(text, ["t"], "x")
    assert hint in str(caught.value)


def test_a_missing_table_and_a_missing_key_are_told_together():
    found = errors(target={"weights": [1.0]}, training={"tau": 1.0})
    assert [line.partition(":")[0] for line in found] == [
        "target.centroids",
        "training.learning_rate",
        "training.times",
    ]
    assert errors(target={"centroids": [[1.0]]})[0].startswith("training: missing")


PHYSICS = {
    "target": {"means": [[1.8], [-1.8]], "pi": [0.5, 0.5], "covariance": 0.5},
    "denoiser": {"r": 2, "sigma": "tanh", "b0": 0.25, "init": {"std": 0.1}},
    "training": {"t": [0.5], "eta": 0.2, "lambda": 0.1, "tau": 3.0},
    "sampling": {"dt": 0.05, "t_f": 0.9},
    "simulation": {"d": 300, "n_runs": 3},
}


def test_names_of_the_papers_are_understood():
    p = asy.Experiment(**PHYSICS).problem
    assert p.target.centroids.tolist() == [[1.8], [-1.8]]
    assert p.target.cluster_eigenvalues.tolist() == [[0.5], [0.5]]
    assert p.target.mean_eigenvalue == 0.5
    assert (p.denoiser.hidden_units, p.denoiser.activation, p.denoiser.skip, p.denoiser.init.random) == (
        2,
        "tanh",
        0.25,
        0.1,
    )
    assert (p.training.learning_rate, p.training.weight_decay, p.training.times.tolist()) == (0.2, 0.1, [0.5])
    assert (p.sampling.step, p.sampling.stop, p.simulation.dimension, p.simulation.runs) == (0.05, 0.9, 300, 3)


@pytest.mark.parametrize(
    ("tables", "place", "value"),
    [
        ({"mixture_flow": {"n": 8, "sigma": 1.5, "lambda": 0.1}}, "mixture_flow.cluster_std", 1.5),
        ({"one_step": {"d": 10, "n": 50, "T": 1.0, "lambda": 0.2, "mu": 1.0}}, "one_step.diffusion_time", 1.0),
        (
            {"linear_diffusion": {"N": 50, "d": 20, "spectrum": "isotropic", "c": 0.1}},
            "linear_diffusion.regularisation",
            0.1,
        ),
        ({"score_smoothing": {"points": 2, "kappa": 0.5, "t0": 0.2}}, "score_smoothing.start_time", 0.2),
        ({"random_features": {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}}, "random_features.features", 4.0),
    ],
)
def test_names_of_the_papers_in_every_room(tables, place, value):
    (system,) = tables
    problem = asy.Experiment(system=system, **tables).problem
    table, key = place.split(".")
    assert getattr(getattr(problem, table), key) == value


def test_names_of_the_papers_in_set_and_sweeps():
    exp = asy.example("three-clusters").replace({"training.eta": 0.3, "simulation.d": 77})
    assert (exp.problem.training.learning_rate, exp.problem.simulation.dimension) == (0.3, 77)


@pytest.mark.parametrize("eigenvalues", [0.5, [0.5], [[0.5]], np.float64(0.5), [[0.5, 0.0], [0.0, 0.5]]])
def test_isotropic_clusters(eigenvalues):
    """One number is Σ = 0.5 I, whichever way it is written: Λ and the projected covariance say so."""
    target = asy.Experiment(
        target={"centroids": [[1.0, 0.0]], "eigenvalues": eigenvalues}, training=RATES
    ).problem.target
    assert target.mean_eigenvalue == 0.5
    assert target.projected_covariance().tolist() == [[[0.5, 0.0], [0.0, 0.5]]]


def test_stand_ins_are_allowed_values():
    """What stands in for a wrong key must itself be right: the tables of the built-in experiments."""
    assert stand_ins("autoencoder")["training"]["tau"] > 0
    assert set(stand_ins("one_step")) >= {"one_step", "simulation"}


# ---- experiments as objects -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["three-clusters", "mnist-gaussian", "binary-mixture", "linear-power-law", "one-step-multistep"]
)
def test_experiments_go_to_a_file_and_back(name, tmp_path):
    exp = asy.example(name)
    exp.to_toml(tmp_path / "x.toml")
    again = asy.load(tmp_path / "x.toml")
    assert again == exp
    assert again.tables == exp.tables
    for copied in (pickle.loads(pickle.dumps(exp)), copy.copy(exp), copy.deepcopy(exp)):
        assert copied == exp
        assert copied is not exp
        assert copied.problem is not exp.problem


def test_arrays_go_to_a_file_as_lists_and_a_derived_system_does_not():
    from derivations import architecture, derive

    exp = asy.example("three-clusters").replace({"target.centroids": np.array([[3.0, 0], [0, -3], [-3, 0]])})
    assert "0.0,\n        -3.0" in exp.to_toml()
    system = derive(architecture("tied", 1, activation="erf"))
    own = exp.replace(denoiser=system)
    assert copy.deepcopy(own).problem.denoiser.architecture == "tied"
    with pytest.raises(asy.InputError, match=r"denoiser\.system"):
        own.to_toml()


def test_a_copied_experiment_sees_changed_data(tmp_path):
    np.save(tmp_path / "s.npy", np.linspace(2.0, 0.5, 6))
    exp = asy.example("three-clusters").replace(
        target={
            "centroids": [[1.0]],
            "weights": [1.0],
            "eigenvalues": None,
            "masses": None,
            "spectrum": str(tmp_path / "s.npy"),
        }
    )
    stored = pickle.dumps(exp)
    np.save(tmp_path / "s.npy", np.linspace(3.0, 0.5, 6))
    with pytest.raises(asy.InputError, match="changed"):
        pickle.loads(stored)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    text = asy.example("three-clusters").to_toml()
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert asy.load(tmp_path / "bom.toml") == asy.example("three-clusters")


def test_load_opens_results(tmp_path):
    solution = asy.solve("binary-mixture")
    solution.save(tmp_path / "r.npz")
    again = asy.load(tmp_path / "r.npz")
    assert type(again) is type(solution)
    assert again.provenance == solution.provenance
    assert np.array_equal(again.M, solution.M)
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    for path in (tmp_path / "other.npz", tmp_path / "none.npz"):
        with pytest.raises(asy.InputError, match=path.name):
            asy.load(path)
    with pytest.raises(asy.InputError, match="holds a result"):
        asy.solve(str(tmp_path / "r.npz"))


# ---- calls ----------------------------------------------------------------------------------------------------------


def test_help_lists_every_option_of_every_system():
    for verb, function in (("solve", asy.solve), ("simulate", asy.simulate), ("collapse", asy.generations)):
        for system in asy.experiment.all_systems():
            for option in system.verbs[verb].options if verb in system.verbs else ():
                assert f"    {option.name} : " in function.__doc__
    assert "keys of [simulation]" in asy.simulate.__doc__


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda e, p: asy.compare(p, p), "runs = OrderParameterPath: must be what simulate gives"),
        (lambda e, p: asy.compare(p, e), "result = Experiment"),
        (lambda e, p: asy.compare(asy.solve("binary-mixture"), p), "must come from the same system"),
        (lambda e, p: asy.solve(e, bogus=1), "bogus: unknown option"),
        (lambda e, p: asy.solve(e, dimension=3), "a key of the experiment: [simulation] dimension"),
        (lambda e, p: asy.solve(e, companion=True), "an option of simulate"),
        (lambda e, p: asy.solve(e, within=0.3), "an option of solve for the system score_smoothing"),
        (lambda e, p: asy.compare(p, {"tau": [1.0]}), "dimension: missing"),
        (lambda e, p: asy.compare(asy.solve("binary-mixture"), {"tau": [1.0]}), "takes no arrays"),
    ],
)
def test_calls_that_make_no_sense_are_a_sentence(three_clusters, three_clusters_path, call, said):
    with pytest.raises(asy.InputError) as caught:
        call(three_clusters, three_clusters_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_as_pandas_has_them():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(60, 5)) + np.repeat([[2.0], [0.0]], 30, axis=0)
    labels = pandas.Series(["a"] * 30 + ["b"] * 30)
    wanted = asy.GaussianMixture.from_samples(samples, np.repeat(["a", "b"], 30), 2, diagonal=True)
    for kind in ("object", "category", "string"):
        found = asy.GaussianMixture.from_samples(pandas.DataFrame(samples), labels.astype(kind), 2, diagonal=True)
        assert found.labels.tolist() == ["a", "b"]
        assert np.array_equal(found.centroids, wanted.centroids)
    labels[29] = None
    with pytest.raises(asy.InputError, match=r"labels\[29\]: is missing"):
        asy.GaussianMixture.from_samples(samples, labels, 2)
    samples[3, 2] = np.nan
    with pytest.raises(asy.InputError, match=r"samples\[3, 2\] = nan"):
        asy.GaussianMixture.from_samples(samples, atoms=2)
    with pytest.raises(asy.InputError, match="masked array"):
        asy.GaussianMixture.from_samples(np.ma.masked_invalid(samples), atoms=2)


def test_experiments_are_read_in_many_threads_at_once():
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: asy.example("relu-four-units"), range(16)))
    assert all(exp == found[0] for exp in found)
