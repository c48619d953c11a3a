"""An ensemble of data sets through the full process, with standard errors."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..common.input.checks import present
from ..common.numerics.algebra.gram import symmetric_root
from ..common.output.ensemble import ByName, PerRun
from ..common.output.results import Result, dataframe
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import columns_of_runs, spawn
from .problem import OfProblem, Problem
from .process import (
    draw,
    gaussian_divergences,
    measured_loss,
    moments,
    run_sampler,
    train_closed_form,
    train_flow,
)
from .settings import LinearDiffusion, Simulation

#: Noise draws on each training sample when the training loss is measured: at least this many noised samples in all.
TRAIN_DRAWS = 2000


def one_run(seed: np.random.SeedSequence, settings: LinearDiffusion, simulation: Simulation) -> dict[str, Any]:
    """One pair of data sets, trained and measured; a flat dictionary of numbers and short lists."""
    rng = np.random.default_rng(seed)
    spectrum, schedule = settings.covariance(), settings.schedule()
    scale = np.sqrt(spectrum.eigenvalues)
    target = np.diag(spectrum.eigenvalues)
    d, big, c, t = scale.size, settings.samples, settings.regularisation, present(settings.time, "time")
    ab, noise = float(schedule.alpha_bar[t]), float(schedule.noise[t])

    x = draw(rng, big, scale)
    fresh = draw(rng, simulation.test_samples, scale)
    repeated = np.repeat(x, max(1, -(-TRAIN_DRAWS // big)), axis=0)
    mean, covariance = moments(x)
    weights, offset = train_closed_form(mean, covariance, ab, noise, c)
    values: dict[str, Any] = {
        "train_loss": measured_loss(rng, repeated, weights, offset, ab, noise),
        "test_loss": measured_loss(rng, fresh, weights, offset, ab, noise),
    }

    second = ab * (covariance + c * np.eye(d)) + noise * np.eye(d)
    curves: dict[str, list[float]] = {"flow_train_loss": [], "flow_test_loss": []}
    for w in train_flow(second, noise, np.asarray(simulation.tau)):
        bias = -np.sqrt(ab) * (w @ mean)
        curves["flow_train_loss"].append(measured_loss(rng, repeated, w, bias, ab, noise))
        curves["flow_test_loss"].append(measured_loss(rng, fresh, w, bias, ab, noise))
    values |= curves

    learned = covariance + c * np.eye(d)
    values |= _traces(learned, covariance, target, big)
    divergences = gaussian_divergences(mean, learned, target) if c > 0 or big > d else (np.nan, np.nan)
    values["kl_generated_target"], values["kl_target_generated"] = divergences

    root = symmetric_root(learned)
    other = symmetric_root(moments(draw(rng, big, scale))[1] + c * np.eye(d))
    values["cosine_models"] = _cosine(root, other)
    values["cosine_truth"] = _cosine(root, np.diag(scale))

    points = simulation.sampled_points(d)
    if points > 0:
        u = run_sampler(rng, points, mean, covariance, schedule, c, settings.variance, settings.last_noise)
        sampled_mean, sampled_covariance = moments(u)
        kl = gaussian_divergences(sampled_mean, sampled_covariance, target, points)
        values["sampled_kl_generated_target"], values["sampled_kl_target_generated"] = kl
        values["sampled_trace"] = float(np.trace(sampled_covariance)) * points / max(points - 1, 1)
    return values


def _traces(learned: np.ndarray, covariance: np.ndarray, target: np.ndarray, samples: int) -> dict[str, float]:
    """Log-determinant and traces by matrix algebra; NaN where Σ₀ + c has no inverse."""
    d = len(learned)
    names = ("log_det", "trace_inverse", "trace_sigma_inverse", "gap_trace")
    _, projector = _null_space(covariance, min(samples - 1, d))
    found = {"null_mass": float((projector * target).sum())}
    if np.linalg.matrix_rank(learned, hermitian=True) < d:
        return {**found, **dict.fromkeys(names, np.nan)}
    inverse = np.linalg.inv(learned)
    difference = (target - covariance) @ inverse
    return found | {
        "log_det": float(np.linalg.slogdet(learned)[1]),
        "trace_inverse": float(np.trace(inverse)),
        "trace_sigma_inverse": float((target * inverse).sum()),
        "gap_trace": float((difference * inverse.T).sum()),
    }


def _null_space(covariance: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest d − rank eigenvectors and the projector onto them."""
    _, vectors = np.linalg.eigh(covariance)
    null = vectors[:, : len(covariance) - rank]
    return null, null @ null.T


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """⟨aε·bε⟩/√(⟨|aε|²⟩⟨|bε|²⟩) over Gaussian noise ε."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@dataclass(frozen=True)
class Runs(OfProblem, PerRun, Result):
    """What was measured over independent data sets, one row each; ``mean(name)``, ``sem(name)`` and ``values(name)`` by name.

    Parameters
    ----------
    dimension, runs : int
    tau : list of float
        Training times of ``flow_train_loss`` and ``flow_test_loss`` (gradient flow at step t), of shape (runs, times).
    train_loss, test_loss, kl_generated_target, kl_target_generated, cosine_models, cosine_truth : ndarray, shape (runs,)
    null_mass, log_det, trace_inverse, trace_sigma_inverse, gap_trace : ndarray, shape (runs,)
        By the names of the theory's fields. NaN: not finite.
    sampled_kl_generated_target, sampled_kl_target_generated, sampled_trace : ndarray, shape (runs,), optional
        Measured on points generated by the sampler.
    experiment : dict
        The tables that made them.
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "settings": "the table of the model",
        "simulation": "the table of the simulation",
        "mean": "means over data sets by the names of the theory's fields, ``sampled_...`` of points generated by the sampler",
        "sem": "their standard errors",
        **dict.fromkeys(("dimension", "runs", "tau", "seconds"), ""),
    }

    dimension: int
    runs: int
    tau: list[float]
    train_loss: np.ndarray
    test_loss: np.ndarray
    flow_train_loss: np.ndarray
    flow_test_loss: np.ndarray
    null_mass: np.ndarray
    log_det: np.ndarray
    trace_inverse: np.ndarray
    trace_sigma_inverse: np.ndarray
    gap_trace: np.ndarray
    kl_generated_target: np.ndarray
    kl_target_generated: np.ndarray
    cosine_models: np.ndarray
    cosine_truth: np.ndarray
    experiment: dict[str, Any]
    seconds: float
    sampled_kl_generated_target: np.ndarray | None = None
    sampled_kl_target_generated: np.ndarray | None = None
    sampled_trace: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """What was measured."""
        return [name for name, value in self._kept().items() if isinstance(value, np.ndarray)]

    @property
    def values(self) -> ByName:
        """A quantity of every data set."""
        return ByName(super().values, self.names)

    @property
    def mean(self) -> ByName:
        """Its mean over data sets."""
        return ByName(super().mean, self.names)

    @property
    def sem(self) -> ByName:
        """The standard error of the mean."""
        return ByName(super().sem, self.names)

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        if "values" in stored:  # as in files of 0.1.0
            known = {name: value for name, value in stored.items() if name not in ("mean", "sem", "values")}
            stored = known | {name: np.array(column, float) for name, column in stored["values"].items()}
        return super()._restored(stored)

    def to_json(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "runs": self.runs,
            "tau": self.tau,
            **self.statistics(self.names),
            "seconds": self.seconds,
            "settings": self.experiment["linear_diffusion"],
            "simulation": self.experiment["simulation"],
        }

    def summary(self) -> str:
        lines = [f"linear diffusion: {self.runs} data sets in d = {self.dimension}, {self.seconds:.1f} s"]
        for name in self.names:
            entries = zip(np.atleast_1d(self.mean(name)), np.atleast_1d(self.sem(name)), strict=True)
            lines.append(f"  {name:<30} " + ", ".join(f"{m:z.6g} ± {s:z.2g}" for m, s in entries))
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """What every single run measured as a pandas DataFrame, one row a data set (``flow_test_loss_1`` at the first τ)."""
        return dataframe({"run": np.arange(self.runs), **{name: self.values(name) for name in self.names}}, "run")


def simulate(
    problem: Problem,
    simulation: Simulation | None = None,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs:
    """An ensemble of independent data sets through the full process.

    Parameters
    ----------
    problem : Problem
    simulation : Simulation, optional
        Before 0.2.0: settings were given one by one.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.
    """
    started = clock.perf_counter()
    problem = Problem.of(problem, simulation)
    settings, simulation = problem.linear_diffusion, problem.simulation
    values = columns_of_runs(
        one_run, spawn(simulation.seed, simulation.runs), settings, simulation,
        description="data sets", workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Runs(
        settings.covariance().dimension,
        simulation.runs,
        list(simulation.tau),
        experiment=problem.to_tables(),
        seconds=clock.perf_counter() - started,
        **{name: np.asarray(column) for name, column in values.items()},
    )
