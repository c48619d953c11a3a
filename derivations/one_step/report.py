"""The printable derivation of the linear one-step denoiser."""

from __future__ import annotations

from functools import lru_cache

from ..steps import Derivation
from .distances import bandwidths, divergences, late_time, overlap, several_steps
from .energies import determinant, trained_points, two_sums
from .equations import branches, free_energy, marchenko_pastur, regression, series, trace
from .slips import slips


@lru_cache(maxsize=1)
def derivation() -> Derivation:
    """All steps, each checked by SymPy while it is built, and the places where the source differs."""
    return Derivation(
        "Linear one-step denoiser",
        (
            regression(),
            trace(),
            marchenko_pastur(),
            free_energy(),
            branches(),
            series(),
            divergences(),
            overlap(),
            bandwidths(),
            late_time(),
            several_steps(),
            determinant(),
            trained_points(),
            two_sums(),
        ),
        slips(),
    )
