"""A diffusion on a line, dz = f(z, t) dt + √(2D_t) dW, as its steps on a grid: backward for expectations, forward for the law.

In continuous time Kolmogorov's equation by exponential fitting in space (Scharfetter and Gummel: positive, of second order where
there is noise) and an L-stable rule of second order in time; for the Euler scheme the Gaussian kernel of every step, so that
the chain that an experiment runs is followed, not its limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ....common.numerics.interpolants import Interpolant
from ...generated.coefficients import Clock
from ...model.sampling import Sampling

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Points of the grid; steps in continuous time, per unit of the clock and at least.
CELLS, STEPS, FEWEST = 801, 100, 300
#: Where a kernel is cut off, in standard deviations, and the width below which it is spread between grid points, in cells.
CUT, NARROW = 7.0, 0.9
GAMMA = 1.0 - np.sqrt(0.5)


@dataclass(frozen=True)
class Line:
    """One diffusion on a grid, and the times that it is stepped through.

    Attributes
    ----------
    drift : callable
        f(z, t) for z (points,).
    diffusion : callable
        D at one time.
    sampling : Sampling
        Scheme, start and stop.
    interpolant : Interpolant
    half_width : float
        The grid holds [−half_width, half_width].
    wanted : (m,)
        Times that a step has to end at (of the Euler scheme: the nearest ones that do).
    """

    drift: Callable[[np.ndarray, float], np.ndarray]
    diffusion: Callable[[float], float]
    sampling: Sampling
    interpolant: Interpolant
    half_width: float
    wanted: np.ndarray
    stop: float | None = None
    cells: int = CELLS
    z: np.ndarray = field(init=False, repr=False)
    times: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", np.linspace(-self.half_width, self.half_width, self.cells))
        object.__setattr__(self, "times", time_grid(self.sampling, self.interpolant, self.wanted, self.stop))

    @property
    def dz(self) -> float:
        """Distance of grid points."""
        return float(self.z[1] - self.z[0])

    @property
    def stepped(self) -> bool:
        """Whether the Euler scheme is followed."""
        return self.sampling.scheme == "euler" and self.stop is None

    def index(self, t: float) -> int:
        """Number of the time nearest to t."""
        return int(np.argmin(np.abs(self.times - t)))

    def back(self, k: int, u: np.ndarray) -> np.ndarray:
        """Expectations E[u(z_{k+1}) | z_k] of functions (cells, columns)."""
        if self.stepped:
            return np.asarray(self._kernel(k) @ u)
        t, h = self.times[k + 1], self.times[k + 1] - self.times[k]
        up, down = self._rates(t - GAMMA * h)
        first = _solve(up, down, GAMMA * h, u, False)
        up, down = self._rates(t - h)
        return _solve(up, down, GAMMA * h, u + (1 - GAMMA) / GAMMA * (first - u), False)

    def forth(self, k: int, mass: np.ndarray) -> np.ndarray:
        """Masses (cells, columns) at step k + 1 from those at step k."""
        if self.stepped:
            return np.asarray(self._kernel(k).T @ mass)
        t, h = self.times[k], self.times[k + 1] - self.times[k]
        up, down = self._rates(t + GAMMA * h)
        first = _solve(up, down, GAMMA * h, mass, True)
        up, down = self._rates(t + h)
        return _solve(up, down, GAMMA * h, mass + (1 - GAMMA) / GAMMA * (first - mass), True)

    def gaussian(self, mean: float, variance: float) -> np.ndarray:
        """Masses of a Gaussian on the grid, (cells,)."""
        from scipy.special import ndtr

        sd = max(float(np.sqrt(max(variance, 0.0))), 1e-3 * self.dz)
        edges = np.concatenate([[-np.inf], (self.z[1:] + self.z[:-1]) / 2, [np.inf]])
        return np.asarray(np.diff(ndtr((edges - mean) / sd)))

    def _rates(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Rates of jumps to the right and to the left neighbour, (cells,)."""
        D, dz = max(self.diffusion(t), 1e-12), self.dz
        peclet = self.drift((self.z[1:] + self.z[:-1]) / 2, t) * dz / D
        up, down = np.zeros(len(self.z)), np.zeros(len(self.z))
        up[:-1] = D / dz**2 * bernoulli(-peclet)
        down[1:] = D / dz**2 * bernoulli(peclet)
        return up, down

    def _kernel(self, k: int) -> csr_array:
        from scipy.sparse import csr_array

        t, h = float(self.times[k]), float(self.times[k + 1] - self.times[k])
        centre = np.clip(self.z + h * self.drift(self.z, t), self.z[0], self.z[-1])
        sd, dz, n = float(np.sqrt(2 * self.diffusion(t) * h)), self.dz, len(self.z)
        if sd < NARROW * dz:
            # Too narrow for the grid: three points of the right mean and variance, shared linearly by the grid's.
            x, w = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)]), np.array([1.0, 4.0, 1.0]) / 6
            at = np.clip((centre[:, None] + sd * x - self.z[0]) / dz, 0, n - 1 - 1e-9)
            low = at.astype(int)
            share = at - low
            rows = np.repeat(np.arange(n), 6)
            columns = np.stack([low, low + 1], axis=2).reshape(n, 6)
            values = np.stack([(1 - share) * w, share * w], axis=2).reshape(n, 6)
            return csr_array((values.ravel(), (rows, columns.ravel())), shape=(n, n))
        reach = int(np.ceil(CUT * sd / dz))
        middle = np.rint((centre - self.z[0]) / dz).astype(int)
        columns = middle[:, None] + np.arange(-reach, reach + 1)
        inside = (columns >= 0) & (columns < n)
        columns = np.clip(columns, 0, n - 1)
        values = np.where(inside, np.exp(-0.5 * ((self.z[columns] - centre[:, None]) / sd) ** 2), 0.0)
        values /= values.sum(axis=1, keepdims=True)
        rows = np.repeat(np.arange(n), columns.shape[1])
        return csr_array((values.ravel(), (rows, columns.ravel())), shape=(n, n))


