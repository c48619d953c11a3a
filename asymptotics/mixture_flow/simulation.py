"""The full process in R^d on independent training sets: `process.run`, many times."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..common.input.checks import InputError
from ..common.output.ensemble import PerRun
from ..common.output.results import Result
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import columns_of_runs, spawn
from .equations.order_parameters import ALONG, FINAL, Generated, OrderParameters, schedule
from .equations.schemes import Grid, make_grid
from .problem import OfProblem, Problem
from .process.run import run


@dataclass(frozen=True, kw_only=True)
class Runs(OfProblem, PerRun, Result, OrderParameters, Generated):
    """What independent training sets show, by the names of the theory, a row a training set.

    Parameters
    ----------
    t : ndarray, shape (T,)
        Along it `OrderParameters`, (runs, T). M, Q_ξ, Q_η: coefficients of the cluster's mean in the span of μ, ξ, η; perp:
        standard deviation per dimension outside that span; b and w: the ridge solution; cosine: mean over points.
        At t = 1 `Generated`, (runs,); the number of generated points does not bias mean_error and mean_cosine (the variance of
        the mean is subtracted).
    mistakes, flips : ndarray, shape (runs,)
        Wrong labels in the sign pattern; generated points whose sign changed on the way.
    dimension : int
    experiment : dict
        Its tables.
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "t": "",
        "mean": "means over training sets of the order parameters along t, and of final ones in final",
        "sem": "their standard errors",
        **dict.fromkeys(("runs", "dimension", "mistakes", "flips", "experiment", "seconds"), ""),
    }

    t: np.ndarray
    mistakes: np.ndarray
    flips: np.ndarray
    dimension: int
    experiment: dict[str, Any]
    seconds: float

    @property
    def runs(self) -> int:
        """Number of independent training sets."""
        return len(self.M)

    def to_json(self) -> dict[str, Any]:
        """``t``, ``mean`` and ``sem`` (with ``final`` inside each), ``runs``, ``dimension``, ``seconds``."""

        def both(statistic: Callable[[str], np.ndarray]) -> dict[str, Any]:
            return {n: statistic(n) for n in ALONG} | {"final": {n: statistic(n) for n in FINAL}}

        content = {name: value for name, value in self._kept().items() if name not in (*ALONG, *FINAL)}
        content |= {"mean": both(self.mean), "sem": both(self.sem), "runs": self.runs}
        content |= {name: int(getattr(self, name).sum()) for name in ("mistakes", "flips")}
        return content

    def to_dataframe(self) -> Any:
        """Means and standard errors along t as a pandas DataFrame (``M``, ``M_sem``; needs pandas)."""
        return self.with_errors(ALONG, t=self.t)

    def summary(self) -> str:
        lines = [f"{self.runs} training sets, d = {self.dimension}, {self.seconds:.2f} s", "at t = 1, mean ± s.e.:"]
        lines += [f"  {n:<18} {float(self.mean(n)):z.6f} ± {float(self.sem(n)):.2g}" for n in FINAL]
        return "\n".join(lines)


def simulate(
    problem: Problem,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs:
    """Run the full process on independent training sets.

    Parameters
    ----------
    problem : Problem
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        If the scheme meets a pole: the interpolant's derivative infinite at a stage, or t = 1 without a skip connection; or
        if fresh noise is asked of a scheme with more than one stage.
    """
    started = time.perf_counter()
    simulation = problem.simulation
    grid = run_grid(problem)
    columns = columns_of_runs(
        run, spawn(simulation.seed, simulation.runs), problem.mixture_flow, simulation.dimension, simulation.samples, grid,
        np.stack(schedule(problem.interpolant, simulation.measured)),
        description="training sets", workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Runs(
        t=np.array(simulation.measured),
        **columns,
        dimension=simulation.dimension,
        experiment=problem.to_tables(),
        seconds=time.perf_counter() - started,
    )


def run_grid(problem: Problem) -> Grid:
    """The grid that `simulate` steps on: its times are the measured ones and, last, t = 1.

    Raises
    ------
    InputError
        As `simulate`.
    """
    flow, simulation = problem.mixture_flow, problem.simulation
    times = np.append(simulation.measured, 1.0)
    grid = make_grid(problem.interpolant, simulation.steps, simulation.scheme, simulation.clock, times)
    if flow.fresh_noise and simulation.scheme != "euler":
        raise InputError(
            f"simulation.scheme = {simulation.scheme!r}: must be euler with mixture_flow.fresh_noise (one draw a step)"
        )
    pointlike = not flow.skip or (flow.cluster_std == 0 and flow.ridge == 0 and flow.noises == 1)
    if pointlike and np.min(grid.alpha) < 1e-12:
        raise InputError(
            f"simulation.scheme = {simulation.scheme!r}: must be euler or midpoint where the clusters end as points,"
            " because the drift has a pole at t = 1"
        )
    return grid
