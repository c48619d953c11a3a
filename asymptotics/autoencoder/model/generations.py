"""The table that says how generations follow each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np

from ...common.input.checks import choice, fail, integer
from ...common.input.notation import Notation
from ...common.input.settings import Flag, Natural, Settings, Share


@dataclass(frozen=True)
class Generations(Settings):
    """A chain of networks, each trained on samples of the one before.

    Parameters
    ----------
    count : int
        Number of networks trained; the first one on the target itself.
    start : {"fresh", "warm"}
        Initial weights of a generation: those of ``denoiser.init`` anew (random entries drawn anew), or the trained weights,
        skip connection and parameters of the generation before.
    original : float
        Fraction φ of the original target's data in every generation's training data.
    accumulate : bool
        Train generation g + 1 on the data of all generations so far (the original's and g generated ones, equal shares)
        instead of the last one's alone.
    nodes : int
        Points over the latent measure and the Gaussian fields jointly, a power of two.
    replicas : int
        Independent scramblings of these points, each followed through the whole chain; the error estimate is their spread.
    seed : int
        Of the scramblings.
    """

    table = "generations"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "count": Notation("", ("generations", "n_generations"), "networks"),
        "original": Notation("φ", ("phi", "fraction"), "share of the data"),
        "nodes": Notation("", (), "points"),
        "replicas": Notation("", (), "scramblings"),
    }

    count: Annotated[int, partial(integer, at_least=1, at_most=1000)] = 3
    start: Annotated[str, partial(choice, options=("fresh", "warm"))] = "fresh"
    original: Share = 0.0
    accumulate: Flag = False
    nodes: Annotated[int, partial(integer, at_least=64, at_most=2**20)] = 4096
    replicas: Annotated[int, partial(integer, at_least=2, at_most=64)] = 4
    seed: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nodes & (self.nodes - 1):
            fail(self.key("nodes"), self.nodes, "a power of two")

    def shares(self, generation: int) -> np.ndarray:
        """Shares of (the original target, generated laws 1 … generation − 1) in the data of a generation (1 is the first).

        Replacing: φ of the original, 1 − φ of the last law. Accumulating: the equal-weight union of the data that each
        generation added, which is φ original and 1 − φ of the law before it (and all original for the first).
        """
        g = generation
        shares = np.zeros(g)
        if g == 1:
            shares[0] = 1.0
        elif self.accumulate:
            shares[0] = (1 + (g - 1) * self.original) / g
            shares[1:] = (1 - self.original) / g
        else:
            shares[0], shares[-1] = self.original, 1 - self.original
        return shares
