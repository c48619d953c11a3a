"""The room's problem: its tables together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .coupling.model import CoupledGaussian, feature_count
from .settings import Interactions, Simulation


@dataclass(frozen=True)
class Problem:
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

    def to_tables(self) -> dict[str, Any]:
        """The tables of the experiment."""
        return {"interactions": self.interactions.to_table(), "simulation": self.simulation.to_table()}

    @classmethod
    def from_tables(cls, tables: dict[str, Any]) -> Problem:
        """From what `to_tables` gave."""
        return cls(Interactions.from_table(tables["interactions"]), Simulation.from_table(tables["simulation"]))
