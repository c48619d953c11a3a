"""A whole experiment of this room: its tables together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from ..common.input.tables import Tables
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
    def of(
        cls, given: Problem | OneStep, sampling: Sampling | None = None, simulation: Simulation | None = None
    ) -> Problem:
        """The problem; from its settings one by one, as before 0.2.0, with a warning."""
        if isinstance(given, Problem):
            return given
        warnings.warn(
            "settings one by one: give Problem(one_step, sampling, simulation) instead",
            DeprecationWarning,
            stacklevel=3,
        )
        return cls(given, sampling or Sampling(), simulation or Simulation())

    def at(self, samples: int) -> Problem:
        """The same with another number of samples."""
        return Problem(self.one_step.replace(samples=samples), self.sampling, self.simulation)
