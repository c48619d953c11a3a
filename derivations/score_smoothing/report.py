"""The printable derivation of score smoothing."""

from __future__ import annotations

from functools import lru_cache

from ..steps import Derivation
from .equations import (
    circle,
    density,
    empirical_score,
    finite_difference,
    flow,
    gaussian_kernel,
    local_averaging,
    ornstein_uhlenbeck,
)
from .network import loss, neurons


@lru_cache(maxsize=1)
def derivation() -> Derivation:
    """The chain from the empirical score to the generated law, the network that realises it and its loss.

    Source: Chen 2025 (arXiv 2502.19499). No slip is recorded: only the abstract of that paper could be compared.
    """
    steps = (
        empirical_score(), local_averaging(), finite_difference(), gaussian_kernel(), flow(), density(), neurons(), loss(),
        ornstein_uhlenbeck(), circle(),
    )  # fmt: skip
    return Derivation("score_smoothing", steps)
