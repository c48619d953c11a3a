"""Generations of networks trained on each other's samples: theory, R^d, and the collapse map."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["collapse_map", "generations"])
