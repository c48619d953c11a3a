"""An experiment of this room: its tables together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..common.input.tables import Tables
from ..common.numerics.interpolants import Interpolant
from ..common.output.experiment import OfExperiment
from .settings import MixtureFlow, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """What `solve` and `simulate` take; schemes that would meet a pole are refused by `simulate` alone, which runs them."""

    mixture_flow: MixtureFlow
    interpolant: Interpolant = field(default_factory=Interpolant)
    simulation: Simulation = field(default_factory=Simulation)


class OfProblem(OfExperiment):
    """A result of this room."""

    WAS: ClassVar[Mapping[str, str]] = {"parameters": ""}

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)
