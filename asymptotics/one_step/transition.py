"""P(E_OG < E_TG) against the number of samples: parallel, and resumable by one file a point."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asymptotics.common.checks import InputError, fail
from asymptotics.common.results import Result, to_builtin

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

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """P(E_OG < E_TG) against n."""
        from . import plots

        return plots.plot_probability([self], ax=ax)

    def summary(self) -> str:
        model = self.parameters["one_step"]
        lines = [
            f"P(E_OG < E_TG), d = {model['dimension']}, {model['underlying']} underlying density,"
            f" {model['runs']} data sets a point"
        ]
        for n, p, (low, high) in zip(self.samples, self.probability, self.interval, strict=True):
            lines.append(f"  n = {n:<8d} {p:.4f}  [{low:.4f}, {high:.4f}]")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()


def probability_curve(
    model: OneStep,
    samples: Iterable[int],
    sampler: Sampler | None = None,
    simulation: Simulation | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool | None = None,
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
    directory : path, optional
        Each finished point is written there (atomically) and read back by a later call with the same parameters.
    workers, progress
        As in `asymptotics.one_step.simulation.simulate`.

    Returns
    -------
    Transition

    Raises
    ------
    InputError
        If there is no point, n < 2, or ``directory`` is not a directory.
    """
    sampler = Sampler() if sampler is None else sampler
    simulation = Simulation() if simulation is None else simulation
    points = [model.replace(samples=n) for n in samples]
    if not points:
        fail("samples", [], "at least one number of samples")
    folder = None if directory is None else Path(directory)
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be used as a directory ({error.strerror})") from None
    results = [_point(point, sampler, simulation, folder, workers, progress) for point in points]
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
    folder: Path | None,
    workers: int | None,
    progress: bool | None,
) -> Simulated:
    parameters = {table.table: table.to_table() for table in (model, sampler, simulation)}
    path = None
    if folder is not None:
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]
        path = folder / f"samples_{model.samples}_{digest}.npz"
        if path.exists():
            stored = Simulated.load(path)
            if stored.parameters != parameters:
                raise InputError(f"{path}: holds a point with other parameters")
            return stored
    seed = np.random.SeedSequence((simulation.seed, model.samples))
    result = simulate(model, sampler, simulation, seed=seed, workers=workers, progress=progress)
    if path is not None:
        result.save(path)
    return result
