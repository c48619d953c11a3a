"""Old names of keys, tables and keywords: they work for one release, and each use says so in one line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TypeVar

from .checks import InputError

T = TypeVar("T")
PACKAGE = __name__.partition(".")[0]


def say_renamed(old: str, new: str) -> None:
    """One DeprecationWarning, ``OLD: is now called NEW``, at the line outside this package that used the old name."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(f"{old}: is now called {new}", DeprecationWarning, stacklevel=level)


def present_names(
    given: Mapping[str, T],
    aliases: Mapping[str, str],
    shown: Callable[[str], str] = str,
    also: Mapping[str, str] | None = None,
) -> dict[str, T]:
    """The same values with old names replaced by the present ones.

    Parameters
    ----------
    given : mapping
        By name, old or present.
    aliases : mapping
        Present names by old ones.
    shown : callable
        How a name is written in a message (``table.key``).
    also : mapping, optional
        Present names by further ones that are no old ones: nothing is said of their use.

    Raises
    ------
    InputError
        If a value is given under both of its names.
    """
    found: dict[str, T] = {}
    further = also or {}
    for name, value in given.items():
        present = aliases.get(name, further.get(name, name))
        if present in found or (present != name and present in given):
            called = "is" if name in further else "is now"
            raise InputError(f"{shown(name)}: given twice; it {called} called {shown(present)}")
        if present != name and name not in further:
            say_renamed(shown(name), shown(present))
        found[present] = value
    return found
