"""The full process in R^d: draw data sets, fit the denoiser, compare the generated density with training and underlying density."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array
from ...common.output.ensemble import wilson_interval as wilson_interval
from ...common.output.records import Recorded
from ...common.output.results import dataframe, to_builtin
from ...common.running.checkpoints import Checkpoint
from ...common.running.ensembles import rows_of_runs, spawn
from ...common.running.threads import single_threaded
from ..closed_forms.multistep import grid
from ..problem import OfProblem, Problem
from ..settings import OneStep, Sampling
from .denoiser import fit
from .distances import (
    Distances,
    GaussianDivergences,
    Underlying,
    closer_to_target,
    distances,
    gaussian_divergences,
)

#: What is measured of every data set.
QUANTITIES = ("closer_to_target", *(field.name for field in dataclasses.fields(GaussianDivergences)))


@dataclass(frozen=True)
class Simulated(OfProblem, Recorded):
    r"""An ensemble of data sets.

    Parameters
    ----------
    experiment : dict
        Tables of the experiment.
    values : ndarray, shape (runs, quantities)
        One row a run, one column each of `QUANTITIES`; infinite where the generated covariance is singular.
    distances : Distances, optional
        Of the given data set; None where data sets were drawn.
    seconds : float
        Time taken.
    notes : tuple of str
        ``name: reason`` for each null.
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "probability": "fraction of data sets whose generated density is closer to the target than to the training set, E_OG < E_TG",
        "probability_sem": "its binomial standard error",
        "probability_interval": "its Wilson interval of one standard deviation",
        "mean": "means over data sets, by name; null where infinite",
        "sem": "their standard errors",
        "median": "medians over data sets",
        **dict.fromkeys(("distances", "runs", "dimension"), ""),
        "samples": "size of a training set",
        **dict.fromkeys(("parameters", "seconds", "notes"), ""),
    }

    experiment: dict[str, Any]
    values: np.ndarray
    distances: Distances | None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """Number of data sets."""
        return len(self.values)

    def column(self, name: str) -> np.ndarray:
        """The values of one quantity, shape (runs,)."""
        return self.values[:, QUANTITIES.index(name)]

    @property
    def probability(self) -> float:
        """Fraction of data sets with E_OG < E_TG."""
        return float(np.mean(self.column("closer_to_target")))

    @property
    def probability_sem(self) -> float | None:
        """Binomial standard error of the probability; None for a single run."""
        p, runs = self.probability, self.runs
        return math.sqrt(p * (1.0 - p) / (runs - 1)) if runs > 1 else None

    def interval(self, deviations: float = 1.0) -> tuple[float, float]:
        """Wilson interval of the probability; unlike the standard error it has a width at 0 and 1."""
        return wilson_interval(self.probability, self.runs, deviations)

    def mean(self, name: str) -> float | None:
        """Mean over runs, None if infinite."""
        return to_builtin(float(np.mean(self.column(name))))

    def sem(self, name: str) -> float | None:
        """Standard error of the mean, None if infinite or of one run."""
        column = self.column(name)
        if self.runs < 2 or not np.all(np.isfinite(column)):
            return None
        return float(np.std(column, ddof=1)) / math.sqrt(self.runs)

    def median(self, name: str) -> float | None:
        """Median over runs, None if infinite."""
        return to_builtin(float(np.median(self.column(name))))

    def median_interval(self, name: str, deviations: float = 1.0) -> tuple[float | None, float | None]:
        """Interval of the median from order statistics."""
        ordered = np.sort(self.column(name))
        half = 0.5 * deviations * math.sqrt(self.runs)
        low = max(0, math.floor(0.5 * self.runs - half))
        high = min(self.runs - 1, math.ceil(0.5 * self.runs + half))
        return to_builtin(ordered[low]), to_builtin(ordered[high])

    def to_json(self) -> dict[str, Any]:
        names, problem = QUANTITIES[1:], self.problem
        return {
            "probability": self.probability,
            "probability_sem": self.probability_sem,
            "probability_interval": self.interval(),
            "mean": {"probability": self.probability, **{name: self.mean(name) for name in names}},
            "sem": {"probability": self.probability_sem, **{name: self.sem(name) for name in names}},
            "median": {name: self.median(name) for name in names},
            "distances": self.distances,
            "runs": self.runs,
            "dimension": problem.one_step.dimension,
            "samples": problem.one_step.samples,
            "parameters": self.experiment,
            "seconds": self.seconds,
            "notes": self.notes,
        }

    def summary(self) -> str:
        problem = self.problem
        low, high = self.interval()
        lines = [
            f"One-step linear denoiser, d = {problem.one_step.dimension}, n = {problem.one_step.samples}, {self.runs} data sets",
            f"  P(E_OG < E_TG) = {self.probability:z.4f}  [{low:z.4f}, {high:z.4f}]  ({problem.one_step.underlying} underlying density)",
        ]
        for name in QUANTITIES[1:]:
            mean, sem, median = self.mean(name), self.sem(name), self.median(name)
            shown = ["none" if v is None else f"{v:z.6g}" for v in (mean, sem, median)]
            lines.append(f"  {name:<30} {shown[0]} ± {shown[1]}  (median {shown[2]})")
        for name, value in vars(self.distances).items() if self.distances else ():
            if name != "notes":
                lines.append(f"  {name:<30} {value}")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def to_dataframe(self) -> Any:
        """Every quantity of every run as a pandas DataFrame, one row a data set (needs pandas)."""
        return dataframe({"run": np.arange(self.runs), **{name: self.column(name) for name in QUANTITIES}}, "run")


