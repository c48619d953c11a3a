"""Small named values within a result: what belongs together, instead of a mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self, get_args, get_type_hints

from ..input.renamed import say_renamed
from .results import Result, to_builtin


class Record:
    """Base of small frozen dataclasses that are fields of a `Result`; ``record["name"]``, as of a mapping, warns."""

    def __getitem__(self, name: str) -> Any:
        say_renamed(f"[{name!r}]", f".{name}")
        return getattr(self, name)

    def finite(self) -> Self:
        """The same with None for what is not finite."""
        return self.from_table(to_builtin(self))

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """From its JSON form; names that it has no longer are left out."""
        kinds = records_of(cls)
        names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{k: restored(kinds.get(k), v) for k, v in table.items() if k in names})


def records_of(kind: type) -> dict[str, type[Record]]:
    """The fields of a dataclass that are records (or None)."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, Record):
                found[name] = part
    return found


def restored(kind: type[Record] | None, value: Any) -> Any:
    """A stored value as the record that it was, a list as a list of them; nothing is None."""
    if kind is None:
        return value
    if isinstance(value, list):
        return [restored(kind, v) for v in value]
    return kind.from_table(value) if value else None


class Recorded(Result):
    """A `Result` with records among its fields: stored as the mappings that their JSON is."""

    def _stored(self) -> dict[str, Any]:
        return {k: to_builtin(v) if isinstance(v, Record) else v for k, v in super()._stored().items()}

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        kinds = records_of(cls)
        return {k: restored(kinds.get(k), v) for k, v in super()._restored(stored).items()}
