"""Names: those of the stubs load, and those of earlier versions lead to what they have become (floors: see import-linter)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

import asymptotics  # noqa: F401  (its import installs the finders of old names)
import figures  # noqa: F401  (likewise)
from asymptotics.experiment import SYSTEMS, system_of
from derivations.moved import Moved

ROOMS = [
    "",
    ".autoencoder",
    ".mixture_flow",
    ".linear_diffusion",
    ".one_step",
    ".score_smoothing",
    ".random_features",
    ".interactions",
]
#: What a table of tests/reference.toml says of its numbers.
SAID = {"abs", "rel", "source", "columns", "rows"}
MOVED = {old: new for finder in sys.meta_path if isinstance(finder, Moved) for old, new in finder.table.items()}


@pytest.mark.parametrize("package", ["derivations", *(f"asymptotics{room}" for room in ROOMS)])
def test_every_name_of_the_stub_loads(package):
    """The stub is what type checkers see and what is loaded on first use: one list for both."""
    loaded = importlib.import_module(package)
    for name in loaded.__all__:
        assert getattr(loaded, name) is not None
        assert name in dir(loaded)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_verb_is_where_its_room_says(name):
    system = system_of(name)
    for verb in map(system.verb, {*system.verbs, "solve", "simulate"}):
        assert callable(getattr(system.module(verb.module), verb.function))


def test_old_module_names_lead_somewhere():
    assert len(MOVED) > 50
    for new in MOVED.values():
        assert importlib.util.find_spec(new) is not None, new


@pytest.mark.parametrize("old", ["asymptotics.autoencoder.observables_of_nothing", "asymptotics.autoencoder.drift"])
def test_old_module_names_import_and_say_so(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    if old not in MOVED:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(old)
        return
    with pytest.warns(DeprecationWarning, match=MOVED[old]):
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])


def test_every_reference_number_has_a_tolerance_and_a_source_and_is_read(reference):
    """Numbers of ``tests/reference.toml``; a table whose rows have tolerances of their own (a claim of the test) needs none."""
    texts = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))

    def look(name, table):
        numbers = {k: v for k, v in table.items() if k not in SAID}
        if "rows" in table:
            assert reference.found(name)["source"] and f'rows("{name}")' in texts, name
            assert all(len(row) == len(table["columns"]) for row in table["rows"]), name
        for key, value in numbers.items():
            if isinstance(value, dict) and "value" not in value:
                look(f"{name}.{key}", value)
                continue
            entry = reference.found(f"{name}.{key}")
            assert entry["source"] and ("abs" in entry or "rel" in entry), key
            assert f"{name}.{key}" in texts or f"{name}.{{name}}" in texts or f'"{name}"' in texts or key[-1:].isdigit()

    for room, table in reference.tables.items():
        look(room, table)
