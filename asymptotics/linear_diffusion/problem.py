"""A whole experiment of this room: its tables together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from ..common.input.tables import Tables
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

    @classmethod
    def of(cls, given: Problem | LinearDiffusion, simulation: Simulation | None = None) -> Problem:
        """The problem; from its settings one by one, as before 0.2.0, with a warning."""
        if isinstance(given, Problem):
            return given
        warnings.warn(
            "settings one by one: give Problem(linear_diffusion, simulation) instead", DeprecationWarning, stacklevel=3
        )
        return cls(given, simulation or Simulation())
