"""A whole experiment of this room: its tables together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..common.input.tables import Tables
from ..common.output.experiment import OfExperiment
from .settings import LinearDiffusion, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """A linear diffusion model on data of one spectrum, and how it is simulated.

    A spectrum that cannot be had is an `InputError` already here.
    """

    linear_diffusion: LinearDiffusion
    simulation: Simulation = field(default_factory=Simulation)

    def __post_init__(self) -> None:
        self.linear_diffusion.covariance()


class OfProblem(OfExperiment):
    """A result of this room."""

    WAS: ClassVar[Mapping[str, str]] = {"settings": "linear_diffusion", "simulation": "simulation"}

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)
