"""The tables of one experiment together: what the problem of every room is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self, get_type_hints


class Tables:
    """Base of a room's frozen ``Problem``, whose fields are the tables of an experiment file by name."""

    def to_tables(self) -> dict[str, Any]:
        """The tables as plain values."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {f.name: getattr(self, f.name).to_table() for f in fields}

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Inverse of `to_tables`; what is left out has its defaults."""
        kinds = get_type_hints(cls)
        names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: kinds[name].from_table(tables.get(name, {})) for name in names})
