"""The full process: particles drawn from the noised training set and carried through the score to the end time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..common.input.checks import number
from ..common.output.ensemble import PerRun
from ..common.output.results import Result
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import columns_of_runs, spawn
from .problem import OfProblem, Problem
from .process.observation import end_time, observed, start_positions
from .settings import ScoreSmoothing, Simulation


@dataclass(frozen=True, kw_only=True)
class Particles(OfProblem, PerRun, Result):
    """Particles of several independent runs and what they say, run by run.

    Parameters
    ----------
    experiment : dict
        Its tables.
    end_time : float
        Where the runs stopped (``smallest_time`` if the experiment says 0).
    positions : ndarray, shape (runs, samples) or (runs, samples, 2)
        Final positions along the line (sorted), or in the plane of the circle.
    atoms : ndarray, shape (runs, n)
        Fraction in each ball.
    interpolated_mass, memorised : ndarray, shape (runs,)
    w1, w2 : ndarray, shape (runs,)
        To the uniform law on [y_1, y_n]: W₁ of the tangential coordinate, W₂ in R^dimension; NaN on the circle.
    polygon_distance : ndarray, shape (runs,)
        Mean distance to the polygon (circle), to the line (line).
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "experiment": "",
        "end_time": "",
        "mean": "means over runs, by name",
        "sem": "their standard errors",
        "runs": "",
        "samples": "particles a run",
        "dimension": "",
        "within": "distance that counts as memorised",
        "seconds": "",
    }

    experiment: dict[str, Any]
    end_time: float
    positions: np.ndarray
    atoms: np.ndarray
    interpolated_mass: np.ndarray
    memorised: np.ndarray
    w1: np.ndarray
    w2: np.ndarray
    polygon_distance: np.ndarray
    within: float
    seconds: float

    NAMES = ("atoms", "interpolated_mass", "memorised", "w1", "w2", "polygon_distance")
    COLUMNS = ("interpolated_mass", "memorised", "w1", "w2", "polygon_distance", "atoms")

    def to_json(self) -> dict[str, Any]:
        names = [n for n in self.NAMES if not np.all(np.isnan(getattr(self, n)))]
        return {
            "experiment": self.experiment,
            "end_time": self.end_time,
            **self.statistics(names),
            "runs": int(self.atoms.shape[0]),
            "samples": int(self.positions.shape[1]),
            "dimension": self.experiment["score_smoothing"]["dimension"],
            "within": self.within,
            "seconds": self.seconds,
        }

    def summary(self) -> str:
        lines = [f"{self.atoms.shape[0]} runs of {self.positions.shape[1]} particles to t = {self.end_time:g}"]
        for name in self.NAMES:
            mean, sem = np.atleast_1d(self.mean(name)), np.atleast_1d(self.sem(name))
            if not np.all(np.isnan(mean)):
                text = "  ".join(f"{m:z.5f} ± {s:z.5f}" for m, s in zip(mean[:8], sem[:8], strict=True))
                lines.append(f"  {name:<18}{text}" + (" ..." if mean.size > 8 else ""))
        return "\n".join(lines)


def _run(
    seed: np.random.SeedSequence, settings: ScoreSmoothing, simulation: Simulation, within: float
) -> dict[str, Any]:
    begun = start_positions(np.random.default_rng(seed), settings, simulation)
    return observed(settings, simulation, within, *begun)._asdict()


def simulate(
    problem: Problem,
    *,
    within: float = 0.1,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Particles:
    """Run independent ensembles of particles; the answer does not depend on ``workers``, nor on what a ``checkpoint`` held.

    Raises
    ------
    InputError
        If the runs would not end before they start.
    """
    begun = time.perf_counter()
    settings, plan = problem.score_smoothing, problem.simulation
    number("within", within, at_least=0.0)
    end = end_time(settings, plan)
    columns = columns_of_runs(
        _run, spawn(plan.seed, plan.runs), settings, plan, within,
        workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Particles(
        experiment=problem.to_tables(),
        end_time=end,
        within=float(within),
        seconds=time.perf_counter() - begun,
        **columns,
    )
