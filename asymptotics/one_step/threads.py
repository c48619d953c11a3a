"""One BLAS thread a process: many processes with many threads each hinder one another."""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIXES = ("scipy_openblas", "openblas")
SUFFIXES = ("64_", "_64", "")


@functools.cache
def _controls() -> tuple[tuple[Callable[[int], None], Callable[[], int]], ...]:
    """Setter and getter of every OpenBLAS that NumPy and SciPy bring along; empty for other BLAS libraries."""
    found = []
    for package in ("numpy", "scipy"):
        root = Path(str(importlib.import_module(package).__file__)).parent
        for folder in (root.with_name(root.name + ".libs"), root / ".dylibs"):
            for path in sorted(folder.glob("*openblas*")):
                try:
                    library = ctypes.CDLL(str(path))
                except OSError:
                    continue
                for prefix in PREFIXES:
                    for suffix in SUFFIXES:
                        setter = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                        getter = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                        if setter is not None and getter is not None:
                            setter.argtypes, setter.restype = [ctypes.c_int], None
                            getter.argtypes, getter.restype = [], ctypes.c_int
                            found.append((setter, getter))
    return tuple(found)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within the block the bundled OpenBLAS uses one thread; afterwards as many as before."""
    before = [(setter, getter()) for setter, getter in _controls()]
    for setter, _ in before:
        setter(1)
    try:
        yield
    finally:
        for setter, count in before:
            setter(count)
