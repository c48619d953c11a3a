"""P(E_OG < E_TG) against the number of samples: parallel, and resumable data set by data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.input.checks import fail
from ...common.output.results import Result, dataframe
from ...common.running.checkpoints import Checkpoint
from ..problem import OfProblem, Problem
from ..settings import Sampling, Simulation
from .ensemble import QUANTITIES, ensemble


@dataclass(frozen=True)
class Transition(OfProblem, Result):
    r"""A sweep over the number of samples.

    Parameters
    ----------
    experiment : dict
        Tables of the experiment (its own ``samples`` plays no part).
    samples : ndarray, shape (points,)
        n.
    probability, probability_sem : ndarray, shape (points,)
        Fraction of data sets with E_OG < E_TG and its binomial standard error.
    interval : ndarray, shape (points, 2)
        Wilson interval of one standard deviation.
    mean, sem, median : ndarray, shape (points, quantities)
        Over data sets, one column each of `asymptotics.one_step.process.ensemble.QUANTITIES`; NaN where infinite.
    median_interval : ndarray, shape (points, quantities, 2)
        Order-statistics interval of the median.
    seconds : float
        Sum of the times of the points.
    """

    JSON: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("samples", "probability", "probability_sem"), ""),
        "probability_interval": "Wilson interval of one standard deviation",
        **dict.fromkeys(("mean", "sem", "median", "runs", "dimension", "parameters", "seconds"), ""),
    }

    experiment: dict[str, Any]
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
        problem = self.problem
        names = QUANTITIES[1:]
        tables = {
            statistic: {name: self.column(statistic, name) for name in names} for statistic in ("mean", "sem", "median")
        }
        tables["mean"]["probability"], tables["sem"]["probability"] = self.probability, self.probability_sem
        return {
            "samples": self.samples,
            "probability": self.probability,
            "probability_sem": self.probability_sem,
            "probability_interval": self.interval,
            **tables,
            "runs": problem.simulation.runs,
            "dimension": problem.one_step.dimension,
            "parameters": self.experiment,
            "seconds": self.seconds,
        }

    def summary(self) -> str:
        problem = self.problem
        lines = [
            f"P(E_OG < E_TG), d = {problem.one_step.dimension}, {problem.one_step.underlying} underlying density,"
            f" {problem.simulation.runs} data sets a point"
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
    problem: Problem,
    samples: Iterable[int],
    sampler: Sampling | None = None,
    simulation: Simulation | None = None,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Transition:
    """Simulate an experiment at each number of samples.

    Parameters
    ----------
    problem : Problem
        Its number of samples is replaced by each of ``samples``.
    samples : iterable of int
        Numbers of samples n ≥ 2. Point n uses the seed (seed, n): the sweep's other points do not change it.
    sampler, simulation
        Before 0.2.0: settings were given one by one.
    workers, progress
        See `asymptotics.common.running.ensembles.run_ensemble`.
    checkpoint : Checkpoint, optional
        Keeps every finished data set, by number of samples; a later call, with more numbers too, goes on from there.

    Raises
    ------
    InputError
        If there is no point, or n < 2.
    """
    problem = Problem.of(problem, sampler, simulation)
    points = [problem.at(n) for n in samples]
    if not points:
        fail("samples", [], "at least one number of samples")
    results = [
        ensemble(
            point,
            seed=np.random.SeedSequence((point.simulation.seed, point.one_step.samples)),
            workers=workers,
            progress=progress,
            checkpoint=checkpoint,
            part=f"samples-{point.one_step.samples}",
        )
        for point in points
    ]
    columns = {
        statistic: np.array(
            [[getattr(result, statistic)(name) for name in QUANTITIES] for result in results], dtype=float
        )
        for statistic in ("mean", "sem", "median", "median_interval")
    }
    return Transition(
        experiment=problem.to_tables(),
        samples=np.array([point.one_step.samples for point in points]),
        probability=np.array([result.probability for result in results]),
        probability_sem=np.array([result.probability_sem for result in results], dtype=float),
        interval=np.array([result.interval() for result in results]),
        seconds=sum(result.seconds for result in results),
        **columns,
    )
