"""A whole experiment of this room: its tables together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..common.input.tables import Tables
from ..common.output.experiment import OfExperiment
from .settings import OneStep, Sampling, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """One experiment: the model, how it is sampled from, and its simulation."""

    one_step: OneStep
    sampling: Sampling = field(default_factory=Sampling)
    simulation: Simulation = field(default_factory=Simulation)

    def __post_init__(self) -> None:
        model = self.one_step
        if model.runs is not None:  # as before 0.2.0
            object.__setattr__(self, "simulation", self.simulation.replace(runs=model.runs))
            object.__setattr__(self, "one_step", model.replace(runs=None))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Problem:
        """Inverse of `to_tables`; results stored before 0.2.0 have other names of keys."""
        tables = {name: dict(table) for name, table in tables.items()}
        runs = tables["one_step"].pop("runs", None)
        if runs is not None:
            tables["simulation"] = {**tables.get("simulation", {}), "runs": runs}
        if "sampler" in tables:
            tables["sampling"] = tables.pop("sampler")
        return super().from_tables(tables)

    def at(self, samples: int) -> Problem:
        """The same with another number of samples."""
        return Problem(self.one_step.replace(samples=samples), self.sampling, self.simulation)


class OfProblem(OfExperiment):
    """A result of this room."""

    WAS: ClassVar[Mapping[str, str]] = {"parameters": ""}

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)

    @property
    def parameters(self) -> dict[str, Any]:
        """The name of ``experiment`` until 0.2."""
        return self.experiment


def build(tables: Mapping[str, Any]) -> Problem:
    """The problem of the given settings objects: `Problem` with them as keywords, under the name that 0.1.0 had for it."""
    return Problem(**{"sampling" if name == "sampler" else name: table for name, table in tables.items() if table})
