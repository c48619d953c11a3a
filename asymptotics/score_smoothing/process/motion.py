"""Particles carried through a score by Heun's rule: on a line, with coordinates normal to it, or around a circle."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...common.input.checks import choice, integer, number

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
