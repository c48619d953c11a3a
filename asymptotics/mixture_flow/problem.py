"""An experiment of this room: its tables together."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..common.input.tables import Tables
from ..common.numerics.interpolants import Interpolant
from .settings import MixtureFlow, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """What `solve` and `simulate` take; schemes that would meet a pole are refused by `simulate` alone, which runs them."""

    mixture_flow: MixtureFlow
    interpolant: Interpolant = field(default_factory=Interpolant)
    simulation: Simulation = field(default_factory=Simulation)
