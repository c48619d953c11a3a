"""How deviations from a path grow: rates, amplification of errors, and the time at which runs at dimension d leave it.

Along the path the drift's Jacobian J gives the tangent propagator Φ(τ, s): what a deviation at s has become at τ. Its largest
norm multiplies every error made on the way (rounding, integrator, expectations), and what it makes of the noise of SGD,
dC/dτ = J C + C Jᵀ + noise, says when runs leave the path: a symmetric path through a saddle is exact at d → ∞ and the path of
no run at any finite d. `fluctuations` has C itself; here the noise is isotropic, read off dq/dτ, and C right to some 20 %.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....common.output.results import to_builtin
from ..derivative.drift import Drift
from ..derivative.layout import Layout
from ..derivative.tangent import WHOLE, Tangent, krylov_rate, propagate

#: Points of the path at which J is taken: evenly in what the state has moved, at halved τ, and where the rate still changes
#: the growth by more than `RESOLVED` between two of them.
MOVED, HALVED, MORE, RESOLVED = 6, 4, 8, 1.0
#: Runs have left the path where their spread is this share of the order parameters.
LEFT = 0.5
#: Growth by less than this since the path was last stable is not called a saddle.
GROWN = math.e
#: A path at rest, not on its way along the growing direction, moves less than this share of the growth.
AT_REST = 0.1
#: Relative size of rounding errors, and states of a path at which is looked for their growth.
ROUNDING, LOOKED = 1e-15, 5


@dataclass(frozen=True)
class Stability:
    """Growth of deviations along a path.

    Attributes
    ----------
    tau : (nodes,)
        Training times at which the Jacobian was taken.
    rate : (nodes,)
        Largest growth rate per τ there.
    gain : (nodes,)
        log of the largest norm of the tangent propagator that ends there.
    spread : (nodes,)
        √d × standard deviation of one run along its widest direction (empty where there are too many order parameters).
    scale : (nodes,)
        Norm of the order parameters, at least a quarter of its largest value.
    direction : tuple of str
        Order parameters along which deviations grow at the end.
    speed : float
        Relative speed ‖dy/dτ‖/‖y‖ of the path itself at its end.
    start : bool
        Whether Θ = 0 for ever.
    asleep : tuple of int
        Hidden vectors (counted from 1) that start at zero and stay there, in every run.
    """

    tau: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gain: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spread: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0))
    direction: tuple[str, ...] = ()
    speed: float = 0.0
    start: bool = False
    asleep: tuple[int, ...] = ()

    def stored(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: to_builtin(value) for name, value in vars(self).items()}

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> Stability:
        """Inverse of `stored` (of nothing: nothing is known)."""
        arrays = ("tau", "rate", "gain", "spread", "scale")
        fields: dict[str, Any] = {}
        for name, value in stored.items():
            kept = tuple(value) if isinstance(value, list) else value
            fields[name] = np.asarray(value, dtype=np.float64) if name in arrays else kept
        return cls(**fields)

    @property
    def amplification(self) -> float:
        """Largest factor by which an error made on the path can have grown."""
        return float(np.exp(min(np.max(self.gain, initial=0.0), 700.0)))

    @property
    def saddle(self) -> bool:
        """Whether deviations grow at the end of the path, and have done so for more than one factor of e."""
        if len(self.tau) < 2 or self.rate[-1] <= 0:
            return False
        first = self._last_stable
        steps = np.diff(self.tau[first:]) * (np.maximum(self.rate[first:-1], 0) + self.rate[first + 1 :]) / 2
        settled = self.start or first > 0 or self.speed < AT_REST * self.rate[-1]
        return bool(settled and steps.sum() > np.log(GROWN))

    @property
    def _last_stable(self) -> int:
        stable = np.flatnonzero(self.rate <= 0)
        return int(stable[-1]) if len(stable) else 0

    def departure(self, dimension: float) -> float | None:
        """τ from which runs at dimension d are not near the path any more; None if they stay (or it is not known)."""
        if not len(self.spread):
            return None
        first = self._last_stable if self.saddle else 0
        ratio = np.divide(self.spread, LEFT * self.scale, out=np.zeros_like(self.spread), where=self.scale > 0)
        excess = np.log(np.maximum(ratio / np.sqrt(dimension), 1e-300))
        above = first + np.flatnonzero(excess[first:] > 0)
        if not len(above):
            return None
        k = int(above[0])
        if k == 0:
            return float(self.tau[0])
        # Growth is exponential: between two nodes the logarithm is linear (or the first node is without spread).
        if excess[k - 1] < -600:
            return float(self.tau[k])
        part = -excess[k - 1] / (excess[k] - excess[k - 1])
        return float(self.tau[k - 1] + np.clip(part, 0, 1) * (self.tau[k] - self.tau[k - 1]))

    def to_table(self, dimension: float) -> dict[str, Any]:
        """The JSON of ``stability``."""
        kind = "saddle" if self.saddle else "passage" if self.departure(dimension) is not None else ""
        return {
            "kind": kind or ("unknown" if not len(self.tau) else "stable" if self.rate[-1] <= 0 else "growing"),
            "rate": float(self.rate[-1]) if len(self.tau) else None,
            "amplification": self.amplification if len(self.tau) else None,
            "direction": list(self.direction) if self.saddle else [],
            "departure": self.departure(dimension),
            "dimension": dimension,
            "message": self.message(dimension) or None,
        }

    def message(self, dimension: float) -> str:
        """One line that says what is unstable, when runs notice and what to do; empty if nothing is."""
        asleep = ""
        if self.asleep:
            asleep = (
                f"weight vector {', '.join(map(str, self.asleep))} of the stack starts at zero and stays there, in theory and in every run "
                "(denoiser.init gives them a start)"
            )
        if not self.saddle:
            left = self.departure(dimension)
            if left is None:
                return asleep
            text = (
                f"runs at d = {dimension:g} are scattered widely around the path from near tau = {left:.3g} on (deviations are "
                f"amplified by up to {self.amplification:.3g}): take a larger dimension, smaller rates, or start from one drawn "
                "weight matrix (denoiser.init.realisation = 0)"
            )
            return "; ".join(x for x in (text, asleep) if x)
        what = "the start is a saddle (Theta = 0 for ever)" if self.start else "the path is a saddle"
        text = f"{what}: deviations in {', '.join(self.direction)} grow at {self.rate[-1]:+.4f} per tau"
        fastest = float(np.max(self.rate[self._last_stable :]))
        if fastest > 1.5 * self.rate[-1]:
            text += f" at the end (up to {fastest:+.4g} before)"
        left = self.departure(dimension)
        if left is not None:
            text += f"; runs at d = {dimension:g} leave it near tau = {left:.3g}"
        elif len(self.spread):
            text += f"; runs at d = {dimension:g} stay near it up to tau = {self.tau[-1]:.3g}"
        advice = "start from one drawn weight matrix, which has a direction (denoiser.init.realisation = 0)"
        if left is not None and not self.start:
            advice = f"compare up to there, or {advice}"
        return "; ".join(x for x in (f"{text}: {advice}" if left is not None or self.start else text, asleep) if x)


def _nodes(knots: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Indices of the knots at which J is taken."""
    moved = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(states, axis=0), axis=1))])
    wanted = [np.searchsorted(moved, np.linspace(0, moved[-1], MOVED))]
    wanted.append(np.searchsorted(knots, knots[-1] * 0.5 ** np.arange(HALVED)))
    return np.unique(np.clip(np.concatenate(wanted), 0, len(knots) - 1))


