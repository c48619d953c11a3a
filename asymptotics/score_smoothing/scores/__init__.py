"""Scores on a line and along a closed curve, each with its flow."""

from __future__ import annotations

import lazy_loader

# What stood in the module of this name until 0.2.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "empirical": ["EmpiricalScore", "PiecewiseLinearScore"],
        "score": ["REACH", "Score"],
        "smoothed": ["SmoothedScore"],
    },
)
