"""All errors of a table at once: what is wrong is noted, taken away, and the rest is checked again."""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .checks import InputError

#: A table with more errors than this is no table of ours.
MOST = 40


class Built(Protocol):
    """What is built from one table (`Settings`, `Interpolant`)."""

    @classmethod
    def from_table(cls, table: object) -> Any:
        """From the mapping read from a file, checked."""


def settle(
    kind: type[Built], name: str, table: object, examples: Callable[[], Mapping[str, Any]]
) -> tuple[Any, list[InputError]]:
    """The settings of a table and no errors, or None and the errors.

    A later error is only told where it does not follow from an earlier one: keys that depend on each other are told one by one.

    Parameters
    ----------
    kind : type
        Settings class of the table.
    name : str
        The table's name.
    table : mapping
        As given, under present names.
    examples : callable
        Gives allowed values of keys that have no default: they stand in for those that are wrong.
    """
    errors: list[InputError] = []
    current = copy.copy(table)
    if isinstance(table, Mapping):
        current = {k: dict(v) if isinstance(v, Mapping) else v for k, v in table.items()}
    bad: list[str] = []
    while len(errors) < MOST:
        try:
            # What is settled only to find further errors has nothing to warn of.
            with warnings.catch_warnings() if errors else contextlib.nullcontext():
                if errors:
                    warnings.simplefilter("ignore")
                made = kind.from_table(copy.copy(current))
            return (None if errors else made), errors
        except InputError as error:
            parts = error.key.removeprefix(f"{name}.").split(".")
            if errors and _follows(error, parts[-1], bad):
                # What was taken away is needed after all: a stand-in, once.
                if isinstance(current, dict) and len(parts) == 1 and parts[0] in bad and parts[0] not in current:
                    value = examples().get(parts[0])
                    if value is not None:
                        current[parts[0]] = value
                        continue
                break
            # A key that was misspelt is not told to be missing as well.
            if error.kind != "missing" or not any(e.kind == "unknown" and parts[-1] in e.allowed for e in errors):
                errors.append(error)
            bad.append(parts[-1])
            if not isinstance(current, dict) or not _taken_away(current, parts, error, kind, examples):
                break
    return None, errors


def _follows(error: InputError, key: str, bad: list[str]) -> bool:
    """Whether an error may be there only because of what was taken away before."""
    if error.kind not in ("value", "choice", "unknown", "missing") or key in bad:
        return True
    return error.kind == "value" and any(re.search(rf"\b{re.escape(word)}\b", error.allowed) for word in bad)


def _taken_away(
    table: dict[str, Any],
    parts: list[str],
    error: InputError,
    kind: type[Built],
    examples: Callable[[], Mapping[str, Any]],
) -> bool:
    """Take the key that an error names out of the table; whether what is left can be checked."""
    *outer, key = parts
    inner: Any = table
    for part in outer:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or (key not in inner and error.kind != "missing"):
        return False
    inner.pop(key, None)
    if outer or not getattr(kind, "requires", lambda _: False)(key):
        return True
    stand_in = examples().get(key)
    if stand_in is not None:
        table[key] = stand_in
    return stand_in is not None
