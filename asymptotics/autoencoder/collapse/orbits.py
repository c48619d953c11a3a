"""Where a chain of generations ends: a fixed point, or values between which it alternates for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .collapse_map import CollapseMap

#: Generations followed where no argument of monotony decides.
MOST = 2000
#: Longest period of an alternation that is told from an irregular one.
PERIODS = 32
#: Relative distance at which a value counts as the same again.
SAME = 1e-9
#: Generations of accumulating data after which a step is too short to jump over a fixed point.
_SETTLED = 64


def attractor(collapse_map: CollapseMap, Lambda: float) -> np.ndarray:
    """The values that Λ takes in the end, in increasing order (an irregular orbit: its last `PERIODS` values).

    The chain is a map of the line: Λ → f(Λ) for fresh weights, and b → b_τ(Λ(b), b) with Λ(b) = φΛ₀ + (1 − φ)v(b) for warm ones.
    Where that map increases between the start and the next fixed point in the direction of the first step, the chain ends
    there; otherwise it is followed. Accumulating data take ever smaller steps towards f(Λ): after some exact ones the chain
    goes on to the next fixed point.
    """
    points = collapse_map.fixed_points()
    if not np.isfinite(float(collapse_map(Lambda))):
        return np.array([np.inf])
    if collapse_map.problem.generations.accumulate:
        here = float(collapse_map.iterate(_SETTLED, Lambda)[-1])
        return np.array([_next(here, float(collapse_map(here)) - here, [p.Lambda for p in points], 0.0)])
    if collapse_map.warm:
        first = float(collapse_map.skip(Lambda))

        def train(b: np.ndarray) -> np.ndarray:
            return collapse_map.skip(collapse_map.following(b), b)

        states = _follow(train, first, [(p.b, p.stable) for p in points], -np.inf)
        by_state = {p.b: p.Lambda for p in points}
        ends = [by_state[b] if b in by_state else float(collapse_map.following(b)) for b in states if np.isfinite(b)]
        return np.sort(ends) if ends else np.array([np.inf])
    return np.sort(_follow(collapse_map, Lambda, [(p.Lambda, p.stable) for p in points], 0.0))


def _next(here: float, step: float, points: list[float], lowest: float) -> float:
    """The next fixed point in the direction of ``step``."""
    close = 1e-12 * abs(here)
    if step >= 0:
        return min((p for p in points if p >= here - close), default=float("inf"))
    return max((p for p in points if p <= here + close), default=lowest)


def _follow(
    function: Callable[[np.ndarray], np.ndarray], start: float, points: list[tuple[float, bool]], lowest: float
) -> np.ndarray:
    """Values in which x → function(x) ends; ``points``: the fixed ones and whether they are stable."""
    end = _next(start, float(function(np.asarray(start))) - start, [x for x, _ in points], lowest)
    if np.isfinite(end):
        between = np.linspace(start, end, 257)
        if lowest == 0.0 and start > 0 and end > 0:
            between = np.geomspace(start, end, 257)
        values = function(between)
        if np.all(np.diff(values) * np.sign(end - start) >= -SAME * np.abs(values[1:])):
            return np.array([end])
    orbit = [start]
    for _ in range(MOST):
        orbit.append(float(function(np.asarray(orbit[-1]))))
        x = orbit[-1]
        if not np.isfinite(x):
            return np.array([np.inf])
        for point, stable in points:
            # A stable point that is this close, and closer than one and two generations before, is where the chain ends.
            distance = [abs(y - point) for y in orbit[-3:]]
            if stable and distance[-1] <= 1e-6 * abs(point) and distance[-1] <= min(distance):
                return np.array([point])
        for period in range(2, min(PERIODS, len(orbit) // 3) + 1):
            past = np.array(orbit[-3 * period :]).reshape(3, period)
            if np.all(np.abs(past - past[-1]) <= SAME * np.abs(past[-1])) and np.ptp(past[-1]) > SAME * abs(x):
                return past[-1]
    return np.array(orbit[-PERIODS:])