def time_grid(sampling: Sampling, interpolant: Interpolant, wanted: np.ndarray, stop: float | None) -> np.ndarray:
    """Times of the steps: the Euler scheme's, or equal steps of the clock with the wanted times among them."""
    if sampling.scheme == "euler" and stop is None:
        return sampling.grid()
    clock, last = Clock(interpolant), sampling.stop if stop is None else stop
    s = [clock.of(sampling.start), clock.of(last)]
    count = max(FEWEST, int(np.ceil(STEPS * (s[1] - s[0]))))
    times = np.array([clock.time(float(x), sampling.start, last) for x in np.linspace(s[0], s[1], count + 1)])
    times = np.union1d(times, wanted[(wanted >= sampling.start) & (wanted <= last)])
    return np.asarray(times[np.concatenate([[True], np.diff(times) > 1e-12])])


def bernoulli(x: np.ndarray) -> np.ndarray:
    """x/(eˣ − 1)."""
    small = np.abs(x) < 1e-6
    safe = np.where(small, 1.0, x)
    with np.errstate(over="ignore"):
        return np.where(small, 1 - x / 2, safe / np.expm1(np.minimum(safe, 700.0)))


def _solve(up: np.ndarray, down: np.ndarray, h: float, right: np.ndarray, law: bool) -> np.ndarray:
    """(1 − hL) x = right with the generator L of the jumps; ``law``: with its transpose."""
    from scipy.linalg import solve_banded

    bands = np.zeros((3, len(up)))
    bands[1] = 1.0 + h * (up + down)
    # L[i, i+1] = up_i and L[i+1, i] = down_{i+1}.
    above, below = (down[1:], up[:-1]) if law else (up[:-1], down[1:])
    bands[0, 1:], bands[2, :-1] = -h * above, -h * below
    return np.asarray(solve_banded((1, 1), bands, right, check_finite=False))
