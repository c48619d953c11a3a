"""P(E_OG < E_TG) against the number of samples: parallel, and resumable data set by data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import fail
from ..common.output.results import Result, dataframe, to_builtin
from ..common.running.checkpoints import Checkpoint
from .settings import OneStep, Sampler, Simulation
from .simulation import QUANTITIES, Simulated, simulate


@dataclass(frozen=True)
class Transition(Result):
    r"""A sweep over the number of samples.

    Parameters
    ----------
    parameters : dict
        Tables of the experiment (its own ``samples`` plays no part).
    samples : ndarray, shape (points,)
        n.
    probability, probability_sem : ndarray, shape (points,)
        Fraction of data sets with E_OG < E_TG and its binomial standard error.
    interval : ndarray, shape (points, 2)
        Wilson interval of one standard deviation.
    mean, sem, median : ndarray, shape (points, quantities)
        Over data sets, one column each of `asymptotics.one_step.simulation.QUANTITIES`; NaN where infinite.
    median_interval : ndarray, shape (points, quantities, 2)
        Order-statistics interval of the median.
    seconds : float
        Sum of the times of the points.
    """

    parameters: dict[str, Any]
    samples: np.ndarray
    probability: np.ndarray
    probability_sem: np.ndarray
    interval: np.ndarray
    mean: np.ndarray
    sem: np.ndarray
    median: np.ndarray
    median_interval: np.ndarray
    seconds: float = 0.0

    def column(self, statistic: str, name: str) -> np.ndarray:
        """One quantity's ``mean``, ``sem`` or ``median`` along the sweep, shape (points,)."""
        return getattr(self, statistic)[:, QUANTITIES.index(name)]

    def to_json(self) -> dict[str, Any]:
        model = self.parameters["one_step"]
        names = QUANTITIES[1:]
        tables = {
            statistic: {name: self.column(statistic, name) for name in names} for statistic in ("mean", "sem", "median")
        }
        tables["mean"]["probability"], tables["sem"]["probability"] = self.probability, self.probability_sem
        return to_builtin(
            {
                "samples": self.samples,
                "probability": self.probability,
                "probability_sem": self.probability_sem,
                "probability_interval": self.interval,
                **tables,
                "runs": model["runs"],
                "dimension": model["dimension"],
                "parameters": self.parameters,
                "seconds": self.seconds,
            }
        )

    def summary(self) -> str:
        model = self.parameters["one_step"]
        lines = [
            f"P(E_OG < E_TG), d = {model['dimension']}, {model['underlying']} underlying density,"
            f" {model['runs']} data sets a point"
        ]
        for n, p, (low, high) in zip(self.samples, self.probability, self.interval, strict=True):
            lines.append(f"  n = {n:<8d} {p:.4f}  [{low:.4f}, {high:.4f}]")
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """One row a number of samples as a pandas DataFrame: probability and interval, every ``mean_…``, ``sem_…``, ``median_…``."""
        columns = {name: getattr(self, name) for name in ("samples", "probability", "probability_sem", "interval")}
        for statistic in ("mean", "sem", "median"):
            columns |= {f"{statistic}_{name}": self.column(statistic, name) for name in QUANTITIES[1:]}
        return dataframe(columns, "samples")


def probability_curve(
    model: OneStep,
    samples: Iterable[int],
    sampler: Sampler | None = None,
    simulation: Simulation | None = None,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Transition:
    """Simulate the model at each number of samples.

    Parameters
    ----------
    model : OneStep
        Its ``samples`` is replaced by each of ``samples``.
    samples : iterable of int
        Numbers of samples n ≥ 2.
    sampler, simulation
        As in `asymptotics.one_step.simulation.simulate`. Point n uses the seed (seed, n): the sweep's other points do not
        change it.
    workers, progress
        As in `asymptotics.one_step.simulation.simulate`.
    checkpoint : Checkpoint, optional
        Keeps every finished data set, by number of samples; a later call, with more numbers too, goes on from there.

    Returns
    -------
    Transition

    Raises
    ------
    InputError
        If there is no point, or n < 2.
    """
    sampler = Sampler() if sampler is None else sampler
    simulation = Simulation() if simulation is None else simulation
    points = [model.replace(samples=n) for n in samples]
    if not points:
        fail("samples", [], "at least one number of samples")
    results = [_point(point, sampler, simulation, workers, progress, checkpoint) for point in points]
    columns = {
        statistic: np.array(
            [[_float(getattr(result, statistic)(name)) for name in QUANTITIES] for result in results], dtype=float
        )
        for statistic in ("mean", "sem", "median")
    }
    return Transition(
        parameters={table.table: table.to_table() for table in (model, sampler, simulation)},
        samples=np.array([point.samples for point in points]),
        probability=np.array([result.probability for result in results]),
        probability_sem=np.array([_float(result.probability_sem) for result in results]),
        interval=np.array([result.interval() for result in results]),
        median_interval=np.array(
            [[[_float(end) for end in result.median_interval(name)] for name in QUANTITIES] for result in results]
        ),
        seconds=sum(result.seconds for result in results),
        **columns,
    )


def _float(value: float | None) -> float:
    return np.nan if value is None else value


def _point(
    model: OneStep,
    sampler: Sampler,
    simulation: Simulation,
    workers: int | None,
    progress: bool | None,
    checkpoint: Checkpoint | None,
) -> Simulated:
    return simulate(
        model,
        sampler,
        simulation,
        seed=np.random.SeedSequence((simulation.seed, model.samples)),
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
        part=f"samples-{model.samples}",
    )
