"""The printable derivation of the flow learned from a handful of samples."""

from __future__ import annotations

from functools import lru_cache

from ..steps import Derivation
from .equations import asymptotic_overlaps, asymptotic_steps, equations_of_motion, ridge, solution
from .results import results
from .slips import slips


@lru_cache(maxsize=1)
def derivation() -> Derivation:
    """The whole chain, and where the sources differ."""
    x, homogeneous, solved = solution()
    steps = (
        ridge()[2], *asymptotic_steps(asymptotic_overlaps()), *equations_of_motion(), homogeneous, solved, *results(x),
    )  # fmt: skip
    return Derivation("Flow learned from a handful of samples of a binary Gaussian mixture", steps, slips())
