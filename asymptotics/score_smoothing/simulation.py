"""The full process: particles drawn from the noised training set and carried through the score to the end time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checkpoints import Checkpoint
from ..common.checks import InputError, choice, integer, number
from ..common.ensembles import run_ensemble, spawn
from ..common.plotting import drawn_by
from ..common.results import Result, to_builtin
from .settings import ScoreSmoothing, Simulation

#: Scores on the line that particles can follow besides "box", by kernel name.
LINE_CODES = {
    "none": 0,
    "piecewise-linear": 1,
    "box-empirical": 2,
    "box-numerical": 3,
    "gaussian": 4,
}
#: From this number of particles on, `follow` uses all cores.
LARGE = 100_000
CIRCLE_CODES = {"empirical": 0, "chord": 1, "angular": 2}


def follow(
    points: np.ndarray,
    x: np.ndarray,
    start: float,
    end: float,
    *,
    kappa: float,
    kernel: str = "box",
    steps: int = 300,
    process: str = "variance-exploding",
    normal: np.ndarray | None = None,
) -> np.ndarray:
    """Particles on a line from time ``start`` to ``end`` by Heun's rule, uniform steps in λ = ½ ln t.

    Parameters
    ----------
    points : ndarray, shape (n,)
        Training points, increasing (uniform for kernel "box").
    x : ndarray, shape (N,)
        Positions along the line; not changed.
    start, end : float
        Times, end > 0.
    kappa : float
        κ; δ_t = κ√t, averaging width Δ − δ_t.
    kernel : str
        "none" (exact score), "piecewise-linear", "box" (smoothed), "box-empirical" (box average of the exact score),
        "box-numerical", "gaussian" (averages of the piecewise-linear score).
    steps : int
    process : str
        For "ornstein-uhlenbeck" the equation ẋ = −x − s_t(x) is integrated in its own time.
    normal : ndarray, shape (N, d − 1), optional
        Normal coordinates (contiguous), moved in place.

    Returns
    -------
    ndarray, shape (N,)
    """
    from .particles import advance_line, advance_normal, advance_smoothed

    choice("kernel", kernel, ("box", *LINE_CODES))
    lam = np.linspace(0.5 * np.log(start), 0.5 * np.log(number("end", end, above=0.0)), integer("steps", steps) + 1)
    t = np.exp(2 * lam)
    if process == "ornstein-uhlenbeck":
        variance_here = -np.expm1(-2 * t)
        contract, linear, pull = np.exp(-t), -2 * t, 2 * t / variance_here
        variance = variance_here / contract**2
    else:
        contract, linear, pull, variance = np.ones_like(t), np.zeros_like(t), np.ones_like(t), t
    delta = kappa * np.sqrt(variance)
    half = float(np.min(np.diff(points))) / 2
    moved = np.array(x, dtype=np.float64)
    if normal is not None and normal.size:
        advance_normal(normal.reshape(-1), lam, linear, pull)

    def advance(part: np.ndarray) -> None:
        if kernel == "box":
            gap = float(points[-1] - points[0]) / (points.size - 1)
            advance_smoothed(part, points[0], gap, points.size, lam, linear, pull, contract, gap / 2 - delta)
        else:
            advance_line(LINE_CODES[kernel], part, points, lam, linear, pull, contract, variance, half - delta)

    _in_threads(advance, moved)
    return moved


def _in_threads(advance: Callable[[np.ndarray], None], x: np.ndarray) -> None:
    """Move large sets on all cores: the kernels release the interpreter, and particles do not see one another."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    if x.shape[0] < LARGE or cores == 1 or multiprocessing.parent_process() is not None:
        advance(x)
        return
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(advance, np.array_split(x, cores)))


def follow_circle(
    count: int, x: np.ndarray, start: float, end: float, *, kappa: float, kernel: str = "chord", steps: int = 300
) -> np.ndarray:
    """Particles (N, 2) around ``count`` points on the unit circle; kernel "empirical", "chord" or "angular"; as `follow`."""
    from .particles import advance_circle

    lam = np.linspace(0.5 * np.log(start), 0.5 * np.log(number("end", end, above=0.0)), integer("steps", steps) + 1)
    t = np.exp(2 * lam)
    moved = np.array(x, dtype=np.float64)
    code, delta = CIRCLE_CODES[choice("kernel", kernel, CIRCLE_CODES)], kappa * np.sqrt(t)
    _in_threads(lambda part: advance_circle(code, count, part, lam, t, delta), moved)
    return moved


