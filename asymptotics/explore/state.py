"""The experiment of a page as it stands, what is computed from it, and how a user takes it along."""

from __future__ import annotations

import copy
import importlib.util
import json
import shlex
from types import ModuleType
from typing import Any
from urllib.parse import quote

from .. import api
from ..common.input.texts import value as parsed
from ..common.output.results import Result
from ..common.output.views import Curve, View
from ..experiment import Experiment
from .knobs import Field, Knob, controls


class State:
    """An experiment that changes key by key; a change that is not allowed raises and leaves it as it was.

    Parameters
    ----------
    experiment : Experiment
    source : str
        Name or file that it came from.
    """

    def __init__(self, experiment: Experiment, source: str) -> None:
        self.first = self.experiment = experiment
        self.source = source
        self.answer: Result = api.solve(experiment, progress=False)
        self.changes: dict[str, Any] = {}

    def controls(self) -> tuple[list[Knob], list[Field]]:
        """What can be changed."""
        return controls(self.experiment)

    def _entry(self, key: str) -> Any:
        entry: Any = self.experiment.tables
        for name in key.split("."):
            entry = entry[name]
        return copy.deepcopy(entry)

    def change(self, key: str, value: Any, at: tuple[int, ...] = ()) -> None:
        """Set a key, or a place of its list, and solve.

        Raises
        ------
        InputError, ComputationError
            What is wrong with the new value; nothing has changed then.
        """
        whole = self._entry(key) if at else value
        if at:
            inner = whole
            for k in at[:-1]:
                inner = inner[k]
            inner[at[-1]] = value
            if key == "target.weights":
                whole = _shares(whole, at[0])
        self.adopt({**self.changes, key: whole})

    def adopt(self, changes: dict[str, Any]) -> None:
        """The first experiment with these keys changed, solved."""
        experiment = self.first.replace(changes) if changes else self.first
        answer = api.solve(experiment, progress=False)
        self.experiment, self.answer, self.changes = experiment, answer, changes

    # what is shown --------------------------------------------------------------------------------------------

    @property
    def _views(self) -> ModuleType | None:
        room = self.experiment.room
        return room.module("explorer") if importlib.util.find_spec(f"{room.room}.explorer") is not None else None

    @property
    def last_time(self) -> float | None:
        """Where the page's slider of training time ends; None where the system has none."""
        module = self._views
        return None if module is None else float(module.times(self.answer))

    def views(self, tau: float, *, runs: Result | None = None, draft: bool = False) -> list[View]:
        """The pictures."""
        module = self._views
        if module is not None:
            found: list[View] = module.views(self.experiment.problem, self.answer, tau, runs=runs, draft=draft)
            return found
        return [_columns(self.answer)]

    # taking it along ------------------------------------------------------------------------------------------

    def toml(self) -> str:
        """A file that `solve` and `compare` read."""
        return self.experiment.to_toml()

    def command(self) -> str:
        """The command that compares theory and experiment."""
        sets = [f"--set {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in self.changes.items()]
        return " ".join(["asymptotics compare", shlex.quote(self.source), *sets])

    def python(self) -> str:
        """The same as a script."""
        changed = f".replace({self.changes!r})" if self.changes else ""
        lines = ["import asymptotics as asy", "", f"exp = asy.load({self.source!r}){changed}", "path = asy.solve(exp)"]
        return "\n".join([*lines, "print(asy.compare(path, asy.simulate(exp)))", ""])

    def query(self) -> str:
        """The changes as the query of an address."""
        return "&".join(f"{quote(key)}={quote(json.dumps(value))}" for key, value in self.changes.items())

    @staticmethod
    def from_query(arguments: dict[str, list[bytes]]) -> dict[str, Any]:
        """The changes that `query` wrote."""
        return {key: parsed(values[-1].decode()) for key, values in arguments.items() if "." in key}


def _shares(weights: list[float], moved: int) -> list[float]:
    """Weights that sum to one with the moved one as it is."""
    others = sum(w for k, w in enumerate(weights) if k != moved)
    rest = max(0.0, 1.0 - weights[moved])
    return [
        w if k == moved else (w * rest / others if others > 0 else rest / (len(weights) - 1))
        for k, w in enumerate(weights)
    ]


def _columns(result: Result) -> View:
    """Any result that is a table: its columns along the first."""
    first, *rest = type(result).COLUMNS or ("",)
    if not rest:
        return View("result", "", "", "", note=result.summary())
    x = getattr(result, first)
    curves = tuple(
        Curve(name, x, column) for name in rest if (column := getattr(result, name)) is not None and column.ndim == 1
    )
    return View("result", "Prediction", first, "", curves)
