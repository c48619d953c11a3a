"""The room's problem: its tables together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..common.input.tables import Tables
from ..common.output.experiment import OfExperiment
from .coupling.model import CoupledGaussian, feature_count
from .settings import Interactions, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """One coupling learned from N samples, and how it is simulated.

    Parameters
    ----------
    interactions : Interactions
    simulation : Simulation
    """

    interactions: Interactions
    simulation: Simulation = field(default_factory=Simulation)

    @cached_property
    def truth(self) -> CoupledGaussian:
        """The law that is learned."""
        return self.interactions.truth()

    @property
    def features(self) -> int:
        """F."""
        return feature_count(self.interactions.inputs)

    @property
    def penalties(self) -> np.ndarray | None:
        """λ_0, λ_1, λ_2; None for maximum likelihood."""
        ridge = self.interactions.ridge
        return None if ridge is None else np.array(ridge, dtype=float)


class OfProblem(OfExperiment):
    """A result of this room."""

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)
