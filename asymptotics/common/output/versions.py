"""Versions of this package and of the libraries that decide its numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module, metadata

from ... import __version__

#: Libraries whose versions may change the last bits of a number.
LIBRARIES = ("numpy", "scipy", "numba", "sympy")


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    found = {"asymptotics": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)  # without importing it
        except metadata.PackageNotFoundError:
            found[name] = str(import_module(name).__version__)
    return tuple(found.items())


def versions() -> dict[str, str]:
    """Versions of asymptotics, Python, NumPy, SciPy, numba and SymPy, by name."""
    return dict(_versions())


def changed(before: Mapping[str, str]) -> str:
    """How these versions differ from earlier ones, in words (``numpy 1.26.4 is now 2.1.0``); empty where they do not."""
    now = versions()
    return ", ".join(f"{name} {old} is now {now[name]}" for name, old in before.items() if now.get(name, old) != old)
