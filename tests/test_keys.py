"""Keys, help and completion: all of them, and only there."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess

import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.cli.reference import keys
from asymptotics.experiment import SYSTEMS, all_systems, system_of


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_key_of_every_table_is_in_the_reference():
    """Fields of the settings, those of tables within tables too, and nothing else; each with a meaning and a type."""
    found = {(key.system, key.table, key.name): key for key in keys()}
    for system in all_systems():
        for table, kind in system.tables.items():
            names = kind.KEYS if not hasattr(kind, "__dataclass_fields__") else asy.places.keys_of(kind)
            assert {name for s, t, name in found if (s, t) == (system.name, table)} == set(names) - {"init"}
    assert ("autoencoder", "denoiser.init", "Theta") in found
    for key in found.values():
        assert key.meaning, key
        assert key.kind, key
    eta = found["autoencoder", "training", "learning_rate"]
    assert (eta.symbol, eta.required, eta.default) == ("η", True, "")
    assert "eta" in eta.also
    assert found["autoencoder", "simulation", "dimension"].default == "1000"
    assert found["autoencoder", "denoiser", "activation"].default == '"tanh"'


def test_further_names_are_no_keys_of_their_own():
    """A name understood for one key must not hide another of the same table."""
    for system in all_systems():
        for table, kind in system.tables.items():
            taken: dict[str, str] = {}
            for key in keys(f"{system.name}.{table}"):
                if key.table == table and hasattr(kind, "also"):
                    for name in key.also:
                        assert taken.setdefault(name, key.name) == key.name, (table, name)


def test_keys_are_printed_by_place(capsys):
    status, out, _ = run(capsys, "keys", "autoencoder.training")
    assert status == 0
    assert "learning_rate (required)  η" in out
    assert "denoiser" not in out
    listed = json.loads(run(capsys, "keys", "simulation", "--json")[1])
    assert {entry["system"] for entry in listed} == set(SYSTEMS)
    status, _, err = run(capsys, "keys", "autoencoder.trainig")
    assert (status, "did you mean autoencoder.training?" in err) == (2, True)
    assert run(capsys, "keys", "training.eta")[0] == 2


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_template_is_an_experiment(system, tmp_path, capsys):
    file = tmp_path / "mine.toml"
    assert run(capsys, "init", str(file), "--system", system)[0] == 0
    made, wanted = asy.load(file), asy.example(system_of(system).example)
    assert {name: table for name, table in made.tables.items() if table} == wanted.tables
    text = file.read_text()
    for key in keys(system):
        assert f"\n{key.name} = " in text or f"\n# {key.name} = " in text
    status, _, err = run(capsys, "init", str(file))
    assert (status, "never overwritten" in err) == (2, True)
    assert file.read_text() == text


def test_help_without_an_experiment_has_the_options_of_every_system(capsys):
    status, out, _ = run(capsys, "solve", "--help")
    assert status == 0
    for system in all_systems():
        assert f"of the system {system.name}:" in out
        for option in system.verbs["solve"].options:
            assert option.kind is object or option.spelling in out
    assert "compare " in run(capsys, "--help")[1]


def test_completion(capsys):
    if importlib.util.find_spec("shtab") is None:
        status, _, err = run(capsys, "completion", "bash")
        assert (status, "asymptotics[completion]" in err) == (2, True)
        return
    out = run(capsys, "completion", "bash")[1]
    for word in ("--kernel-limit", "three-clusters", "--tau", "collapse"):
        assert word in out
    if shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=out, text=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "1"], "--at: unknown option of solve for the system autoencoder"),
        (["--within", "0.1"], "an option of solve for the system score_smoothing"),
        (["--companion", "1"], "--companion"),
        (["--taw", "1"], "did you mean --tau?"),
        (["--dimension", "20"], "a key of the experiment: [simulation] dimension"),
        (["more"], "the command solve takes one experiment"),
    ],
)
def test_options_that_belong_elsewhere(arguments, said, capsys):
    status, out, err = run(capsys, "solve", "three-clusters", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_tau_acts_in_text_too(capsys):
    out = run(capsys, "solve", "three-clusters", "--tau", "1,3")[1]
    assert [line.split()[2] for line in out.splitlines() if line.startswith("tau = ")] == ["1", "3"]
    out = run(capsys, "solve", "linear-power-law", "--tau", "0.5,2")[1]
    answer = json.loads(run(capsys, "solve", "linear-power-law", "--tau", "0.5,2", "--json")[1])
    (line,) = [line for line in out.splitlines() if line.startswith("  at tau")]
    assert line.split("at tau")[1].strip() == ", ".join(
        f"{t:g}: {loss:.6g}" for t, loss in zip((0.5, 2.0), answer["stopping"]["loss"], strict=True)
    )