def label(layout: Layout, vector: np.ndarray) -> tuple[str, ...]:
    """The order parameters that carry a direction: those above half of the largest entry."""
    theta, q, b, _ = layout.unpack(vector)
    names: list[tuple[float, str]] = [(abs(float(v)), "b") for v in np.atleast_1d(b)]
    names += [(abs(v), f"Theta_{a + 1}{k + 1}") for (a, k), v in np.ndenumerate(theta.sum(axis=0))]
    names += [(abs(v), f"Q_{a + 1}{c + 1}") for (a, c), v in np.ndenumerate(q.sum(axis=0)) if a <= c]
    largest = max(size for size, _ in names)
    return tuple(name for size, name in sorted(names, key=lambda x: -x[0]) if size > 0.5 * largest)[:4]


def growing(knots: np.ndarray, states: np.ndarray, drift: Drift, tolerance: float) -> bool:
    """Whether deviations from the end of a path grow, by a factor of e before all of the training is done again, or roundings
    can have grown to the tolerance on the way.
    """
    schedule = drift.coefficients.rate_schedule
    _, q, _, _ = drift.layout.unpack(states[-1])
    tangent = Tangent(drift, np.diagonal(q.sum(axis=0)) > 0)
    end = float(knots[-1])
    if tangent.size > WHOLE:
        tangent.rates(1.0 if schedule is None else float(schedule(end)), end)
        return krylov_rate(tangent, states[-1], tangent.drift(states[-1])) * end > 1.0
    looked = np.searchsorted(knots, end * np.linspace(0.0, 1.0, LOOKED))
    looked = looked[np.append(True, np.diff(looked) > 0)]
    taus = knots[looked]
    speeds = np.ones(len(taus)) if schedule is None else np.array([float(schedule(tau)) for tau in taus])
    J, _ = tangent.jacobians(taus, states[looked], speeds, noise=False)
    rates = np.linalg.eigvals(J).real.max(axis=1)
    clocks = taus if schedule is None else np.asarray(schedule.clock(taus))
    # The growth of a start takes the network to where it rests: it is no growth of the time after.
    later = np.maximum(np.minimum(rates[1:], rates[:-1]), 0.0) @ np.diff(clocks)
    return bool(rates[-1] * end > 1.0 or later > np.log(tolerance / ROUNDING))


