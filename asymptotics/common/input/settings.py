"""Settings: frozen dataclasses whose fields are the keys of one table of an experiment file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from .checks import InputError, boolean, fail, integer, nearest, number
from .notation import COMMON, Notation
from .renamed import present_names, say_renamed

#: What a field may be, as its annotation says it.
Finite = Annotated[float, number]
Positive = Annotated[float, partial(number, above=0)]
NonNegative = Annotated[float, partial(number, at_least=0)]
Share = Annotated[float, partial(number, at_least=0, at_most=1)]
Natural = Annotated[int, partial(integer, at_least=0)]
Count = Annotated[int, partial(integer, at_least=1)]
Flag = Annotated[bool, boolean]


class _Renaming(type):
    """Old names of fields work as keywords too."""

    def __call__(cls, *values: Any, **named: Any) -> Any:
        aliases = cls.ALIASES  # type: ignore[attr-defined]
        if not aliases.keys().isdisjoint(named):
            named = present_names(named, aliases, cls.key)  # type: ignore[attr-defined]
        return super().__call__(*values, **named)


@cache
def _also(cls: type[Settings]) -> Mapping[str, str]:
    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    names = {name: field for field in fields for name in cls.notation(field).names}
    return {name: field for name, field in names.items() if name not in fields and name not in cls.ALIASES}


@cache
def _required(cls: type[Settings]) -> frozenset[str]:
    missing = dataclasses.MISSING
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    return frozenset(f.name for f in fields if f.default is missing and f.default_factory is missing)


@cache
def _checks(cls: type[Settings]) -> Mapping[str, tuple[Callable[[str, Any], Any], bool]]:
    """The checks that fields are declared with, and whether None is allowed too."""
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        for part in parts:
            if get_origin(part) is Annotated:
                found[name] = part.__metadata__[0], NoneType in parts
    return found


class Settings(metaclass=_Renaming):
    """Base of the frozen dataclasses that describe one table of an experiment file.

    A subclass is a ``@dataclass(frozen=True)``. A field says what it may be where it is declared, ``tau: Positive`` or
    ``runs: Annotated[int, partial(integer, at_least=2)]``: the check of `asymptotics.common.input.checks` that its value passes
    (unless it may be None, and is). What else is to be checked follows ``super().__post_init__()`` in its own ``__post_init__``,
    named by ``self.key("field")`` (``"training.tau"``), and checked values are stored with ``self.set(field=value)``.

    ``ALIASES`` are earlier names of its fields (``{"trajectories": "runs"}``): as keys of a file, as keywords and as attributes
    they work on, and say in one DeprecationWarning what they are called now.

    ``NOTATION`` is how the papers write its fields: symbols for the reference, and names that a file may use as well
    (``eta = 0.1``), without a warning. ``HINTS`` says of names that are no keys what is meant instead.
    """

    table: ClassVar[str] = ""
    ALIASES: ClassVar[Mapping[str, str]] = {}
    NOTATION: ClassVar[Mapping[str, Notation]] = {}
    HINTS: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # a checker is to know the present names alone

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).ALIASES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            present = type(self).ALIASES[name]
            say_renamed(self.key(name), self.key(present))
            return getattr(self, present)

    def __post_init__(self) -> None:
        for name, (check, optional) in _checks(type(self)).items():
            value = getattr(self, name)
            if value is not None or not optional:
                self.set(**{name: check(self.key(name), value)})

    @classmethod
    def key(cls, field: str) -> str:
        """Name of a field as the user wrote it: ``table.field``."""
        return f"{cls.table}.{field}" if cls.table else field

    @classmethod
    def notation(cls, field: str) -> Notation:
        """How the papers write a field; empty where nobody says."""
        return cls.NOTATION.get(field) or COMMON.get(field) or Notation()

    @classmethod
    def also(cls) -> dict[str, str]:
        """Fields by the further names that a file may use for them."""
        return dict(_also(cls))

    @classmethod
    def requires(cls, field: str) -> bool:
        """Whether a field has no default."""
        return field in _required(cls)

    def set(self, **values: Any) -> None:
        """Store checked values; for use in ``__post_init__`` alone."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_table(cls, table: object) -> Self:
        """Build from the mapping read from a file; unknown or missing keys are one clear error each."""
        if not isinstance(table, Mapping):
            fail(cls.table, table, "a table of keys")
        table = present_names(table, cls.ALIASES, cls.key, cls.also())
        fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in table:
            if name not in fields:
                raise cls.unknown(str(name), fields)
        for name in fields:
            if cls.requires(name) and name not in table:
                raise InputError(f"{cls.key(name)}: missing; it has no default", key=cls.key(name), kind="missing")
        return cls(**table)

    @classmethod
    def unknown(cls, name: str, fields: list[str]) -> InputError:
        """The error of a key that is none of ``fields``, with a hint at what is meant."""
        also = cls.also()
        match = nearest(name, [*fields, *also])
        # A further name is told as what it stands for.
        near = "" if match is None else f" (did you mean {also.get(match, match)}?)"
        if name in cls.HINTS:
            near = f" ({cls.HINTS[name]})"
        message = f"{cls.key(name)}: unknown key; allowed are {', '.join(fields)}{near}"
        return InputError(message, key=cls.key(name), kind="unknown", allowed=near)

    @classmethod
    def adopt(cls, table: Mapping[str, Any], thing: object) -> Mapping[str, Any] | None:
        """The table where something else than a mapping is put in its place (`Experiment.replace`); None: that thing itself."""
        return None

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
