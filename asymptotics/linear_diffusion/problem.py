"""A whole experiment of this room: its tables together."""

from __future__ import annotations

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
