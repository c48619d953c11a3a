"""A binary Gaussian mixture learned from n = Θ(1) samples by a two-layer flow model (Cui et al., arXiv 2310.03575)."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded on first use: importing the room must stay a matter of milliseconds.
_LAZY = {
    "MixtureFlow": "settings",
    "Problem": "settings",
    "Simulation": "settings",
    "OrderParameters": "theory",
    "final_state": "theory",
    "generated_std": "theory",
    "order_parameters": "theory",
    "asymptote": "rates",
    "curve": "rates",
    "error_expansion": "rates",
    "optimal_ridge": "rates",
    "Solution": "solution",
    "solve": "solution",
    "integrate": "path",
    "discretise": "path",
    "Runs": "simulation",
    "simulate": "simulation",
    "Ridge": "ridge",
    "TrainingSet": "data",
    "train": "training",
    "train_on": "training",
    "compare": "comparison",
    "half_space_bias": "comparison",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
