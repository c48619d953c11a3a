"""Small named values within a result: what belongs together, instead of a mapping."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
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
        """From its JSON form; names that it has no longer are left out, and a number that JSON could not say is not-a-number."""
        kinds, hints = records_of(cls), get_type_hints(cls)
        names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        found = {k: restored(kinds.get(k), v) for k, v in table.items() if k in names}
        return cls(**{k: math.nan if v is None and hints[k] is float else v for k, v in found.items()})


class Entries(Record, Mapping[str, Any]):
    """Base of records that were mappings: for one release they read as such too (``["name"]``, ``in``, ``get``, ``items``).

    Fields that are None, and by default so, are no entries, and not in the JSON form.
    """

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        for each in dataclasses.fields(self):  # type: ignore[arg-type]
            if each.default is not None or getattr(self, each.name) is not None:
                yield each.name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _parts(hint: Any) -> Iterator[Any]:
    """A type with all that it is made of."""
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def records_of(kind: type) -> dict[str, type[Record]]:
    """The fields of a dataclass that are records (or None), or lists of them."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        for part in _parts(hint):
            if isinstance(part, type) and issubclass(part, Record):
                found[name] = part
    return found


def restored(kind: type[Record] | None, value: Any) -> Any:
    """A stored value as the record that it was, a list as a list of them; nothing is None (or entries that are all optional)."""
    if kind is None:
        return value
    if isinstance(value, list):
        return [restored(kind, v) for v in value]
    return kind.from_table(value) if value or (value is not None and issubclass(kind, Entries)) else None


class Recorded(Result):
    """A `Result` with records among its fields: stored as the mappings that their JSON is."""

    def _stored(self) -> dict[str, Any]:
        kinds = records_of(type(self))
        return {k: to_builtin(v) if k in kinds else v for k, v in super()._stored().items()}

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        kinds = records_of(cls)
        return {k: restored(kinds.get(k), v) for k, v in super()._restored(stored).items()}
