"""Exact asymptotic theory of how generative diffusion models learn, checked against full simulation.

>>> import asymptotics as asy
>>> exp = asy.example("three-clusters")
>>> path = asy.solve(exp)
>>> runs = asy.simulate(exp, dimension=1000, runs=8, seed=0)
>>> asy.compare(path, runs)
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded on first use: importing the package must stay a matter of milliseconds.
_LAZY = {
    "Experiment": "experiment",
    "example": "experiment",
    "examples": "experiment",
    "load": "experiment",
    "solve": "api",
    "simulate": "api",
    "compare": "api",
    "plot": "api",
    "generations": "api",
    "sweep": "sweeps",
    "InputError": "common.checks",
    "Interpolant": "common.interpolants",
    "Rule": "common.expectations",
    "GaussianMixture": "autoencoder.target",
    "EmpiricalMixture": "autoencoder.from_samples",
    "GeneratedDensity": "autoencoder.density",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
