"""Files of earlier versions load for ever: one of every kind of result, with numbers noted when it was written."""

from __future__ import annotations

import importlib
import pkgutil
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import asymptotics
from asymptotics.common.output.results import Result
from asymptotics.experiment import SYSTEMS

FOLDERS = sorted((Path(__file__).parent / "data").glob("v*"))
STORED = {
    (folder.name, name): entry
    for folder in FOLDERS
    for name, entry in tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))["file"].items()
}


@cache
def kinds():
    """Every class of results by its room ("" outside the rooms) and name, wherever its module now is."""
    for module in pkgutil.walk_packages(asymptotics.__path__, "asymptotics."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    todo, found = [Result], {}
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            package, _, rest = kind.__module__.partition(".")
            if package == "asymptotics":
                room = rest.split(".")[0]
                found.setdefault((room if room in SYSTEMS else "", kind.__name__), []).append(kind)
    return found


def at(result, path):
    """The number at ``rows.0.mean.1``: fields, keys and places in arrays."""
    for part in path.split("."):
        if isinstance(result, np.ndarray):
            result = result[int(part)]
        elif isinstance(result, dict):
            result = result[part]
        elif isinstance(result, (list, tuple)):
            result = result[int(part)]
        else:
            result = getattr(result, part)
    return result


def test_version_0_1_0_has_all_its_kinds_stored():
    """As many as it had: a folder that is lost or cut would pass for one without files."""
    assert sum(version == "v0_1_0" for version, _ in STORED) == 32
    for folder in FOLDERS:
        assert {path.name for path in folder.glob("*.npz")} == {
            name for version, name in STORED if version == folder.name
        }


@pytest.mark.parametrize(("version", "name"), STORED)
def test_stored_result_loads(version, name):
    entry = STORED[version, name]
    (kind,) = kinds()[entry["room"], entry["class"]]
    result = kind.load(Path(__file__).parent / "data" / version / name)
    assert type(result) is kind and entry["numbers"]
    for path, number in entry["numbers"].items():
        assert at(result, path) == number, path
    assert len(result.summary()) > 20
