"""The table of the full d-dimensional experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...common.input.checks import choice, integer
from ...common.input.notation import Notation
from ...common.input.settings import Settings


@dataclass(frozen=True)
class Simulation(Settings):
    """The full d-dimensional experiment.

    Parameters
    ----------
    dimension, runs, samples, seed : int
        d; independent trainings; points generated from each trained network; root of all randomness.
    precision : {"single", "double"}
        Of the weights during SGD (inner products are always accumulated in double; with momentum or averages of the weights
        all is double).
    method : {"sgd", "chain"}
        Weights in R^d, or the order parameters' own Markov chain: the same in law at a cost free of d; it generates no points.
    """

    table = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "dimension": Notation("d", ("d", "dim"), "coordinates"),
        "runs": Notation("R", ("n_runs", "trials", "repeats"), "independent trainings"),
        "samples": Notation("", ("points", "n_samples"), "generated points a run"),
    }

    dimension: int = 1000
    runs: int = 8
    samples: int = 2000
    seed: int = 0
    precision: str = "single"
    method: str = "sgd"

    def __post_init__(self) -> None:
        self.set(
            dimension=integer(self.key("dimension"), self.dimension, at_least=2),
            runs=integer(self.key("runs"), self.runs, at_least=1),
            samples=integer(self.key("samples"), self.samples, at_least=1),
            seed=integer(self.key("seed"), self.seed, at_least=0),
            precision=choice(self.key("precision"), self.precision, ("single", "double")),
            method=choice(self.key("method"), self.method, ("sgd", "chain")),
        )
