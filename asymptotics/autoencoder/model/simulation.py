"""The table of the full d-dimensional experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from ...common.input.checks import InputError, choice, integer, number
from ...common.input.notation import Notation
from ...common.input.settings import Count, Natural, Settings


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

    dimension: Annotated[int, partial(integer, at_least=2)] = 1000
    runs: Count = 8
    samples: Count = 2000
    seed: Natural = 0
    precision: Annotated[str, partial(choice, options=("single", "double"))] = "single"
    method: Annotated[str, partial(choice, options=("sgd", "chain"))] = "sgd"
    data: Annotated[int, partial(integer, at_least=2, at_most=10**7)] | None = None
    epochs: Annotated[float, partial(number, above=0, at_most=1e9)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data is not None and self.method == "chain":
            raise InputError(f"{self.key('data')}: needs weights in R^d; not with {self.key('method')} = 'chain'")
        if self.epochs is not None and self.data is None:
            raise InputError(
                f"{self.key('epochs')}: needs {self.key('data')}, the number of samples of the fixed data set"
            )
