"""The printable derivation of linear diffusion models at finite N: the chain of all steps.

Source: Merger and Goldt 2025 (arXiv 2505.24769).
"""

from __future__ import annotations

from functools import lru_cache

from ..steps import Derivation
from .averages import divergences, effective_dimension, equivalents, optimal_regularisation
from .finite_size import finite_size
from .modes import losses, optimum, sampler, training
from .slips import slips


@lru_cache(maxsize=1)
def derivation() -> Derivation:
    """The whole chain, verified step by step by SymPy (a few seconds)."""
    first, bias, weight = optimum()
    loss, _, _ = losses(bias, weight)
    kl, _, _ = divergences()
    dynamics, _ = training()
    traces, _ = equivalents()
    dimension, _ = effective_dimension()
    steps = (first, *sampler(), loss, *kl, traces, finite_size(), optimal_regularisation(), *dynamics, dimension)
    return Derivation("linear diffusion models at finite N", steps, slips())