@dataclass(frozen=True)
class Particles(Result):
    """Particles of several independent runs and what they say, run by run.

    Parameters
    ----------
    settings, simulation : dict
        The tables.
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

    settings: dict[str, Any]
    simulation: dict[str, Any]
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

    def mean(self, name: str) -> np.ndarray:
        """Mean over runs of one observable."""
        return np.asarray(np.mean(getattr(self, name), axis=0))

    def sem(self, name: str) -> np.ndarray:
        """Standard error of `mean`."""
        values = getattr(self, name)
        return np.asarray(np.std(values, axis=0, ddof=1) / np.sqrt(values.shape[0]))

    def to_json(self) -> dict[str, Any]:
        names = [n for n in self.NAMES if not np.all(np.isnan(getattr(self, n)))]
        return {
            "settings": to_builtin(self.settings),
            "simulation": to_builtin(self.simulation),
            "end_time": self.end_time,
            "mean": {n: to_builtin(self.mean(n)) for n in names},
            "sem": {n: to_builtin(self.sem(n)) for n in names},
            "runs": int(self.atoms.shape[0]),
            "samples": int(self.positions.shape[1]),
            "dimension": self.settings["dimension"],
            "within": self.within,
            "seconds": self.seconds,
        }

    plot = drawn_by(
        "score_smoothing.plots:particles",
        "Histogram of the particles with standard errors; returns ``(figure, axes)``.",
    )

    def summary(self) -> str:
        lines = [f"{self.atoms.shape[0]} runs of {self.positions.shape[1]} particles to t = {self.end_time:g}"]
        for name in self.NAMES:
            mean, sem = np.atleast_1d(self.mean(name)), np.atleast_1d(self.sem(name))
            if not np.all(np.isnan(mean)):
                text = "  ".join(f"{m:.5f} ± {s:.5f}" for m, s in zip(mean[:8], sem[:8], strict=True))
                lines.append(f"  {name:<18}{text}" + (" ..." if mean.size > 8 else ""))
        return "\n".join(lines)


def start_positions(
    rng: np.random.Generator, settings: ScoreSmoothing, simulation: Simulation, *, even: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Particles of the noised training set at t₀: positions (line: and normal coordinates, circle: None).

    With ``even`` the Gaussian coordinate along the line is spread evenly over its quantiles, the points taken in turn.
    """
    from scipy.special import ndtri

    count, t0 = simulation.samples, settings.start_time
    if settings.curve == "circle":
        n = int(settings.points)
        angle = 2 * np.pi * np.arange(n) / n
        y = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x = y[rng.integers(0, n, count)]
        return x + np.sqrt(t0) * rng.standard_normal((count, 2)), None
    y = np.asarray(settings.points)
    exploding = settings.process == "variance-exploding"
    contract, noise = (1.0, np.sqrt(t0)) if exploding else (np.exp(-t0), np.sqrt(-np.expm1(-2 * t0)))
    if even:
        which, z = np.arange(count) % y.size, ndtri((np.arange(count) + 0.5) / count)
    else:
        which = rng.integers(0, y.size, count)
        z = rng.standard_normal(count)
    return contract * y[which] + noise * z, noise * rng.standard_normal((count, settings.dimension - 1))


def observed(
    settings: ScoreSmoothing, simulation: Simulation, within: float, x: np.ndarray, normal: np.ndarray | None
) -> dict:
    """Carry particles from t₀ to the end and measure them."""
    if normal is None:
        return _circle_observed(settings, simulation, within, x)
    return _line_observed(settings, simulation, within, x, normal.copy())


def _run(seed: np.random.SeedSequence, settings: ScoreSmoothing, simulation: Simulation, within: float) -> dict:
    begun = start_positions(np.random.default_rng(seed), settings, simulation)
    return observed(settings, simulation, within, *begun)


