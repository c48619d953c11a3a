"""An experiment of this room: its tables together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from .settings import ScoreSmoothing, Simulation


@dataclass(frozen=True)
class Problem:
    """What `solve` and `simulate` take; whether the particles end before they start matters to `simulate` alone."""

    score_smoothing: ScoreSmoothing
    simulation: Simulation = field(default_factory=Simulation)

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """The tables as plain values, by name."""
        return {f.name: dict(getattr(self, f.name).to_table()) for f in fields(self)}

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Problem:
        """Inverse of `to_tables`."""
        kinds = get_type_hints(cls)
        return cls(**{f.name: kinds[f.name].from_table(dict(tables.get(f.name, {}))) for f in fields(cls)})
