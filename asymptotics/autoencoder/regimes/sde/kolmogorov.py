"""The law of one field under the sampling SDE, and expectations of what becomes of it, on a grid (`line`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...generated.coefficients import Clock
from .fields import SECOND, Fields
from .line import Line
from .paths import Stepping

#: Paths that say how far the field goes, the spread of their starts in standard deviations, and room beyond them.
SCOUTS, FAR, ROOM = 512, 6.0, 1.15
#: Points of the grid that a standard deviation has to hold.
RESOLVED = 5.0
#: Until when a law without end is followed.
LATEST = 1.0 - 1e-4


@dataclass(frozen=True)
class Law:
    """Masses of a field's law on a grid."""

    z: np.ndarray
    mass: np.ndarray

    def between(self, low: float, high: float) -> float:
        """Probability of an interval; masses belong to the cells around the grid points."""
        dz = self.z[1] - self.z[0]
        upper = np.clip((high - self.z) / dz + 0.5, 0.0, 1.0)
        lower = np.clip((low - self.z) / dz + 0.5, 0.0, 1.0)
        return float(np.sum(self.mass * (upper - lower)))


def half_width(fields: Fields, extra: float = 0.0, stop: float | None = None) -> float:
    """How far one field goes: paths that start far out, with their noise, and at ``extra`` (one field)."""
    stepping = Stepping.of(fields, np.zeros(0), stop=stop)
    rng = np.random.default_rng(0)
    size = max(FAR * float(fields.root[0, 0]), extra)
    z = np.linspace(-size, size, SCOUTS)[:, None]
    largest = size
    state = stepping.begin(z)
    for k in range(stepping.count):
        state = stepping.advance(state, k, k + 1, rng)
        largest = max(largest, float(np.max(np.abs(state[:, 0]))))
    return ROOM * largest


def line_of(fields: Fields, wanted: np.ndarray, extra: float = 0.0, stop: float | None = None) -> Line:
    """The line of one field's diffusion."""
    Q = float(fields.Q[0, 0])
    return Line(
        lambda z, t: fields.drift(z[:, None], t)[:, 0],
        lambda t: Q * float(fields.epsilon(np.asarray(t))),
        fields.problem.sampling,
        fields.problem.interpolant,
        half_width(fields, extra, stop),
        wanted,
        stop,
    )


def law_at_stop(fields: Fields) -> Law:
    """Law of the field at the sampler's stop, for ε > 0."""
    line = line_of(fields, np.zeros(0))
    mass = line.gaussian(0.0, float(fields.Q[0, 0]))[:, None]
    for k in range(len(line.times) - 1):
        mass = line.forth(k, mass)
    return Law(line.z, mass[:, 0])


def curvature_time(fields: Fields) -> float | None:
    """First time at which (log p_t)″(0) > 0, for one field and ε > 0."""
    latest = min(LATEST, fields.horizon)
    line = line_of(fields, np.zeros(0), stop=latest)
    mass = line.gaussian(0.0, float(fields.Q[0, 0]))[:, None]
    centre = len(line.z) // 2
    clock = Clock(fields.problem.interpolant)
    before = -1.0 / float(fields.Q[0, 0])
    for k in range(len(line.times) - 1):
        mass = line.forth(k, mass)
        deviation = float(np.sqrt(mass[:, 0] @ line.z**2))
        if deviation < RESOLVED * line.dz:
            # Contracted to z = 0, where the drift is linear: a Gaussian, and no longer resolved.
            return None
        step = max(1, round(0.1 * min(deviation, float(fields.root[0, 0])) / line.dz))
        stencil = centre + step * np.arange(-3, 4)
        curvature = float(SECOND @ np.log(np.maximum(mass[stencil, 0], 1e-300))) / (step * line.dz) ** 2
        if curvature > 0:
            share = before / (before - curvature)
            s = [clock.of(float(line.times[k + j])) for j in (0, 1)]
            return clock.time(s[0] + share * (s[1] - s[0]), fields.start, latest)
        before = curvature
    return None
