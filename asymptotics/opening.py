"""Opening what a file holds: an experiment by name or TOML, a result by its ``.npz``."""

from __future__ import annotations

import importlib
import os
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

from .common.input.checks import InputError
from .common.output.files import read_arrays
from .common.output.results import Result
from .experiment import SYSTEMS, Experiment
from .experiment import load as load_experiment

PACKAGE = __name__.partition(".")[0]


def load(name_or_path: str | os.PathLike[str]) -> Any:
    """An experiment (a built-in name, a TOML file) or a result (the ``.npz`` that ``save`` wrote, of whatever kind).

    Parameters
    ----------
    name_or_path : str or path

    Returns
    -------
    Experiment or Result

    Raises
    ------
    InputError
        If there is no such file, or it is neither.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, Experiment):
        return name_or_path
    if path.suffix == ".npz" or (path.is_file() and zipfile.is_zipfile(path)):
        return result_of(path)
    return load_experiment(str(name_or_path))


def result_of(path: Path) -> Result:
    """The result in a file, of the kind that its head names.

    Raises
    ------
    InputError
        If it is no result of this package.
    """
    meta, _ = read_arrays(path)
    name, module = str(meta.get("class")), str(meta.get("module", ""))
    if module.partition(".")[0] == PACKAGE:
        try:
            kind = getattr(importlib.import_module(module), name, None)
        except ImportError:
            kind = None
        if isinstance(kind, type) and issubclass(kind, Result):
            return kind.load(path)
    # Files before 0.2 do not name the module: of several kinds of one name the one whose fields these are.
    for kind in _kinds_called(name, meta):
        try:
            return kind.load(path)
        except (KeyError, TypeError, AttributeError):
            continue
    raise InputError(f"{path}: holds a {name}, which this version of asymptotics does not know")


def _kinds_called(name: str, meta: dict[str, Any]) -> list[type[Result]]:
    """The classes of results of a name, those of the room that made the file first."""
    for module in pkgutil.walk_packages(importlib.import_module(PACKAGE).__path__, f"{PACKAGE}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    todo: list[type[Result]] = [Result]
    found: list[type[Result]] = []
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            if kind.__name__ == name:
                found.append(kind)
    tables = _tables_of(meta)
    system = tables.get("system") or next((s for s in SYSTEMS if s in tables), SYSTEMS[0])
    return sorted(found, key=lambda kind: kind.__module__.split(".")[1] != system)


def _tables_of(meta: dict[str, Any]) -> dict[str, Any]:
    """The experiment's tables, as the head of a file has them."""
    fields = meta.get("fields") or {}
    for tables in (
        dict(meta.get("provenance") or {}).get("experiment"),
        fields.get("experiment"),
        fields.get("parameters"),
    ):
        if isinstance(tables, dict) and tables:
            return tables
    return fields
