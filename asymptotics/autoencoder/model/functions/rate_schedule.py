"""The factor s(τ) on all learning rates: a function, the pieces on which it is tame, and its integral.

A burst narrower than any step has to be found before somebody steps over it. Bounds of s and ds/dτ over whole intervals say
where nothing can hide; every other interval is halved, down to where what it could hide has no area.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input import expressions
from ....common.input.checks import InputError, fail
from ....common.numerics.quadrature.intervals import enclose
from .table import TauTable, is_table

#: A piece is tame if s changes in it by at most this share of itself, or of a small part of its mean.
VARIATION, SMALL = 1.0, 0.03
#: … or if no more than this share of (1 + τ) can be hidden in it, in ∫s dτ and ∫s² dτ.
HIDDEN = 1e-9
#: A schedule of more pieces is refused: nobody would integrate it.
PIECES = 20_000
#: Chebyshev polynomials of s on a piece.
DEGREE = 12
#: Accuracy of ∫s dτ, and the shortest piece, both as shares of τ.
ACCURACY, SHORTEST = 1e-13, 1e-14


class RateSchedule:
    """s(τ) on [0, ``tau``], from an expression or a table (`TauTable`).

    Attributes
    ----------
    pieces : (n + 1,)
        Ends of pieces on which s at most doubles, or hides nothing: no step should be longer.
    """

    def __init__(self, text: object, tau: float, name: str = "training.schedule") -> None:
        self.text, self.tau, self.name = text, tau, name
        self._function: Callable[[Any], np.ndarray]
        if is_table(text):
            table = TauTable(text, tau, name)
            self._function, self.pieces = table, table.pieces
            self._check(np.concatenate([table.knots[:, 0], self.pieces]))
            if np.any(table.knots[:, 1] < 0):
                fail(name, text, "finite and >= 0 on [0, tau]")
        else:
            self._tree = expressions.check(text, ["tau"], name)
            self._function = expressions.to_function(expressions.to_sympy(text, ["tau"], name), ["tau"])
            self._small = SMALL * float(self._check(np.linspace(0.0, tau, 513)).mean())
            self.pieces = self._tame()
        self._fit()

    def __call__(self, tau: ArrayLike) -> np.ndarray:
        """s at any τ."""
        return self._function(tau)

    def _check(self, tau: np.ndarray) -> np.ndarray:
        values = self._function(tau)
        if not np.all(np.isfinite(values) & (values >= 0)):
            fail(self.name, self.text, "finite and >= 0 on [0, tau]")
        return values

    def _hides_nothing(self, low: np.ndarray, high: np.ndarray, slope: np.ndarray, length: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            area = (high - low) * (1 + high + np.maximum(low, 0.0)) * length
            return (area <= HIDDEN * (1 + self.tau)) | (slope * length <= VARIATION * np.maximum(low, self._small))

    def _tame(self) -> np.ndarray:
        done: list[np.ndarray] = []
        pending = np.array([[0.0, self.tau]])
        while len(pending):
            if len(pending) + sum(map(len, done)) > PIECES:
                raise InputError(
                    f"{self.name} = {self.text!r}: must vary on fewer than {PIECES} pieces of [0, tau]; it cannot be followed"
                )
            a, b = pending.T
            (low, high), (falling, rising) = enclose(self._tree, "tau", a, b)
            slope = np.maximum(np.abs(falling), np.abs(rising))
            good = self._hides_nothing(low, high, slope, b - a)
            last = ~good & (b - a < SHORTEST * self.tau)
            if np.any(last & ~np.isfinite(high - low)):
                fail(self.name, self.text, "finite and >= 0 on [0, tau]")
            good |= last
            done.append(np.stack([a, b, low, high, slope], axis=1)[good])
            a, b = pending[~good].T
            middle = (a + b) / 2
            pending = np.concatenate([np.stack([a, middle], axis=1), np.stack([middle, b], axis=1)])
        cells = np.concatenate(done)
        cells = cells[np.argsort(cells[:, 0])]
        # Halving has cut where it need not: neighbours that are tame together are one piece.
        ends, current = [0.0], cells[0].copy()
        for cell in cells[1:]:
            low, high, slope = min(current[2], cell[2]), max(current[3], cell[3]), max(current[4], cell[4])
            if self._hides_nothing(low, high, slope, cell[1] - current[0]):
                current[1:] = cell[1], low, high, slope
            else:
                ends.append(float(current[1]))
                current = cell.copy()
        return np.array([*ends, self.tau])

    def _fit(self) -> None:
        """Piecewise polynomials of s, halved until they hold (a kink in a tame piece), and their antiderivatives."""
        from numpy.polynomial import chebyshev

        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        transform = np.linalg.inv(chebyshev.chebvander(nodes, DEGREE))
        pending = np.stack([self.pieces[:-1], self.pieces[1:]], axis=1)
        kept, fits = [], []
        while len(pending):
            a, b = pending.T
            points = (a + b)[:, None] / 2 + (b - a)[:, None] / 2 * nodes
            values = self._check(points)
            fit = values @ transform.T
            tail = np.abs(fit[:, -2:]).max(axis=1) * (b - a)
            size = np.abs(values).max(axis=1) * (b - a)
            good = (tail <= ACCURACY * self.tau) | (tail <= 1e-13 * size) | (b - a < SHORTEST * self.tau)
            kept.append(pending[good])
            fits.append(fit[good])
            a, b = pending[~good].T
            middle = (a + b) / 2
            pending = np.concatenate([np.stack([a, middle], axis=1), np.stack([middle, b], axis=1)])
        cells, fit = np.concatenate(kept), np.concatenate(fits)
        order = np.argsort(cells[:, 0])
        cells, fit = cells[order], fit[order]
        self._ends = np.append(cells[:, 0], self.tau)
        half = np.diff(self._ends) / 2
        self._integrals = chebyshev.chebint(fit, lbnd=-1, axis=1) * half[:, None]
        self._clocks = chebyshev.chebint(self._clock_fit(fit, nodes, transform), lbnd=-1, axis=1) * half[:, None]
        self._sums = np.concatenate([[0.0], np.cumsum(self._integrals.sum(axis=1))])
        self._clock_sums = np.concatenate([[0.0], np.cumsum(self._clocks.sum(axis=1))])

    @staticmethod
    def _clock_fit(fit: np.ndarray, nodes: np.ndarray, transform: np.ndarray) -> np.ndarray:
        from numpy.polynomial import chebyshev

        s = fit @ chebyshev.chebvander(nodes, DEGREE).T
        return np.asarray((s * (1 + s) / 2) @ transform.T)

    def _antiderivative(self, tau: ArrayLike, coefficients: np.ndarray, sums: np.ndarray) -> np.ndarray:
        tau = np.asarray(tau, dtype=np.float64)
        cell = np.clip(np.searchsorted(self._ends, tau, side="right") - 1, 0, len(coefficients) - 1)
        left, right = self._ends[cell], self._ends[cell + 1]
        x = np.clip((2 * tau - left - right) / (right - left), -1.0, 1.0)
        # Clenshaw's recursion, with the coefficients of each point's own piece.
        one = two = np.zeros_like(x)
        for k in range(coefficients.shape[1] - 1, 0, -1):
            one, two = coefficients[cell, k] + 2 * x * one - two, one
        return np.asarray(sums[cell] + coefficients[cell, 0] + x * one - two)

    def integral(self, tau: ArrayLike) -> np.ndarray:
        """∫₀^τ s dτ′."""
        return self._antiderivative(tau, self._integrals, self._sums)

    def clock(self, tau: ArrayLike) -> np.ndarray:
        """∫₀^τ s(1 + s)/2 dτ′: the time in which gradients (∝ s) and their noise (∝ s²) act evenly; τ itself for s = 1."""
        return self._antiderivative(tau, self._clocks, self._clock_sums)

    def at_clock(self, value: ArrayLike) -> np.ndarray:
        """τ at which the clock shows ``value`` (one of them, where it stands still)."""
        out = []
        for wanted in np.atleast_1d(value):
            cell = int(np.clip(np.searchsorted(self._clock_sums, wanted, side="left") - 1, 0, len(self._clocks) - 1))
            low, high = self._ends[cell], self._ends[cell + 1]
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if self.clock(middle) < wanted else (low, middle)
            out.append(high)
        return np.array(out)

    def averages(self, tau: np.ndarray, step: float) -> np.ndarray:
        """Mean of s over [τ, τ + step] (as far as it lies in [0, ``tau``]; beyond, s itself)."""
        tau = np.asarray(tau, dtype=np.float64)
        end = np.minimum(tau + step, self.tau)
        inside = end - tau > 1e-9 * step
        out = np.where(inside, 0.0, self(tau))
        out[inside] = np.maximum(self.integral(end[inside]) - self.integral(tau[inside]), 0.0) / (end - tau)[inside]
        return out

    @property
    def narrowest(self) -> float:
        """Length of the shortest piece that is not there for a jump (a burst's or an oscillation's width)."""
        lengths = np.diff(self.pieces)
        middle = (self.pieces[1:] + self.pieces[:-1]) / 2
        area = self(middle) * lengths
        counted = lengths[area > 1e-6 * max(float(self._sums[-1]), 1e-300)]
        return float(counted.min(initial=self.tau))


@lru_cache(maxsize=64)
def rate_schedule(text: object, tau: float, name: str) -> RateSchedule:
    """The schedule of a text, checked and analysed once."""
    return RateSchedule(text, tau, name)