def analyse(knots: np.ndarray, states: np.ndarray, drift: Drift, exact: Drift, schedule: Any) -> Stability:
    """Stability of a path through ``states`` at ``knots``.

    Parameters
    ----------
    knots, states : (n,), (n, size)
    drift : Drift
        A cheap one, right to a few per cent: its Jacobian is taken.
    exact : Drift
        That of the path: the rate at the end of a saddle is its own.
    schedule : RateSchedule or None
    """
    layout = drift.layout
    theta, q, _, _ = layout.unpack(states)
    ever = np.max(np.abs(np.diagonal(q.sum(axis=1), axis1=1, axis2=2)), axis=0) > 0
    asleep = tuple(int(a) + 1 for a in np.flatnonzero(~ever))
    clocks = knots if schedule is None else np.asarray(schedule.clock(knots))
    tangent = Tangent(drift, ever)
    norm = np.linalg.norm(states[:, : layout.at_b], axis=1)
    scales = np.maximum(norm, norm.max() / 4)
    start = bool(theta.size and np.max(np.abs(theta)) < 1e-9 * norm.max())
    moving = float(np.linalg.norm(exact(float(knots[-1]), states[-1]))) / max(float(np.linalg.norm(states[-1])), 1e-300)
    kept = [int(k) for k in _nodes(knots, states)]
    if tangent.size > WHOLE:
        some = np.unique(np.array(kept)[np.linspace(0, len(kept) - 1, 4).round().astype(int)])
        rates = np.array([krylov_rate(tangent, states[k], tangent.drift(states[k])) for k in some])
        rate, clock = np.interp(clocks[kept], clocks[some], rates), clocks[kept]
        total = np.concatenate([[0.0], np.cumsum(np.diff(clock) * (rate[1:] + rate[:-1]) / 2)])
        gain = total - np.minimum.accumulate(total)
        rate = rate * _speed(schedule, knots[kept])
        return Stability(knots[kept], rate, gain, np.zeros(0), scales[kept], (), moving, start, asleep)
    found: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}

    def look(at: list[int]) -> None:
        speeds = np.array([1.0 if schedule is None else float(schedule(knots[k])) for k in at])
        J, noise = tangent.jacobians(knots[at], states[at], speeds)
        found.update(zip(at, zip(J, noise, np.linalg.eigvals(J).real.max(axis=1).tolist(), strict=True), strict=True))

    look(kept)
    for _ in range(MORE):
        ends = [(a, b) for a, b in itertools.pairwise(kept) if b > a + 1]
        growth = [
            abs(found[b][2] - found[a][2]) * (clocks[b] - clocks[a]) if max(found[a][2], found[b][2]) > 0 else 0.0
            for a, b in ends
        ]
        if not ends or max(growth) < RESOLVED:
            break
        a, b = ends[int(np.argmax(growth))]
        middle = int(np.clip(np.searchsorted(clocks, (clocks[a] + clocks[b]) / 2), a + 1, b - 1))
        look([middle])
        kept = sorted([*kept, middle])
    tau, clock = knots[kept], clocks[kept]
    J, noise = np.array([found[k][0] for k in kept]), np.array([found[k][1] for k in kept])
    if found[kept[-1]][2] > 0 and exact is not drift:
        last = 1.0 if schedule is None else float(schedule(knots[-1]))
        J[-1] = Tangent(exact, ever).jacobians(knots[-1:], states[-1:], np.array([last]))[0][0]
    values, vectors = np.linalg.eig(J[-1])
    leading = np.asarray(tangent.basis @ vectors[:, int(np.argmax(values.real))].real)
    place, gain, spread = propagate(J, clock, noise)
    nodes = np.arange(len(tau))
    rate = np.interp(place, nodes, np.linalg.eigvals(J).real.max(axis=1) * _speed(schedule, tau))
    scale = np.interp(place, nodes, scales[kept])
    at = np.interp(place, nodes, tau)
    return Stability(at, rate, gain, spread, scale, label(layout, leading), moving, start, asleep)


def _speed(schedule: Any, tau: np.ndarray) -> np.ndarray:
    """d clock/dτ."""
    if schedule is None:
        return np.ones(len(tau))
    s = np.array([float(schedule(t)) for t in tau])
    return np.asarray(s * (1 + s) / 2)
