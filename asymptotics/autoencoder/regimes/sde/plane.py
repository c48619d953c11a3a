"""The law of two fields under the sampling SDE with noise, by Fokker and Planck's equation on a grid: when it bends upwards at z = 0.

In y = Q^{-1/2}z the noise is isotropic, so that each step splits into sweeps along either axis (Strang), each with the exponential
fitting and the time rule of `line`.
"""

from __future__ import annotations

import numpy as np
from numba import float64, void

from ....common.numerics.code.compiled import njit
from ...generated.coefficients import Clock
from .fields import SECOND, Fields
from .kolmogorov import RESOLVED
from .line import bernoulli, time_grid
from .paths import Stepping

#: Points an axis; paths that say how far the fields go, their spread and room beyond them.
CELLS, SCOUTS, FAR, ROOM = 301, 512, 5.5, 1.15
#: Until when a law without end is followed, and the share of the steps of one field that is taken.
LATEST, SHARE = 1.0 - 1e-4, 3


@njit(void(float64[:, ::1], float64[:, ::1], float64, float64[:, ::1]), cache=True, nogil=True, error_model="numpy")
def _sweep(up: np.ndarray, down: np.ndarray, h: float, mass: np.ndarray) -> None:
    """(1 − hLᵀ) x = mass along the second axis for every row, in place, by Thomas's rule."""
    rows, n = mass.shape
    c, d = np.empty(n), np.empty(n)
    for r in range(rows):
        for i in range(n):
            middle = 1.0 + h * (up[r, i] + down[r, i])
            # Into cell i come the jumps to the right from i − 1 and those to the left from i + 1.
            before = -h * up[r, i - 1] if i > 0 else 0.0
            after = -h * down[r, i + 1] if i < n - 1 else 0.0
            rest = middle - (before * c[i - 1] if i > 0 else 0.0)
            c[i] = after / rest
            d[i] = (mass[r, i] - (before * d[i - 1] if i > 0 else 0.0)) / rest
        mass[r, n - 1] = d[n - 1]
        for i in range(n - 2, -1, -1):
            mass[r, i] = d[i] - c[i] * mass[r, i + 1]


def reach(fields: Fields, stop: float) -> np.ndarray:
    """How far the whitened fields go, (2,)."""
    stepping = Stepping.of(fields, np.zeros(0), stop=stop)
    rng = np.random.default_rng(0)
    angle = np.linspace(0.0, 2 * np.pi, SCOUTS, endpoint=False)
    y = FAR * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    state = stepping.begin(y @ fields.root)
    largest = np.max(np.abs(y), axis=0)
    for k in range(stepping.count):
        state = stepping.advance(state, k, k + 1, rng)
        largest = np.maximum(largest, np.max(np.abs(state[:, :2] @ fields.inverse_root), axis=0))
    return np.asarray(ROOM * largest)


class _Plane:
    """Masses on a grid of y, stepped by sweeps."""

    def __init__(self, fields: Fields, width: np.ndarray) -> None:
        self.fields = fields
        self.axes = [np.linspace(-w, w, CELLS) for w in width]
        self.dy = [float(a[1] - a[0]) for a in self.axes]
        masses = [np.exp(-0.5 * a**2) for a in self.axes]
        self.mass = np.ascontiguousarray(np.outer(masses[0] / masses[0].sum(), masses[1] / masses[1].sum()))
        self._faces = [self._points(0), self._points(1)]

    def _points(self, axis: int) -> np.ndarray:
        """Fields z at the faces between cells along an axis, (rows, CELLS − 1, 2), rows along the other axis."""
        middle = (self.axes[axis][1:] + self.axes[axis][:-1]) / 2
        other = self.axes[1 - axis]
        y = np.empty((CELLS, CELLS - 1, 2))
        y[..., axis], y[..., 1 - axis] = middle[None, :], other[:, None]
        return np.asarray(y @ self.fields.root)

    def _along(self, axis: int, t: float, h: float) -> None:
        f = self.fields
        faces = self._faces[axis]
        drift = f.drift(faces.reshape(-1, 2), t) @ f.inverse_root[:, axis]
        D, dy = max(float(f.epsilon(np.asarray(t))), 1e-12), self.dy[axis]
        peclet = drift.reshape(CELLS, CELLS - 1) * dy / D
        up, down = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
        up[:, :-1] = D / dy**2 * bernoulli(-peclet)
        down[:, 1:] = D / dy**2 * bernoulli(peclet)
        mass = self.mass if axis == 1 else np.ascontiguousarray(self.mass.T)
        # The trapezoid in time keeps second order: half a step explicitly, half implicitly, both with the middle's rates.
        flow = mass - h / 2 * mass * (up + down)
        flow[:, 1:] += h / 2 * (mass * up)[:, :-1]
        flow[:, :-1] += h / 2 * (mass * down)[:, 1:]
        _sweep(up, down, h / 2, flow)
        self.mass = flow if axis == 1 else np.ascontiguousarray(flow.T)

    def step(self, t: float, h: float) -> None:
        """From t to t + h."""
        self._along(0, t + h / 4, h / 2)
        self._along(1, t + h / 2, h)
        self._along(0, t + 3 * h / 4, h / 2)

    def resolved(self) -> bool:
        """Whether the law is wide enough for the grid along both axes."""
        shares = self.mass.sum(axis=1), self.mass.sum(axis=0)
        sd = [np.sqrt(p @ y**2) for p, y in zip(shares, self.axes, strict=True)]
        return all(s > RESOLVED * dy for s, dy in zip(sd, self.dy, strict=True))

    def curvature(self) -> float:
        """Largest eigenvalue of the Hessian of log p in y at 0."""
        steps = [max(1, round(0.1 / dy)) for dy in self.dy]
        c, k = CELLS // 2, np.arange(-3, 4)
        log = np.log(np.maximum(self.mass, 1e-300))
        H = np.empty((2, 2))
        H[0, 0] = SECOND @ log[c + steps[0] * k, c] / (steps[0] * self.dy[0]) ** 2
        H[1, 1] = SECOND @ log[c, c + steps[1] * k] / (steps[1] * self.dy[1]) ** 2
        size = 4 * steps[0] * self.dy[0] * steps[1] * self.dy[1]
        plus = SECOND @ (log[c + steps[0] * k, c + steps[1] * k] - log[c + steps[0] * k, c - steps[1] * k])
        H[0, 1] = H[1, 0] = plus / size
        return float(np.max(np.linalg.eigvalsh(H)))


def plane_curvature_time(fields: Fields) -> float | None:
    """First time at which the Hessian of log p_t has a positive eigenvalue at z = 0, for two fields and ε > 0."""
    latest = min(LATEST, fields.horizon)
    clock = Clock(fields.problem.interpolant)
    times = time_grid(fields.problem.sampling, fields.problem.interpolant, np.zeros(0), latest)[::SHARE]
    plane = _Plane(fields, reach(fields, latest))
    before = -1.0
    for k in range(len(times) - 1):
        plane.step(float(times[k]), float(times[k + 1] - times[k]))
        if not plane.resolved():
            # Contracted to z = 0, where the drift is linear.
            return None
        curvature = plane.curvature()
        if curvature > 0:
            share = before / (before - curvature)
            s = [clock.of(float(times[k + j])) for j in (0, 1)]
            return clock.time(s[0] + share * (s[1] - s[0]), fields.start, latest)
        before = curvature
    return None
