"""The table of the full d-dimensional experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...common.input.checks import InputError, choice, integer, number
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
    data : int, optional
        n, at least 2: every run trains on a fixed set of so many samples, with many passes, instead of on fresh ones; of a target that
        was measured on samples from a file they are rows of that file.
    epochs : float, optional
        Passes over the n samples; the training then ends at τ = 2η · epochs · n/(batch · d) instead of at ``training.tau``.
    """

    table = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "dimension": Notation("d", ("d", "dim"), "coordinates"),
        "runs": Notation("R", ("n_runs", "trials", "repeats", "repetitions"), "independent trainings"),
        "samples": Notation("", ("points", "n_samples"), "generated points a run"),
        "data": Notation("n", ("train_samples", "training_samples"), "samples of the fixed data set"),
        "epochs": Notation("", ("passes", "n_epochs"), "passes over the data"),
    }

    dimension: int = 1000
    runs: int = 8
    samples: int = 2000
    seed: int = 0
    precision: str = "single"
    method: str = "sgd"
    data: int | None = None
    epochs: float | None = None

    def __post_init__(self) -> None:
        self.set(
            dimension=integer(self.key("dimension"), self.dimension, at_least=2),
            runs=integer(self.key("runs"), self.runs, at_least=1),
            samples=integer(self.key("samples"), self.samples, at_least=1),
            seed=integer(self.key("seed"), self.seed, at_least=0),
            precision=choice(self.key("precision"), self.precision, ("single", "double")),
            method=choice(self.key("method"), self.method, ("sgd", "chain")),
        )
        if self.data is not None:
            self.set(data=integer(self.key("data"), self.data, at_least=2, at_most=10**7))
            if self.method == "chain":
                raise InputError(f"{self.key('data')}: needs weights in R^d; not with {self.key('method')} = 'chain'")
        if self.epochs is not None:
            self.set(epochs=number(self.key("epochs"), self.epochs, above=0, at_most=1e9))
            if self.data is None:
                raise InputError(
                    f"{self.key('epochs')}: needs {self.key('data')}, the number of samples of the fixed data set"
                )
