"""Symbolic layer (floor 0): SymPy only; knows nothing of arrays, files or plots."""

from __future__ import annotations

import lazy_loader

from . import moved as moved

# Names are loaded on first use; they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
