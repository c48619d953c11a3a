"""The linear one-step denoiser and its transition from memorisation to generalisation (Halder 2024, arXiv 2411.17807)."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "settings": ("OneStep", "Sampler", "Simulation"),
    "bandwidth": ("amise_bandwidth", "gaussian_time", "kernel_bandwidth", "mise", "mise_bandwidth", "mixing_bandwidth",
                  "mixing_time"),
    "theory": ("Theory", "signal_fraction", "solve"),
    "divergences": ("decreasing_interval", "kl_generated_target", "kl_target_generated", "log_det_rate",
                    "monotone_threshold", "quadratic_truncation", "trace_rate"),
    "hellinger": ("hellinger_floor", "log_bhattacharyya"),
    "multistep": ("angle_grid", "flow_divergence", "multistep_fraction", "time_grid"),
    "denoiser": ("Generated", "fit"),
    "distances": ("Underlying", "closer_to_target", "distances"),
    "simulation": ("Simulated", "simulate"),
    "transition": ("Transition", "probability_curve"),
    "system": ("Problem", "build"),
}  # fmt: skip
_WHERE = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
