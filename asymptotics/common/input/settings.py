"""Settings: frozen dataclasses whose fields are the keys of one table of an experiment file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .checks import InputError, closest, fail
from .renamed import present_names, say_renamed


class _Renaming(type):
    """Old names of fields work as keywords too."""

    def __call__(cls, *values: Any, **named: Any) -> Any:
        aliases = cls.ALIASES  # type: ignore[attr-defined]
        if not aliases.keys().isdisjoint(named):
            named = present_names(named, aliases, cls.key)  # type: ignore[attr-defined]
        return super().__call__(*values, **named)


class Settings(metaclass=_Renaming):
    """Base of the frozen dataclasses that describe one table of an experiment file.

    A subclass is a ``@dataclass(frozen=True)``; its ``__post_init__`` checks every field with
    `asymptotics.common.input.checks`, naming it by ``self.key("field")`` (``"training.tau"``), and stores the
    checked value with ``self.set(field=value)``.

    ``ALIASES`` are earlier names of its fields (``{"trajectories": "runs"}``): as keys of a file, as keywords and as attributes
    they work on, and say in one DeprecationWarning what they are called now.
    """

    table: ClassVar[str] = ""
    ALIASES: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # a checker is to know the present names alone

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).ALIASES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            present = type(self).ALIASES[name]
            say_renamed(self.key(name), self.key(present))
            return getattr(self, present)

    @classmethod
    def key(cls, field: str) -> str:
        """Name of a field as the user wrote it: ``table.field``."""
        return f"{cls.table}.{field}" if cls.table else field

    def set(self, **values: Any) -> None:
        """Store checked values; for use in ``__post_init__`` alone."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_table(cls, table: Any) -> Self:
        """Build from the mapping read from a file; unknown or missing keys are one clear error each."""
        if not isinstance(table, Mapping):
            fail(cls.table, table, "a table of keys")
        table = present_names(table, cls.ALIASES, cls.key)
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name in table:
            if name not in fields:
                raise InputError(
                    f"{cls.key(str(name))}: unknown key; allowed are {', '.join(fields)}{closest(str(name), list(fields))}"
                )
        for name, f in fields.items():
            required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            if required and name not in table:
                raise InputError(f"{cls.key(name)}: missing; it has no default")
        return cls(**table)

    def to_table(self) -> dict[str, Any]:
        """The table that gives these settings back (plain Python values; None fields left out)."""
        table = {}
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value is None:
                continue
            table[f.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return table

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        changes = present_names(changes, self.ALIASES, self.key)
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]
