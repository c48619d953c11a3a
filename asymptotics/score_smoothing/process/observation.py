"""One run of particles: where they start, where they stop, and what they say there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...common.input.checks import InputError
from ..points import circle_points
from ..settings import ScoreSmoothing, Simulation
from .motion import follow, follow_circle


class Observed(NamedTuple):
    """What the particles of one run say; fields as in `asymptotics.score_smoothing.simulation.Particles`."""

    positions: np.ndarray
    atoms: np.ndarray
    interpolated_mass: float
    memorised: float
    w1: float
    w2: float
    polygon_distance: float


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
        x = circle_points(n)[rng.integers(0, n, count)]
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
) -> Observed:
    """Carry particles from t₀ to the end and measure them."""
    if normal is None:
        return _circle_observed(settings, simulation, within, x)
    return _line_observed(settings, simulation, within, x, normal.copy())


def _line_observed(
    settings: ScoreSmoothing, simulation: Simulation, within: float, x: np.ndarray, normal: np.ndarray
) -> Observed:
    y, end = np.asarray(settings.points), end_time(settings, simulation)
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
    return Observed(
        positions=order,
        atoms=np.bincount(which[caught], minlength=y.size) / count,
        interpolated_mass=1.0 - np.mean(caught),
        memorised=np.mean(offset**2 + square <= within**2),
        w1=w1,
        w2=np.sqrt(w2),
        polygon_distance=np.mean(np.sqrt(square)),
    )


def _circle_observed(settings: ScoreSmoothing, simulation: Simulation, within: float, x: np.ndarray) -> Observed:
    n, end = int(settings.points), end_time(settings, simulation)
    y = circle_points(n)
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
    return Observed(
        positions=x,
        atoms=np.bincount(which[caught], minlength=n) / simulation.samples,
        interpolated_mass=1.0 - np.mean(caught),
        memorised=np.mean(near),
        w1=np.nan,
        w2=np.nan,
        polygon_distance=np.mean(gap),
    )


def end_time(settings: ScoreSmoothing, simulation: Simulation) -> float:
    """Where particles stop.

    Raises
    ------
    InputError
        If that is not before they start, or so early that the rounding of positions hides what happens there.
    """
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
