"""The contract of a room (`asymptotics.common.system`), one test a clause, for every room there is."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
import typing
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tomli_w

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.cli.reference import HEAD, json_fields
from asymptotics.common.input.settings import Settings
from asymptotics.common.output.results import Result
from asymptotics.common.output.verdict import Verdict
from asymptotics.common.system import System
from asymptotics.common.verb import COMMON, RESOURCES
from asymptotics.experiment import SYSTEMS, system_of

#: An experiment of every room that takes a second: an example, and what is changed in it.
SMALL = {
    "random_features": (
        "random-features",
        {
            "simulation.dimension": 16,
            "simulation.runs": 3,
            "random_features.features": 4.0,
            "random_features.samples": 2.0,
        },
    ),
    "autoencoder": (
        "three-clusters",
        {"training.tau": 0.5, "simulation.dimension": 64, "simulation.runs": 3, "simulation.samples": 40},
    ),
    "linear_diffusion": (
        "linear-overfitting",
        {"linear_diffusion.dimension": 20, "linear_diffusion.samples": 30, "simulation.runs": 3},
    ),
    "mixture_flow": (
        "binary-mixture",
        {"simulation.dimension": 60, "simulation.runs": 3, "simulation.samples": 40},
    ),
    "one_step": (
        "one-step",
        {"one_step.dimension": 5, "one_step.samples": 40, "simulation.runs": 4},
    ),
    "interactions": (
        "interactions",
        {"interactions.inputs": 2, "interactions.outputs": 1, "interactions.samples": 40, "simulation.runs": 6},
    ),
    "score_smoothing": ("score-smoothing", {"simulation.samples": 300, "simulation.runs": 2}),
}
#: Options without which a comparison of that room says little.
SOLVE = {"score_smoothing": {"at": [0.2]}}

rooms = pytest.mark.parametrize("name", SYSTEMS)


@cache
def experiment(name: str) -> asy.Experiment:
    example, changes = SMALL[name]
    return asy.example(example).replace(changes)


@cache
def theory(name: str) -> Result:
    return asy.solve(experiment(name), progress=False, **SOLVE.get(name, {}))


@cache
def runs(name: str) -> Result:
    return asy.simulate(experiment(name), progress=False, workers=1)


@cache
def verdict(name: str) -> Verdict:
    return asy.compare(theory(name), runs(name), level=0.02)


def results(name: str) -> dict[str, Result]:
    return {"theory": theory(name), "runs": runs(name), "verdict": verdict(name)}


def test_every_room_is_tested_here():
    assert sorted(SMALL) == sorted(SYSTEMS)


# what a room says of itself ---------------------------------------------------------------------------------------------


@rooms
def test_system_is_data_and_complete(name):
    system = system_of(name)
    assert isinstance(system, System) and system.name == name and system.room == f"asymptotics.{name}"
    assert system.says and "\n" not in system.says
    assert set(system.required) <= set(system.tables) and set(COMMON) <= set(system.verbs)
    assert {f.name for f in dataclasses.fields(system.problem)} == set(system.tables)
    for table, kind in system.tables.items():
        if issubclass(kind, Settings):
            assert kind.table == table
            assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen
    # The module declares; whatever else it has are constants.
    public = {
        k: v
        for k, v in vars(system.module("system")).items()
        if getattr(v, "__module__", "") == f"{system.room}.system"
    }
    assert public == {}


def test_rooms_load_in_no_time():
    """Neither SymPy nor Matplotlib, SciPy nor numba to know what there is; yet every public name is there."""
    code = (
        "import sys; from importlib import import_module; from asymptotics.experiment import SYSTEMS, system_of;"
        "rooms = [import_module(system_of(s).room) for s in SYSTEMS];"
        "print([m for m in ('sympy', 'matplotlib', 'numba', 'scipy') if m in sys.modules]);"
        "[getattr(room, name) for room in rooms for name in room.__all__]"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@rooms
def test_tables_share_their_names(name):
    """The same key for the same thing: runs and seed of a simulation; no present name is an old one."""
    tables = system_of(name).tables
    assert "simulation" in tables
    fields = {f.name for f in dataclasses.fields(tables["simulation"])}
    assert {"runs", "seed"} <= fields
    for kind in tables.values():
        aliases = getattr(kind, "ALIASES", {})
        names = {f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
        assert not names & set(aliases) and set(aliases.values()) <= names
    assert not set(system_of(name).table_aliases) & set(tables)


def parameters(function) -> tuple[list[str], dict[str, inspect.Parameter]]:
    """Names of the positional parameters, and the keyword-only ones."""
    given = inspect.signature(function).parameters
    positional = [p.name for p in given.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = {p.name: p for p in given.values() if p.kind is p.KEYWORD_ONLY}
    return positional, keywords


@rooms
def test_verbs_have_the_same_signatures(name):
    system = system_of(name)
    for verb in system.verbs:
        doors = system.verb(verb)
        function = getattr(system.module(doors.module), doors.function)
        positional, keywords = parameters(function)
        assert positional[0] == "problem"
        wanted = {option.name for option in doors.options} | {"progress"}
        wanted |= set(RESOURCES) if verb != "solve" else set()
        assert wanted <= set(keywords) or any(
            p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values()
        ), wanted - set(keywords)
        assert all(keywords[k].default is not inspect.Parameter.empty for k in wanted & set(keywords))
        if verb in COMMON:
            assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
        said = typing.get_type_hints(function)["return"]
        assert all(issubclass(kind, Result) for kind in typing.get_args(said) or (said,))
    positional, _ = parameters(system.module("comparison").compare)
    assert len(positional) == 2 and positional[1] == "runs"
    positional, _ = parameters(system.module("plots").comparison)
    assert positional[1:] == ["runs", "ax"]


@rooms
def test_results_say_of_what_and_at_which_level(name):
    """In every room the tables and the problem under one name, and the level of a verdict is that asked for."""
    for result in (theory(name), runs(name)):
        assert set(result.experiment) == set(system_of(name).tables)
    assert verdict(name).level == 0.02 and verdict(name).to_json()["level"] == 0.02
    for level in (0, 1, "x"):
        with pytest.raises(asy.InputError, match=r"^level\b"):
            asy.compare(theory(name), runs(name), level=level)


@rooms
def test_options_are_typed_and_said(name):
    system = system_of(name)
    for verb in system.verbs.values():
        assert len(verb.names) == sum(1 + len(option.aliases) for option in verb.options)
        for option in verb.options:
            assert option.kind in (float, int, str, bool, object) and option.says and option.name.isidentifier()
            assert not option.many or (option.metavar and option.kind in (float, int))


# what comes out -----------------------------------------------------------------------------------------------------------


@rooms
def test_results_say_where_they_come_from(name):
    made = experiment(name)
    seed = made.problem.simulation.seed
    for what, result in results(name).items():
        report = json.loads(json.dumps(result.to_json(), allow_nan=False))
        found = report["provenance"]
        assert found["version"] == asy.__version__ and found["versions"]["numpy"], what
        assert found["experiment"]["system"] == name and found["experiment"]["name"] == made.name, what
        assert found["seed"] == seed, what
        again = asy.Experiment.from_table({k: v for k, v in found["experiment"].items() if k != "data"}, name=made.name)
        assert again.to_table() == made.to_table(), what


@rooms
def test_results_come_back_and_show_themselves(name, tmp_path):
    for what, result in results(name).items():
        again = type(result).load(result.save(tmp_path / f"{what}.npz"))
        assert again.provenance == result.provenance
        assert json.dumps(again.to_json()) == json.dumps(result.to_json())
        assert again.summary() == result.summary() and len(result.summary()) > 20
        assert result.to_dataframe().shape[0] > 0
        figure, _ = again.plot()
        figure.canvas.draw()
        plt.close(figure)
    for arguments in ((theory(name),), (theory(name), runs(name))):
        figure, axes = plt.subplots()
        assert asy.plot(*arguments, ax=axes)[0] is figure
        plt.close(figure)
        figure, _ = asy.plot(*arguments)
        plt.close(figure)


@rooms
def test_answers_depend_on_seed_and_nothing_else(name):
    """To the last bit."""
    one, seed = runs(name), experiment(name).problem.simulation.seed
    other = asy.simulate(experiment(name), progress=False, workers=2, seed=seed)
    plain = [{k: v for k, v in r.to_json().items() if k != "seconds"} for r in (one, other)]
    assert json.dumps(plain[0]) == json.dumps(plain[1])
    assert other.provenance.experiment == one.provenance.experiment
    for field in dataclasses.fields(one):
        if isinstance(getattr(one, field.name), np.ndarray):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@rooms
def test_command_line_writes_one_object(name, tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(tomli_w.dumps(experiment(name).to_table()), encoding="utf-8")
    for verb in ("solve", "simulate", "compare"):
        long = {"solve": [], "simulate": ["--workers", "1"], "compare": ["--workers", "1", "--level", "0.02"]}[verb]
        status = main([verb, str(path), "--json", "--save", str(tmp_path / f"{verb}.npz"), *long])
        captured = capsys.readouterr()
        assert status in ((0, 1) if verb == "compare" else (0,)) and captured.err == ""
        assert captured.out.count("\n") == 1
        answer = json.loads(captured.out)
        # What is printed now is what the classes say in the reference, each with a meaning.
        known = {field.name: field.meaning for field in json_fields(name, verb)}
        assert set(answer) - set(known) <= set(HEAD) and all(known[key] for key in set(answer) & set(known))
        made = answer["provenance"]
        assert made["version"] == asy.__version__ and made["experiment"]["name"] == "small"
        assert made["seed"] == experiment(name).problem.simulation.seed
        assert (tmp_path / f"{verb}.npz").exists()


# what is refused ----------------------------------------------------------------------------------------------------------


@rooms
def test_bad_options_and_keys_are_one_line(name):
    system = system_of(name)
    for verb in system.verbs:
        bad = [("nonsense", 1), *((o.name, "x") for o in system.verbs[verb].options if o.kind in (float, int, bool))]
        for option, value in bad:
            with pytest.raises(asy.InputError, match=rf"^{option}\b") as caught:
                system.run(verb, experiment(name).problem, **{option: value})
            assert "\n" not in str(caught.value)
    for table in system.tables:
        with pytest.raises(asy.InputError, match=rf"^{table}\.nonsense\b"):
            experiment(name).replace({f"{table}.nonsense": 1})
    with pytest.raises(asy.InputError, match=r"^nonsense\b"):
        experiment(name).replace(nonsense={})
    with pytest.raises(asy.InputError, match=r"^nonsense\b"):
        system.verb("nonsense")


@rooms
def test_results_of_two_rooms_are_not_compared(name):
    other = next(room for room in SYSTEMS if room != name)
    with pytest.raises(asy.InputError, match="same system"):
        asy.compare(theory(name), runs(other))
    with pytest.raises(asy.InputError, match="must come from"):
        asy.plot(verdict(name))


@rooms
def test_old_names_work_and_say_so(name):
    system, made = system_of(name), experiment(name)
    keys = {
        f"{t}.{old}": f"{t}.{new}" for t, k in system.tables.items() for old, new in getattr(k, "ALIASES", {}).items()
    }
    keys |= dict(system.key_aliases)
    keys |= {f"{old}.x": f"{new}.x" for old, new in system.table_aliases.items()}
    for old, new in keys.items():
        with pytest.warns(DeprecationWarning, match=f"^{old}: is now called {new}$"):
            assert system.present_key(old) == new
        table, _, key = new.partition(".")
        if key in made.tables.get(table, {}):
            with pytest.warns(DeprecationWarning, match="is now called"):
                assert made.replace({old: made.tables[table][key]}).to_table() == made.to_table()
    for verb in system.verbs.values():
        for option in verb.options:
            for alias in option.aliases:
                with pytest.warns(DeprecationWarning, match=f"^{alias}: is now called {option.name}$"):
                    assert set(verb.checked({alias: [1] if option.many else 1})) == {option.name}


@rooms
def test_stub_names_the_room(name):
    room = importlib.import_module(f"asymptotics.{name}")
    assert room.__doc__ and {"solve", "simulate", "compare"} <= set(room.__all__) | set(dir(room))
