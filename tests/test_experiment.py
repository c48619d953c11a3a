"""Experiment files: what is read, what is refused, and how it is said."""

from __future__ import annotations

import pytest

import asymptotics as asy
from asymptotics.experiment import read_table

BASE = {
    "target": {"weights": [0.5, 0.5], "centroids": [[1, 0], [0, 1]]},
    "denoiser": {"hidden_units": 2, "init": {"centroids": 0.1}},
    "training": {"times": [0.5], "learning_rate": 0.1, "tau": 1.0},
}


def base(**changes):
    return asy.Experiment(**BASE).replace(changes)


def test_unknown_names():
    with pytest.raises(asy.InputError, match=r"experiment = 'three-cluster'.*did you mean three-clusters"):
        asy.example("three-cluster")
    with pytest.raises(asy.InputError, match="target: missing"):
        asy.Experiment(training=BASE["training"])
    with pytest.raises(asy.InputError, match="targets: unknown table"):
        asy.Experiment(targets={}, **BASE)
    with pytest.raises(asy.InputError, match="one_step: missing"):
        asy.Experiment(system="one_step")
    with pytest.raises(asy.InputError, match="system = 'x'"):
        asy.Experiment(system="x", **BASE)


def test_spectrum_files_that_are_not_what_they_say(tmp_path):
    file = tmp_path / "spectrum.npz"
    file.write_bytes(b"not an archive")
    target = {"centroids": [[0, 0]], "spectrum": str(file)}
    with pytest.raises(asy.InputError):
        asy.Experiment(**{**BASE, "target": target})


def test_toml_errors(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[target\n")
    with pytest.raises(asy.InputError, match="not valid TOML"):
        read_table(file)
    file.write_text("colour = 3\n")
    with pytest.raises(asy.InputError, match="colour"):
        asy.Experiment.from_file(file)
    with pytest.raises(asy.InputError, match="no such file"):
        asy.load(str(tmp_path / "none.toml"))


def test_replace_copies_and_checks():
    exp = base()
    other = exp.replace({"training.tau": 2.0}, simulation={"runs": 3})
    assert other.problem.training.tau == 2.0
    assert other.problem.simulation.runs == 3
    assert exp.problem.training.tau == 1.0
    assert exp.replace({"training.quadrature": 4}).problem.training.nodes()[0].size == 4
    with pytest.raises(asy.InputError, match="dotted"):
        exp.replace({"tau": 2.0})


@pytest.mark.filterwarnings("ignore::UserWarning")  # a measured target says how far its covariances are from commuting
def test_every_example_loads_and_returns_its_table():
    """By present names, too: an old one would be a warning, and a warning is an error here."""
    for name, description in asy.examples().items():
        exp = asy.example(name)
        assert description
        assert asy.Experiment.from_table(exp.to_table(), name=name).to_table() == exp.to_table()


def test_a_derived_system_replaces_the_architecture():
    import sympy

    from derivations import Denoiser, derive, local_field

    model = Denoiser("cubic", ("u", "v"), [("u", sympy.tanh(local_field("v")) ** 3)])
    exp = base().replace(denoiser=derive(model)).replace({"denoiser.init": {"centroids": 0.5}})
    path = asy.solve(exp, tolerance=1e-4, backend="numpy")
    assert path(1.0).Q.shape == (2, 2)