def _line_observed(
    settings: ScoreSmoothing, simulation: Simulation, within: float, x: np.ndarray, normal: np.ndarray
) -> dict:
    y, end = np.asarray(settings.points), _end(settings, simulation)
    exploding = settings.process == "variance-exploding"
    x = follow(y, x, settings.start_time, end, kappa=settings.kappa, kernel=str(settings.kernel), steps=simulation.steps,
               process=settings.process, normal=normal)  # fmt: skip
    shrunk, here = (1.0, np.sqrt(end)) if exploding else (np.exp(-end), np.sqrt(-np.expm1(-2 * end)))
    ball = np.inf if settings.kernel == "none" else settings.kappa * here
    which = np.argmin(np.abs(x[:, None] - shrunk * y), axis=1)
    beyond = (x <= shrunk * y[0]) | (x >= shrunk * y[-1])
    caught = (np.abs(x - shrunk * y[which]) <= ball) | beyond
    offset = np.min(np.abs(x[:, None] - y), axis=1)
    square = np.sum(normal**2, axis=1)
    order = np.sort(x)
    # Between the sorted particles and the uniform law: ∫ over each share (i/N, (i+1)/N) of the mass in closed form.
    low, length, count = y[0], y[-1] - y[0], order.size
    share = low + length * np.arange(count + 1) / count
    after, before = share[1:] - order, share[:-1] - order
    w1 = np.sum(after * np.abs(after) - before * np.abs(before)) / (2 * length)
    w2 = np.sum(after**3 - before**3) / (3 * length) + np.mean(square)
    return {
        "positions": order,
        "atoms": np.bincount(which[caught], minlength=y.size) / count,
        "interpolated_mass": 1.0 - np.mean(caught),
        "memorised": np.mean(offset**2 + square <= within**2),
        "w1": w1,
        "w2": np.sqrt(w2),
        "polygon_distance": np.mean(np.sqrt(square)),
    }


def _circle_observed(settings: ScoreSmoothing, simulation: Simulation, within: float, x: np.ndarray) -> dict:
    n, end = int(settings.points), _end(settings, simulation)
    angle = 2 * np.pi * np.arange(n) / n
    y = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = follow_circle(n, x, settings.start_time, end, kappa=settings.kappa, kernel=str(settings.kernel),
                      steps=simulation.steps)  # fmt: skip
    which = np.mod(np.rint(np.arctan2(x[:, 1], x[:, 0]) * n / (2 * np.pi)).astype(np.int64), n)
    theta = np.mod(np.arctan2(x[:, 1], x[:, 0]), 2 * np.pi / n) - np.pi / n
    radius = np.hypot(x[:, 0], x[:, 1])
    across, along = radius * np.sin(theta), radius * np.cos(theta)
    ball = settings.kappa * np.sqrt(end)
    caught = (
        np.abs(across) >= np.sin(np.pi / n) - ball if settings.kernel == "chord" else np.abs(theta) >= np.pi / n - ball
    )
    past = np.maximum(np.abs(across) - np.sin(np.pi / n), 0.0)
    gap = np.hypot(along - np.cos(np.pi / n), past)
    near = np.min(np.linalg.norm(x[:, None, :] - y, axis=2), axis=1) <= within
    return {
        "positions": x,
        "atoms": np.bincount(which[caught], minlength=n) / simulation.samples,
        "interpolated_mass": 1.0 - np.mean(caught),
        "memorised": np.mean(near),
        "w1": np.nan,
        "w2": np.nan,
        "polygon_distance": np.mean(gap),
    }


def _end(settings: ScoreSmoothing, simulation: Simulation) -> float:
    end = settings.end_time if settings.end_time > 0.0 else simulation.smallest_time
    if not end < settings.start_time:
        raise InputError(
            f"simulation.smallest_time = {end:g}: must be < score_smoothing.start_time = {settings.start_time:g}"
        )
    # Particles are positions: what happens within √t of a point is lost once it is near the rounding of the position.
    extent = 1.0 if settings.curve == "circle" else float(np.max(np.abs(settings.points)))
    least = (1e-11 * extent) ** 2
    if end < least:
        name = "score_smoothing.end_time" if settings.end_time > 0.0 else "simulation.smallest_time"
        raise InputError(
            f"{name} = {end:g}: must be >= {least:.3g} for particles at positions up to {extent:g} (rounding)"
        )
    return end


def simulate(
    settings: ScoreSmoothing,
    simulation: Simulation | None = None,
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
    plan = Simulation() if simulation is None else simulation
    number("within", within, at_least=0.0)
    end = _end(settings, plan)
    results = run_ensemble(
        _run,
        spawn(plan.seed, plan.runs),
        settings,
        plan,
        within,
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
    )
    fields = {name: np.stack([np.asarray(r[name]) for r in results]) for name in results[0]}
    return Particles(
        settings=settings.to_table(),
        simulation=plan.to_table(),
        end_time=end,
        within=float(within),
        seconds=time.perf_counter() - begun,
        **fields,
    )
