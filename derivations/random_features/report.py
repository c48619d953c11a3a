"""The printable derivation of random-feature score models."""

from __future__ import annotations

from ..steps import Derivation
from .constants import constants, erf_constants, relu_constants
from .equations import (
    dyson,
    flow,
    generating_function,
    kernel_limit,
    noises,
    pencil,
    times,
    two_points,
)
from .slips import slips
from .start import random_start


def derivation() -> Derivation:
    """The chain from the constants of an activation to losses and times, and the slips of the published code."""
    steps = (
        constants(), erf_constants(), relu_constants(), pencil(), dyson(), noises(), generating_function(), two_points(),
        flow(), random_start(), kernel_limit(), times(),
    )  # fmt: skip
    return Derivation("random_features", steps, slips())
