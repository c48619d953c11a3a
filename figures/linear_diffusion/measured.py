"""What the figures of linear diffusion at finite N share: theory, ensembles, how near they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from asymptotics.linear_diffusion import (
    Averages,
    LinearDiffusion,
    Problem,
    Runs,
    Simulation,
    compare,
    simulate,
    solve,
)
from asymptotics.tools import points


def experiment_of(settings: LinearDiffusion, runs: int, tau: Sequence[float] = ()) -> dict[str, Any]:
    """The experiment's tables of a point of a figure; points of different curves draw different data."""
    power = dict(settings.spectrum).get("power", 0.0)
    parts = [settings.samples, round(1e6 * power), round(1e6 * settings.regularisation)]
    seed = int(np.random.SeedSequence(parts).generate_state(1)[0])
    simulation = {"runs": runs, "samples": 0, "tau": list(tau), "seed": seed, "test_samples": 1000}
    return {"linear_diffusion": settings.to_table(), "simulation": simulation}


def measured_by(settings: LinearDiffusion, runs: int, tau: Sequence[float] = ()) -> tuple[Averages, Runs]:
    table = experiment_of(settings, runs, tau)["simulation"]
    problem = Problem(settings, Simulation.from_table(table))
    return theory_of(problem), simulate(problem, workers=1)


def theory_of(problem: Problem, **options: Any) -> Averages:
    theory = solve(problem, **options)
    if not isinstance(theory, Averages):
        raise TypeError(f"theory: must be of one number of samples, not a {type(theory).__name__}")
    return theory


def sample_sizes(quick: bool) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Dimension, runs, N of the points, N of the lines."""
    dimension, runs = (60, 12) if quick else (200, 24)
    ratios = np.array([0.2, 0.5, 1.0, 2.0, 5.0]) if quick else np.array([0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0])
    lines = np.unique(np.round(np.geomspace(0.1, 10.0, 25 if quick else 60) * dimension).astype(int))
    return dimension, runs, np.round(ratios * dimension).astype(int), lines


def scores_of(pairs: list[tuple[Averages, Runs]]) -> np.ndarray:
    """Differences of theory and simulation in standard errors, of all compared numbers that have one."""
    scores = []
    for theory, runs in pairs:
        for row in compare(theory, runs).rows:
            keep = np.atleast_1d(np.asarray(row.sem) > 1e-9)
            scores.append(np.atleast_1d(row.scores())[keep])
    return np.concatenate(scores)


def verdict_of(pairs: list[tuple[Averages, Runs]]) -> str:
    """How near theory and simulation are, over all compared numbers of these pairs."""
    z = scores_of(pairs)
    return (
        f"{z.size} numbers compared with their error bars: root mean square {np.sqrt(np.mean(z**2)):.2f} and at most"
        f" {z.max():.1f} standard errors apart (with the O(1) corrections of the theory)"
    )


def put_verdict(
    ax: Axes, x: Iterable[float], runs: list[Runs], name: str, scale: float, colour: str, **options: Any
) -> None:
    """Simulation points of one quantity (where it is finite), divided by ``scale``."""
    kept = [(n, r.mean(name), r.sem(name)) for n, r in zip(x, runs, strict=True) if np.isfinite(r.mean(name))]
    if kept:
        n, mean, sem = (np.array(column, dtype=float) for column in zip(*kept, strict=True))
        points(ax, n, mean / scale, sem / scale, **{"color": colour, "linestyle": "none"} | options)
