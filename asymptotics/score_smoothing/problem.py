"""An experiment of this room: its tables together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..common.input.tables import Tables
from ..common.output.experiment import OfExperiment
from .settings import ScoreSmoothing, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """What `solve` and `simulate` take; whether the particles end before they start matters to `simulate` alone."""

    score_smoothing: ScoreSmoothing
    simulation: Simulation = field(default_factory=Simulation)


class OfProblem(OfExperiment):
    """A result of this room."""

    WAS: ClassVar[Mapping[str, str]] = {"settings": "score_smoothing", "simulation": "simulation"}

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)
