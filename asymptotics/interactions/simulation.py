"""Data sets drawn from the truth, each fitted, and the divergences of every fit in closed form."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..common.input.checks import InputError
from ..common.output.ensemble import PerRun, spread, standard_error
from ..common.output.results import Result, dataframe
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import rows_of_runs, spawn
from ..common.running.threads import single_threaded
from .coupling.model import PARTS, fit, fit_ridge, hermite_features, order_counts
from .problem import OfProblem, Problem

#: Both directions.
DIRECTIONS = ("kl_target_learned", "kl_learned_target")


def one_run(seed: np.random.SeedSequence, problem: Problem) -> np.ndarray:
    """One data set: KL both ways by parts, and the traces of its features plain and whitened; shape (4, 6), unused places NaN."""
    truth, n, m = problem.truth, problem.interactions.samples, problem.interactions.inputs
    rng = np.random.default_rng(seed)
    found = np.full((4, 6), np.nan)
    with single_threaded():
        data = truth.sample(rng, n)
        penalties = problem.penalties
        learned = fit(data, m) if penalties is None else fit_ridge(data, truth, penalties)
        for k, split in enumerate((truth.kl(learned), learned.kl(truth))):
            found[k] = [getattr(split, part) for part in PARTS]
        x = data[:, :m]
        known = np.linalg.cholesky(truth.covariance)
        white = [(x - truth.mean, known)]
        if penalties is None:
            centred = x - x.mean(axis=0)
            white.append((centred, np.linalg.cholesky(centred.T @ centred / n)))
        for k, (shifted, lower) in enumerate(white):
            psi = hermite_features(np.linalg.solve(lower, shifted.T).T)
            gram = psi.T @ psi
            if penalties is not None:
                gram += np.diag(np.repeat(penalties, order_counts(m)))
            inverse = np.diag(np.linalg.inv(gram))
            found[2 + k, :3] = np.add.reduceat(inverse, [0, 1, 1 + m])
    return found


@dataclass(frozen=True)
class Runs(OfProblem, PerRun, Result):
    """Divergences of fitted models over independent data sets.

    Parameters
    ----------
    runs : int
    kl_target_learned, kl_learned_target : ndarray, shape (runs, 6)
        By parts (`PARTS`).
    traces, traces_whitened : ndarray, shape (runs, 3)
        Tr_j of the inverse Gram matrix of the features; whitened: NaN with ridge.
    experiment : dict
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "mean": "means over data sets, by direction and part, and of the traces",
        "sem": "their standard errors",
        "std": "spread over data sets",
        "median": "medians over data sets",
        **dict.fromkeys(("runs", "settings", "seconds"), ""),
    }

    runs: int
    kl_target_learned: np.ndarray
    kl_learned_target: np.ndarray
    traces: np.ndarray
    traces_whitened: np.ndarray
    experiment: dict[str, Any]
    seconds: float

    def column(self, name: str, part: str) -> np.ndarray:
        """One part in every run."""
        found: np.ndarray = getattr(self, name)[:, PARTS.index(part)]
        return found

    def _statistic(self, function: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: dict(zip(PARTS, function(getattr(self, name)).tolist(), strict=True)) for name in DIRECTIONS
        }
        return found | {"traces": function(self.traces), "traces_whitened": function(self.traces_whitened)}

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "mean": self._statistic(lambda v: v.mean(axis=0)),
            "sem": self._statistic(standard_error),
            "std": self._statistic(spread),
            "median": self._statistic(lambda v: np.median(v, axis=0)),
            "settings": self.experiment,
            "seconds": self.seconds,
        }

    def summary(self) -> str:
        table = self.experiment["interactions"]
        lines = [
            f"interactions: {self.runs} data sets of N = {table['samples']}, {table['inputs']} inputs, {table['outputs']} outputs, "
            f"{self.seconds:.1f} s",
        ]
        for name in DIRECTIONS:
            mean, sem, median = self.mean(name), self.sem(name), np.median(self.values(name), axis=0)
            lines.append(f"  {name}")
            lines += [
                f"    {part:<8} {mean[k]:z.6g} ± {sem[k]:.2g}  (median {median[k]:z.6g})"
                for k, part in enumerate(PARTS)
            ]
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """One row a data set as a pandas DataFrame."""
        columns = {f"{name}.{part}": self.column(name, part) for name in DIRECTIONS for part in PARTS}
        return dataframe({"run": np.arange(self.runs), **columns}, "run")


def simulate(
    problem: Problem,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs:
    """Draw data sets, fit each, and compare with the truth.

    Parameters
    ----------
    problem : Problem
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        For N < F + r without ridge: the likelihood is unbounded.
    """
    started = clock.perf_counter()
    table, plan = problem.interactions, problem.simulation
    least = problem.features + table.outputs
    if problem.penalties is None and table.samples < least:
        raise InputError(
            f"interactions.samples = {table.samples}: must be at least F + r = {least} without ridge; the likelihood is unbounded"
        )
    if problem.penalties is not None and not problem.penalties.all() and table.samples < problem.features:
        raise InputError(f"interactions.ridge = {table.ridge}: must be > 0 for N < F = {problem.features}")
    found = rows_of_runs(
        one_run, spawn(plan.seed, plan.runs), problem,
        description="data sets", workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Runs(
        plan.runs, found[:, 0], found[:, 1], found[:, 2, :3], found[:, 3, :3], problem.to_tables(),
        clock.perf_counter() - started,
    )  # fmt: skip
