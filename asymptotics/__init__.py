"""Exact asymptotic theory of how generative diffusion models learn, checked against full simulation.

>>> import asymptotics as asy
>>> exp = asy.example("three-clusters")
>>> path = asy.solve(exp)
>>> runs = asy.simulate(exp, dimension=1000, runs=8, seed=0)
>>> asy.compare(path, runs)
"""

from __future__ import annotations

from types import FunctionType

import lazy_loader

from . import moved as moved

__version__ = "0.2.0.dev0"

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
_loaded, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    value = _loaded(name)
    if isinstance(value, FunctionType) and (complete := vars(value).pop("complete", None)):
        complete()
    return value
