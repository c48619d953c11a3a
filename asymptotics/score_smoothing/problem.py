"""An experiment of this room: its tables together."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..common.input.tables import Tables
from .settings import ScoreSmoothing, Simulation


@dataclass(frozen=True)
class Problem(Tables):
    """What `solve` and `simulate` take; whether the particles end before they start matters to `simulate` alone."""

    score_smoothing: ScoreSmoothing
    simulation: Simulation = field(default_factory=Simulation)
