"""Where the orbit of a map of the line ends: a fixed point, or values between which it alternates for ever."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Generations followed where no argument of monotony decides.
MOST = 2000
#: Longest period of an alternation that is told from an irregular one.
PERIODS = 32
#: Relative distance at which a value counts as the same again.
SAME = 1e-9
#: Generations of accumulating data after which a step is too short to jump over a fixed point.
SETTLED = 64


def next_fixed(here: float, step: float, points: list[float], lowest: float) -> float:
    """The next fixed point in the direction of ``step``."""
    close = 1e-12 * abs(here)
    if step >= 0:
        return min((p for p in points if p >= here - close), default=float("inf"))
    return max((p for p in points if p <= here + close), default=lowest)


def follow(
    function: Callable[[np.ndarray], np.ndarray], start: float, points: list[tuple[float, bool]], lowest: float
) -> np.ndarray:
    """Values in which x → function(x) ends (an irregular orbit: its last `PERIODS`).

    ``points``: the fixed ones and whether they are stable. Where the map increases between the start and the next fixed point
    in the direction of the first step, the orbit ends there; otherwise it is followed.
    """
    end = next_fixed(start, float(function(np.asarray(start))) - start, [x for x, _ in points], lowest)
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
