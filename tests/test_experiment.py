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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target.weights": [0.5, 0.6]}, "target.weights"),
        ({"target.weights": [1.5, -0.5]}, "target.weights"),
        ({"target.weights": [float("nan"), 0.5]}, "target.weights"),
        ({"target.masses": [0.5, 0.6], "target.eigenvalues": [[1, 1]]}, "target.masses"),
        ({"target.masses": [1.5, -0.5], "target.eigenvalues": [[1, 1]]}, "target.masses"),
        ({"target.eigenvalues": [[-1.0]]}, "target.eigenvalues"),
        ({"target.centroids": [[1, 0], [0]]}, "target.centroids"),
        ({"target.centroids": []}, "target.centroids"),
        ({"target.reference_overlaps": [[[1, 2], [2, 1]]]}, "target.reference_overlaps"),
        ({"denoiser.hidden_units": 0}, "denoiser.hidden_units"),
        ({"denoiser.hidden_units": 1.5}, "denoiser.hidden_units"),
        ({"denoiser.activation": "tahn"}, "did you mean tanh"),
        ({"denoiser.activation": "__import__('os').system('x')"}, "denoiser.activation"),
        ({"denoiser.architecture": "deep"}, "denoiser.architecture"),
        ({"denoiser.colour": 1}, "denoiser.colour: unknown key"),
        ({"denoiser.init.Theta": [[1, 0], [0, 1]]}, "denoiser.init"),
        (
            {"denoiser.init.Theta": [[9, 0], [0, 1]], "denoiser.init.Q": [[1, 0], [0, 1]]},
            "no weights have these overlaps",
        ),
        ({"training.tau": 0}, "training.tau"),
        ({"training.tau": "long"}, "training.tau"),
        ({"training.times": [1.2]}, "training.times"),
        ({"training.times": []}, "training.times"),
        ({"training.learning_rate": -1}, "training.learning_rate"),
        ({"training.rates": {"z": 1.0}}, "training.rates.z"),
        ({"training.average": "sometimes"}, "training.average"),
        ({"sampling.stop": 1}, "sampling.stop"),
        ({"sampling.epsilon": "-1"}, "sampling.epsilon"),
        ({"sampling.epsilon": "open('x')"}, "sampling.epsilon"),
        ({"interpolant.alpha": "1 - t**2 + 0.1"}, "interpolant.alpha"),
        ({"interpolant.beta": "t.__class__"}, "interpolant.beta"),
        ({"interpolant.beta": "t/(1-t)"}, "interpolant.beta"),
        ({"simulation.runs": 0}, "simulation.runs"),
        ({"simulation.dimension": True}, "simulation.dimension"),
    ],
)
def test_bad_input_is_one_clear_line(changes, said):
    with pytest.raises(asy.InputError) as caught:
        asy.Experiment(**BASE).replace(changes)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message


def test_unknown_names():
    with pytest.raises(asy.InputError, match=r"experiment = 'three-cluster'.*did you mean three-clusters"):
        asy.example("three-cluster")
    with pytest.raises(asy.InputError, match="target: missing"):
        asy.Experiment(training=BASE["training"])
    with pytest.raises(asy.InputError, match="targets: unknown table"):
        asy.Experiment(targets={}, **BASE)
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
    for name, description in asy.examples().items():
        exp = asy.example(name)
        assert description
        assert asy.Experiment.from_table(exp.to_table(), name=name).to_table() == exp.to_table()


def test_a_derived_system_replaces_the_architecture():
    import sympy

    from derivations import Denoiser, derive, local_field

    model = Denoiser("cubic", ("u", "v"), [("u", sympy.tanh(local_field("v")) ** 3)])
    exp = base().replace(denoiser=derive(model)).replace({"denoiser.init": {"centroids": 0.5}})
    path = asy.solve(exp, tolerance=1e-4)
    assert path(1.0).Q.shape == (2, 2)


@pytest.mark.parametrize("schedule", ["1/tau", "sqrt(tau - 2)", "1 - tau", "log(tau)"])
def test_a_rate_schedule_must_be_finite_and_not_negative(schedule):
    with pytest.raises(asy.InputError, match=r"training\.schedule = .*must be finite and >= 0 on \[0, tau\]"):
        asy.example("three-clusters").replace({"training.schedule": schedule})


def test_an_expression_without_a_value_is_one_error():
    with pytest.raises(asy.InputError, match=r"sampling\.epsilon = .*must be >= 0 and finite"):
        asy.example("three-clusters").replace({"sampling.epsilon": "sqrt(t - 2)"})
