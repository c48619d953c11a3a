"""Bad input: every error at once, one clear line each, with a hint."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.common.input.expressions import check

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
