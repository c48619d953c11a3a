"""The room's problem: its tables together, and the numbers that the equations hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..common.input.checks import InputError
from ..common.input.tables import Tables
from ..common.output.experiment import OfExperiment
from .constants import Constants, hermite_constants
from .resolvents.equations import Model
from .settings import RandomFeatures, Simulation

#: Largest number of features or of noised samples of one network (memory: eight bytes times its square).
LARGEST = 12_000


@dataclass(frozen=True)
class Problem(Tables):
    """A random-feature score model on data of one spectrum, and how it is simulated.

    Parameters
    ----------
    random_features : RandomFeatures
    simulation : Simulation
    """

    random_features: RandomFeatures
    simulation: Simulation = field(default_factory=Simulation)

    def __post_init__(self) -> None:
        # A spectrum that cannot be had is an error already here.
        _ = self.constants

    @cached_property
    def constants(self) -> Constants:
        """Hermite constants of the activation at this diffusion time."""
        sigma, mass = self.random_features.spectral_law(self.simulation.dimension)
        return hermite_constants(
            self.random_features.activation, self.random_features.diffusion_time, float(mass @ sigma)
        )

    @cached_property
    def model(self) -> Model:
        """The numbers that the self-consistent equations hold."""
        table, c = self.random_features, self.constants
        sigma, mass = table.spectral_law(self.simulation.dimension)
        return Model(table.features, table.samples, table.per_noise, c.alpha2, c.b2, c.v2, c.s2, sigma, mass)

    @property
    def averaged(self) -> Model:
        """The same with the noise averaged exactly."""
        return replace(self.model, per_noise=0.0)

    def variances(self, dimension: int) -> np.ndarray:
        """Variances along the axes of a simulation in that dimension, descending: quantiles of the spectrum's law."""
        values, masses = self.random_features.spectral_law(self.simulation.dimension)
        ends = np.cumsum(masses)
        at = (np.arange(dimension) + 0.5) / dimension
        found: np.ndarray = values[np.minimum(np.searchsorted(ends, at - 1e-12), values.size - 1)]
        return found

    def simulated(self, dimension: int) -> Model:
        """The model with exactly the counts and variances of a simulation in that dimension."""
        table, (p, n, _) = self.random_features, self.counts(dimension)
        sigma, count = np.unique(self.variances(dimension), return_counts=True)
        sigma, mass = sigma[::-1], count[::-1] / dimension
        c = hermite_constants(table.activation, table.diffusion_time, float(mass @ sigma))
        return Model(p / dimension, n / dimension, table.per_noise, c.alpha2, c.b2, c.v2, c.s2, sigma, mass)

    def counts(self, dimension: int) -> tuple[int, int, int]:
        """p, n, and the number of noised samples nm (0: exact average) in that dimension.

        Raises
        ------
        InputError
            If there is less than one, or more than fit.
        """
        table = self.random_features
        p, n = (round(r * dimension) for r in (table.features, table.samples))
        nm = 0 if isinstance(table.noises, str) else n * table.noises
        for name, count in (("features", p), ("samples", n)):
            if count < 1:
                raise InputError(
                    f"random_features.{name} = {getattr(table, name):g}: less than one in dimension {dimension}; "
                    "simulation.dimension must be larger"
                )
        if max(p, n, nm) > LARGEST:
            raise InputError(
                f"simulation.dimension = {dimension}: {max(p, n, nm)} features or noised samples are too many (at most {LARGEST})"
            )
        return p, n, nm


class OfProblem(OfExperiment):
    """A result of this room."""

    @property
    def problem(self) -> Problem:
        """What it is of."""
        return Problem.from_tables(self.experiment)
