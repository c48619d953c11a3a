"""The table of the weights at τ = 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ....common.input.checks import InputError, array
from ....common.input.notation import Notation
from ....common.input.settings import Finite, Natural, NonNegative, Settings


@dataclass(frozen=True)
class Init(Settings):
    """Weights at τ = 0, by their overlaps.

    Parameters
    ----------
    centroids : float
        w_γ = centroids √d μ_γ for γ ≤ min(hidden units, clusters); untied: encoder and decoder alike.
    random : float
        + i.i.d. N(0, random²) entries.
    Theta, Q : array_like
        Instead: the overlaps themselves, (vectors, K) and (vectors, vectors) with one atom, or one matrix an atom in front.
    realisation : int
        Draw the weights once, at the simulation's dimension, from this seed: every run starts from that one matrix and the
        theory from its measured overlaps. Where atoms have only one direction each (a spectrum), i.i.d. entries have no exact
        overlaps, and this is the way.
    """

    table = "denoiser.init"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "Theta": Notation("Θ(0)", ("theta", "Theta0")),
        "Q": Notation("Q(0)", ("q", "Q0")),
        "random": Notation("", ("std", "scale"), "standard deviation an entry"),
        "realisation": Notation("", ("realization",), "seed"),
    }

    centroids: Finite = 0.0
    random: NonNegative = 0.0
    Theta: Any = None
    Q: Any = None
    realisation: Natural | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.Theta is None) != (self.Q is None):
            raise InputError(f"{self.key('Theta')} and {self.key('Q')}: must be given together")
        for name in ("Theta", "Q"):
            if getattr(self, name) is not None:
                self.set(**{name: array(self.key(name), getattr(self, name))})
        if self.realisation is not None and self.Theta is not None:
            raise InputError(f"{self.key('realisation')}: must be left out where Theta and Q are given")
