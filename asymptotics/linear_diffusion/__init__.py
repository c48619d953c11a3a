"""Linear denoisers at finite N with structured covariance, regularisation and early stopping (Merger and Goldt 2025)."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded on first use: importing the room must stay a matter of milliseconds.
_LAZY = {
    "Averages": "averages",
    "Sweep": "averages",
    "solve": "theory",
    "sweep": "theory",
    "Schedule": "schedule",
    "LinearModel": "model",
    "LinearDiffusion": "settings",
    "Simulation": "settings",
    "Equivalents": "equivalents",
    "deterministic_equivalents": "equivalents",
    "effective_regularisation": "equivalents",
    "critical_kappa": "equivalents",
    "null_space_mass": "equivalents",
    "finite_size_corrections": "corrections",
    "resolvent": "contour",
    "averaged_losses": "losses",
    "corrected_losses": "losses",
    "total_losses": "losses",
    "averaged_training": "training",
    "averaged_divergences": "kl",
    "optimal_regularisation": "kl",
    "limits_per_dimension": "kl",
    "wishart_averages": "kl",
    "wishart_kl_generated_target": "kl",
    "wishart_kl_target_generated": "kl",
    "model_agreement": "agreement",
    "corrected_cosines": "agreement",
    "effective_dimension": "agreement",
    "covariance_distance": "agreement",
    "generated_variance": "sampler",
    "generated_mean": "sampler",
    "continuous_variance": "sampler",
    "generated_averages": "generated",
    "Runs": "simulation",
    "simulate": "simulation",
    "compare": "comparison",
    "ImageComparison": "images",
    "compare_images": "images",
    "digits_effective_dimension": "images",
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