def _underlying(model: OneStep, rng: np.random.Generator) -> Underlying:
    if model.underlying == "exact":
        return Underlying()
    return Underlying(rng.standard_normal((model.underlying_samples, model.dimension)))


def _times(model: OneStep, sampling: Sampling) -> np.ndarray:
    return grid(model.diffusion_time, model.noise_scale, model.std, sampling.steps, sampling.spacing)


def _streams(seed: np.random.SeedSequence) -> list[np.random.Generator]:
    """Independent generators for data, noise and underlying points: changing one leaves the others alone."""
    return [np.random.default_rng(child) for child in spawn(seed, 3)]


def run(seed: np.random.SeedSequence, model: OneStep, sampling: Sampling) -> list[float]:
    """One data set: draw, fit, compare; the values in the order of `QUANTITIES`. Works in units of σ around μ."""
    data_rng, noise_rng, underlying_rng = _streams(seed)
    shape = (model.samples, model.dimension)
    points = data_rng.standard_normal(shape)
    noise = [noise_rng.standard_normal(shape) for _ in range(sampling.steps)]
    with single_threaded():
        generated = fit(points, noise, _times(model, sampling), model.noise_scale / model.std**2, sampling.scheme)
        gaussian = gaussian_divergences(generated)
        closer = closer_to_target(points, generated, _underlying(model, underlying_rng))
    return [float(closer), *dataclasses.astuple(gaussian)]


def ensemble(
    problem: Problem,
    *,
    seed: np.random.SeedSequence | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    part: str = "",
) -> Simulated:
    """Draw data sets and compare densities.

    Parameters
    ----------
    problem : Problem
    seed : SeedSequence, optional
        Used instead of that of ``simulation`` (one point of a sweep).
    workers, progress, checkpoint, part
        See `asymptotics.common.running.ensembles.run_ensemble`.
    """
    start = time.perf_counter()
    model, plan = problem.one_step, problem.simulation
    values = rows_of_runs(
        run, spawn(plan.seed if seed is None else seed, plan.runs), model, problem.sampling,
        description=f"data sets, n = {model.samples}", workers=workers, progress=progress, checkpoint=checkpoint, part=part,
    )  # fmt: skip
    notes = ["sem: one run has no standard error"] if len(values) < 2 else []
    if not np.all(np.isfinite(values)):
        notes.append(
            "log_det_rate, log_bhattacharyya, kl_generated_target, kl_target_generated: infinite, because the generated"
            " covariance is singular for n <= d"
        )
    return Simulated(problem.to_tables(), values, None, time.perf_counter() - start, tuple(notes))


def _of_shape(name: str, value: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """The array, or an error that shows its shape instead of its entries."""
    given = array(name, value)
    if given.shape != shape:
        axes = "(samples, dimension)" if len(shape) == 2 else "(steps, samples, dimension)"
        raise InputError(f"{name} = array of shape {given.shape}: must be of shape {shape}, {axes} of the experiment")
    return given


def evaluate(problem: Problem, data: ArrayLike, noise: ArrayLike | None = None) -> Simulated:
    """One given data set, as an ensemble of one run, with all its `asymptotics.one_step.process.distances.distances`."""
    start = time.perf_counter()
    model, sampling = problem.one_step, problem.sampling
    shape = (model.samples, model.dimension)
    points = (_of_shape("data", data, shape) - model.mean) / model.std
    _, noise_rng, underlying_rng = _streams(np.random.SeedSequence(problem.simulation.seed))
    if noise is None:
        draws = [noise_rng.standard_normal(shape) for _ in range(sampling.steps)]
    else:
        given = array("noise", noise)
        if given.shape == shape:
            given = given[None]
        draws = list(_of_shape("noise", given, (sampling.steps, *shape)))
    generated = fit(points, draws, _times(model, sampling), model.noise_scale / model.std**2, sampling.scheme)
    found = distances(points, generated, _underlying(model, underlying_rng), model.std)
    values = np.array([[float(found.closer_to_target), *dataclasses.astuple(gaussian_divergences(generated))]])
    notes = (*found.notes, "sem: a single data set has no standard error")
    return Simulated(problem.to_tables(), values, found, time.perf_counter() - start, notes)
