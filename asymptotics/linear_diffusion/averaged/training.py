"""Training dynamics averaged over data sets: loss curves of gradient flow or descent, and the best stopping time.

References: Merger and Goldt 2025 (arXiv 2505.24769), early stopping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import array, number
from ...common.output.records import Record
from ..diffusion.relaxation import relaxation
from ..diffusion.schedule import Schedule
from ..resolvents.contour import Resolvent, resolvent, upper_edge
from ..resolvents.equivalents import degrees_of_freedom
from ..resolvents.orders import by_order


@dataclass(frozen=True)
class Optimum(Record):
    """The best stopping time, None where the loss falls for ever, and the test loss there."""

    tau: float | None
    loss: float


@dataclass(frozen=True)
class Curves(Record):
    """Losses against training time with the terms of O(1) and O(1/N)."""

    test_loss: list[float]
    train_loss: list[float]
    optimum: Optimum


@dataclass(frozen=True)
class Stopping(Record):
    """Gradient flow at step t: losses against ``tau`` (``loss`` is the test loss), their optimum, and what corrections make of them."""

    tau: list[float]
    loss: list[float]
    test_loss: list[float]
    train_loss: list[float]
    optimum: Optimum
    corrected: Curves | None = None


@dataclass(frozen=True)
class AveragedTraining:
    """Loss curves of one step t, averaged over data sets, as functions of training time.

    Made by `averaged_training`. ``learning_rate`` None means gradient flow.
    """

    samples: int
    dimension: int
    alpha_bar: float
    noise: float
    resolvent: Resolvent
    learning_rate: float | None
    fastest: float
    slowest: float

    def losses(self, tau: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        r"""Mean train and test loss at training time(s) τ ≥ 0.

        .. math:: L_{\rm test}(\tau)=d-2\sqrt{1-\bar\alpha}\langle w\rangle_1+(1-\bar\alpha)\langle w^2\rangle_1
                  +\bar\alpha(1+\tfrac1N)\langle w^2\rangle_\Sigma,

        and for the training loss λ⁰ in the place of (1 + 1/N)Σ_νν.
        """
        times = array("tau", tau)
        w = self._weights(times)
        r, root = self.resolvent, np.sqrt(self.noise)
        linear = r.average(-2 * root * w + self.noise * w**2)
        target = r.average(w**2, 1)
        data = r.average(w**2 * (r.shifted - r.shift))
        train = self.dimension + linear + self.alpha_bar * data
        test = self.dimension + linear + self.alpha_bar * (1 + 1 / self.samples) * target
        return train, test

    def _weights(self, tau: np.ndarray) -> np.ndarray:
        s = self.alpha_bar * self.resolvent.shifted
        return np.sqrt(self.noise) * relaxation(s, tau, self.learning_rate)

    def test_slope(self, tau: float) -> float:
        """dL_test/dτ of gradient flow."""
        r = self.resolvent
        s = self.alpha_bar * r.shifted
        root = np.sqrt(self.noise)
        change = 2 * root * np.exp(-2 * s * tau)
        w = root * relaxation(s, np.asarray(tau))
        one = r.average((-2 * root + 2 * self.noise * w) * change)
        sigma = r.average(2 * w * change, 1)
        return float(one + self.alpha_bar * (1 + 1 / self.samples) * sigma)

    def grid(self, count: int = 100) -> np.ndarray:
        """Logarithmic training times from far below the fastest to far beyond the slowest relaxation, shape (count,)."""
        return np.geomspace(0.01 / self.fastest, 10.0 / self.slowest, count)

    def optimum(self) -> tuple[float | None, float]:
        """τ* and the lowest mean test loss of gradient flow; τ* is None if the loss falls for ever."""
        from scipy.optimize import brentq

        tau = self.grid(240)
        loss = self.losses(tau)[1]
        best = int(np.argmin(loss))
        final = float(self.losses(40.0 / self.slowest)[1])
        if best == tau.size - 1 or loss[best] >= final * (1 - 1e-13):
            return None, final
        low = tau[max(best - 1, 0)] if best else 0.0
        high = tau[best + 1]
        if not (self.test_slope(low) < 0 < self.test_slope(high)):
            return float(tau[best]), float(loss[best])
        at = float(brentq(self.test_slope, low, high, xtol=1e-14 * high, rtol=1e-13))
        return at, float(self.losses(at)[1])


@by_order
def averaged_training(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    schedule: Schedule,
    time: int,
    *,
    learning_rate: float | None = None,
    order: int = 0,
) -> AveragedTraining:
    """Prepare the averaged loss curves of step ``time``: one contour for all training times; cost proportional to d.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float
        c ≥ 0.
    schedule : Schedule
    time : int
        Step t, 1 … T.
    learning_rate : float, optional
        η of gradient descent, below 1/(2 s_max); None: gradient flow.
    order : {0, 1, 2}
        See `asymptotics.linear_diffusion.resolvents.orders`.

    Raises
    ------
    InputError
        If ``time`` is no step of the schedule, c < 0, N < 2 or the learning rate is too large.
    """
    values = np.asarray(eigenvalues, dtype=float)
    degrees_of_freedom(samples)
    c = number("regularisation", regularisation, at_least=0)
    t = schedule.step(time)
    ab, noise = float(schedule.alpha_bar[t]), float(schedule.noise[t])
    shift = c + noise / ab
    fastest = ab * (upper_edge(values, samples) + shift)
    height = np.pi / 4
    if learning_rate is not None:
        number("learning_rate", learning_rate, above=0, below=0.5 / fastest)
        # |1 − 2ηs| ≤ 1 on the contour needs η|s| ≤ cos(arg s)
        height = min(height, 0.8 * float(np.arccos(min(1.0, 1.15 * learning_rate * fastest))))
    return AveragedTraining(
        samples,
        values.size,
        ab,
        noise,
        resolvent(values, samples, shift, height=height, order=order),
        learning_rate,
        fastest,
        ab * shift,
    )
