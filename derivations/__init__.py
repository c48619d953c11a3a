"""Symbolic layer (floor 0): SymPy only; knows nothing of arrays, files or plots."""

from __future__ import annotations

from .denoiser import (
    ACTIVATIONS,
    ARCHITECTURES,
    PREDICTIONS,
    Denoiser,
    activation_expression,
    apply_activation,
    architecture,
    local_field,
    sigma,
)
from .engine import System, derive
from .sampling import Sampler
from .steps import Derivation, Slip, Step

__all__ = [
    "ACTIVATIONS",
    "ARCHITECTURES",
    "PREDICTIONS",
    "Denoiser",
    "Derivation",
    "Sampler",
    "Slip",
    "Step",
    "System",
    "activation_expression",
    "apply_activation",
    "architecture",
    "derive",
    "local_field",
    "sigma",
]
