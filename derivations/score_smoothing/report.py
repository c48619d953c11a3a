"""The printable derivation of score smoothing."""

from __future__ import annotations

from functools import lru_cache

from ..steps import Derivation
from . import equations, network


@lru_cache(maxsize=1)
def derivation() -> Derivation:
    """The chain from the empirical score to the generated law, the network that realises it and its loss.

    Source: Chen 2025 (arXiv 2502.19499). No slip is recorded: only the abstract of that paper could be compared.
    """
    first = (equations.empirical_score(), equations.local_averaging(), equations.finite_difference())
    law = (equations.gaussian_kernel(), equations.flow(), equations.density())
    other = (equations.ornstein_uhlenbeck(), equations.circle())
    return Derivation("score_smoothing", (*first, *law, network.neurons(), network.loss(), *other))
