"""A training flow over given steps, and the same steps backwards: the discrete adjoint of an explicit Runge–Kutta method.

With stages Y_i = y + h Σ_j a_ij K_j, K_i = F(Y_i) and y′ = y + h Σ_i b_i K_i, the worths are
K̄_i = h b_i ȳ′ + h Σ_j a_ji Ȳ_j, Ȳ_i = J(Y_i)ᵀ K̄_i, ȳ = ȳ′ + Σ_i Ȳ_i: the exact gradient of the numbers that the steps give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import DOP853, RK45

from ..equations.integration.stepping import DIVERGED, StepError
from .adjoint import AdjointDrift, Tape


@dataclass(frozen=True)
class Tableau:
    """Stages, weights and places of an explicit method."""

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray


#: Dormand and Prince's methods of order 8 and of order 5, as in SciPy.
FINE, COARSE = (Tableau(np.asarray(m.A)[:, : len(m.B)], np.asarray(m.B), np.asarray(m.C)) for m in (DOP853, RK45))

#: s(τ): a number, or a function of τ.
Scale = float | Callable[[float], float]


@dataclass
class Segment:
    """A part of the training with one set of coefficients.

    Attributes
    ----------
    drift : AdjointDrift
    scale : float or callable
        Factor on the learning rates.
    ends : (n + 1,)
        τ at the ends of the steps.
    """

    drift: AdjointDrift
    scale: Scale
    ends: np.ndarray

    def scale_at(self, tau: float) -> float:
        """s(τ)."""
        return float(self.scale(tau)) if callable(self.scale) else float(self.scale)

    def record(self, y: np.ndarray, tau: float) -> Tape:
        """dy/dτ at τ, kept for `pull`."""
        return self.drift.record(y, self.scale_at(tau), tau)

    def pull(self, tape: Tape, worth: np.ndarray) -> np.ndarray:
        """Jᵀ ``worth``; the coefficients' share goes to where it belongs."""
        return self.drift.pull(tape, worth)


@dataclass
class Sweep:
    """A flow through segments, kept stage by stage.

    Attributes
    ----------
    states : list of (n,)
        At the ends of all steps, the start first.
    taus : list of float
    """

    segments: Sequence[Segment]
    method: Tableau = FINE
    states: list[np.ndarray] = field(default_factory=list)
    taus: list[float] = field(default_factory=list)
    _tapes: list[list[Tape]] = field(default_factory=list)
    _of: list[int] = field(default_factory=list)

    def forward(self, y: np.ndarray, limit: float = np.inf) -> np.ndarray:
        """The state at the end.

        Raises
        ------
        StepError
            Where the state diverges.
        """
        self.states, self.taus, self._tapes, self._of = [y], [float(self.segments[0].ends[0])], [], []
        bound = min(limit, DIVERGED * (1.0 + float(np.max(np.abs(y)))))
        for index, segment in enumerate(self.segments):
            for tau, end in zip(segment.ends[:-1], segment.ends[1:], strict=True):
                y = self._step(segment, float(tau), float(end - tau), y)
                if not np.all(np.isfinite(y)) or np.max(np.abs(y)) > bound:
                    raise StepError(float(end), "the order parameters diverge")
                self.states.append(y)
                self.taus.append(float(end))
                self._of.append(index)
        return y

    def _step(self, segment: Segment, tau: float, h: float, y: np.ndarray) -> np.ndarray:
        A, B, C = self.method.A, self.method.B, self.method.C
        slopes, tapes = np.empty((len(B), len(y))), []
        for i in range(len(B)):
            at = y + h * (A[i, :i] @ slopes[:i])
            # At the end of a step stand the values before a jump.
            now = min(tau + C[i] * h, float(np.nextafter(tau + h, 0.0)))
            tapes.append(segment.record(at, now))
            slopes[i] = tapes[-1].slope
        self._tapes.append(tapes)
        return y + h * (B @ slopes)

    def segment_of(self, step: int) -> int:
        """The segment that a step belongs to."""
        return self._of[step]

    def cut(self, step: int, tau: float) -> Sweep:
        """The same flow up to a τ within a step, taken again there."""
        segment = self.segments[self._of[step]]
        short = Sweep(
            self.segments,
            self.method,
            self.states[: step + 1],
            self.taus[: step + 1],
            self._tapes[:step],
            self._of[:step],
        )
        short.states.append(short._step(segment, self.taus[step], tau - self.taus[step], self.states[step]))
        short.taus.append(tau)
        short._of.append(self._of[step])
        return short

    def backward(self, worth: np.ndarray, visit: Callable[[int], None] | None = None) -> np.ndarray:
        """The worth of the start; every drift's `worths` get its coefficients' share.

        Parameters
        ----------
        worth : (n,)
            Of the end.
        visit : callable, optional
            Called with the index of a segment after all its steps were taken backwards.
        """
        return self.costates(worth, visit)[0]

    def costates(self, worth: np.ndarray, visit: Callable[[int], None] | None = None) -> list[np.ndarray]:
        """The worth of the state at the ends of all steps, the start first."""
        A, B = self.method.A, self.method.B
        found = [worth]
        for k in reversed(range(len(self._tapes))):
            segment, h = self.segments[self._of[k]], self.taus[k + 1] - self.taus[k]
            given = np.zeros((len(B), len(worth)))
            for i in reversed(range(len(B))):
                later = A[i + 1 :, i] @ given[i + 1 :] if i + 1 < len(B) else 0.0
                total = h * (B[i] * worth + later)
                given[i] = segment.pull(self._tapes[k][i], total)
            worth = worth + given.sum(axis=0)
            found.append(worth)
            if visit is not None and (k == 0 or self._of[k - 1] != self._of[k]):
                visit(self._of[k])
        return found[::-1]
