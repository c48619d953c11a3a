"""The tables of one experiment together: what the problem of every room is."""

from __future__ import annotations

import dataclasses
import warnings
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

    @classmethod
    def of(cls, first: object, *rest: Any) -> Self:
        """The problem itself; or, as before 0.2.0, from its settings one by one, with a warning. None has its default."""
        if isinstance(first, cls):
            return first
        names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        warnings.warn(
            f"settings one by one: give Problem({', '.join(names)}) instead", DeprecationWarning, stacklevel=3
        )
        return cls(**{name: table for name, table in zip(names, (first, *rest), strict=False) if table is not None})
