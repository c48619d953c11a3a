"""The accuracy of Gaussian expectations, chosen by refinement along a pilot path."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ....common.numerics.quadrature.expectations import Fields, Lattice, Rule, Split, ladder
from ....common.numerics.quadrature.lattices import DIMENSIONS
from ....common.running.progress import Forecast
from ...kernels.compile import Kernels
from ...model.problem import Problem
from ..derivative.drift import Drift
from .forecast import evaluations_of_path
from .integrate import Controls, SolveError, integrate, without_nodes

#: Stands where closed forms look at no nodes.
UNUSED = Rule("hermite", 1)
#: Where the ladder of rules is entered.
_PILOT = {"hermite": 16, "sobol": 512}
#: Accuracy of a lattice, and of split rules, along a pilot path and for the growth of deviations.
ROUGH, ROUGH_SPLIT = 1e-3, 3e-2
#: Most fields that are split one after the other.
SPLIT = 4
#: Share of the tolerance that the derivative may be wrong by.
SHARE = 0.3
#: Other scramblings of Sobol' points that their error is estimated from, and what the estimate is taken times: over hundreds of states
#: more than 95 of 100 errors are smaller then.
SCRAMBLINGS, RESERVE = 4, 1.3
#: Over longer trainings the nodes' errors add up: they are allowed less.
LONG = 4.0


def by_lattice(kernels: Kernels) -> bool:
    """Whether the fields at one time have a lattice: φ is smooth, and there are few of them."""
    return kernels.smooth and 0 < len(kernels.encoders) <= DIMENSIONS and "moments" not in kernels.exact


def by_splitting(kernels: Kernels) -> bool:
    """Whether φ is polynomial between breaks that are one field's own each, and there are few fields."""
    return kernels.split and kernels.compiled and 0 < len(kernels.encoders) <= SPLIT and "moments" not in kernels.exact


def by_sobol(kernels: Kernels) -> bool:
    """Whether there are so many fields at one time that nothing but Sobol' points is left."""
    return len(kernels.encoders) > DIMENSIONS and "moments" not in kernels.exact


def natural_rule(kernels: Kernels, tolerance: float) -> Fields | None:
    """Nodes that follow the fields, for a wanted error of the derivative; None where there are no such."""
    if by_lattice(kernels):
        return Lattice(tolerance)
    if by_splitting(kernels):
        decades = max(1.0, -math.log10(tolerance))
        return Split(max(2, round(2.0 * decades)), kernels.inner, 1e-4 * tolerance)
    return None


def rough_rule(kernels: Kernels) -> Fields:
    """Nodes that are right to a few per cent."""
    natural = natural_rule(kernels, ROUGH if by_lattice(kernels) else ROUGH_SPLIT)
    if natural is not None:
        return natural
    return Rule("hermite", 4) if kernels.smooth else Rule("sobol", 64)


class Chooser:
    """Chooses the cheapest expectations that reach the tolerance, by refinement along a pilot path."""

    #: Fractions of the training at which the drift is refined (of τ_max, or of the clock that a rate schedule makes).
    FRACTIONS = (0.0, 0.08, 0.2, 0.35, 0.6, 1.0)
    #: Share of the tolerance that the expectations may take, and those over pairs of times: their errors along the pilot path may
    #: grow more on the path itself.
    SAFETY, PAIRS = 0.4, 0.3

    def __init__(
        self,
        problem: Problem,
        kernels: Kernels,
        tolerance: float,
        rule: Rule | None,
        noise: Rule | None,
        natural: bool = True,
    ) -> None:
        self.problem, self.kernels, self.tolerance = problem, kernels, tolerance
        self.rule, self.noise = rule, noise
        self.evaluations = 0
        #: Evaluations that the path is expected to need, and the seconds that one of them took last.
        self.expected, self.pace = 0, 0.0
        self.watch: Any = None
        #: Says how long the pilot takes, where that is long.
        self.clock: Forecast | None = None
        self.pilot_drift: Any = None
        #: Growth of an error of the drift that the estimated error already contains.
        self.amplification = 1.0
        self.growth_rates: np.ndarray | None = None
        self.schedule = problem.training.rate_schedule()
        n = len(kernels.encoders)
        # Above two dimensions Sobol' points are ahead of tensor rules for smooth functions too.
        self.noise_ladder = ladder(2 * n, kink=not kernels.smooth or n > 1) if problem.training.shares_samples else []
        wanted = tolerance * min(1.0, LONG / problem.training.tau) if by_lattice(kernels) else tolerance
        self.natural = natural_rule(kernels, wanted) if rule is None and natural else None
        if self.natural is not None:
            self.ladder: list[Any] = [rough_rule(kernels)]
        elif "moments" in kernels.exact:
            self.ladder = [UNUSED]
        else:
            self.ladder = ladder(n, kink=not kernels.smooth or by_sobol(kernels))
        if "noise" in kernels.exact:
            self.noise_ladder = []

    def choose(self, controls: Controls) -> tuple[Fields, Rule, float]:
        """``(rule, rule for pairs of times, estimated error of the path by what is fixed beforehand)``."""
        if without_nodes(self.problem, self.kernels):
            return UNUSED, UNUSED, 0.0
        if self.natural is not None and not self.noise_ladder:
            return self.natural, UNUSED, 0.0
        taus, states, first = self._pilot(controls)
        self.expected = evaluations_of_path(self.pilot_drift.evaluations)
        noise = self.noise or self.pilot_noise
        rule: Fields = UNUSED
        error = 0.0
        if self.natural is not None:
            rule = self.natural
        elif "moments" not in self.kernels.exact:
            rungs = [r for r in self.ladder if r.nodes >= first.nodes or r.kind != first.kind]
            rule, error = self._refine(rungs, states, taus, lambda r: (r, noise), self.rule, self.SAFETY)
        if self.noise_ladder:
            noise, more = self._refine(self.noise_ladder, states, taus, lambda r: (rule, r), self.noise, self.PAIRS)
            error += more
        self.evaluations += self.pilot_drift.evaluations
        return rule, noise, error

    #: A pilot whose own error is above this share of the order parameters says nothing about the path: take more nodes.
    PILOT_ERROR = 0.05
    #: Likewise the relative change of its drift under refinement.
    PILOT_DRIFT = 0.3

    def _pilot(self, controls: Controls) -> tuple[np.ndarray, np.ndarray, Rule]:
        """Times and states of a rough solve that is right to a few per cent, and the rule that gave it."""
        cheap = 0
        if self.natural is None:
            cheap = min(range(len(self.ladder)), key=lambda k: abs(self.ladder[k].nodes - _PILOT[self.ladder[k].kind]))
        self.pilot_noise = self.noise_ladder[0] if self.noise_ladder else self.ladder[cheap]
        rough = Controls("DOP853", 2e-3, 2e-3, controls.max_steps)
        taus = self._taus()
        for k in range(cheap, len(self.ladder)):
            self.pilot_drift = Drift(self.problem, self.kernels, self.ladder[k], self.noise or self.pilot_noise)
            self.growth_rates = None
            last = k + 1 == len(self.ladder)
            try:
                states = integrate(self.problem, self.pilot_drift, rough, False, self.clock).state(taus)
            except SolveError:
                if last:
                    raise
                continue
            if last:
                break
            finer = self._drifts((self.ladder[k + 1], self.noise or self.pilot_noise), states, taus)
            own = self._drifts((self.ladder[k], self.noise or self.pilot_noise), states, taus)
            # A pilot that has run away is as wrong as it is large: its drift is then not the drift of finer nodes either.
            size = np.linalg.norm(own, axis=1) + np.linalg.norm(states, axis=1) / taus[-1]
            lost = np.any(np.linalg.norm(finer - own, axis=1) > self.PILOT_DRIFT * size)
            error = self._propagate(taus, states, finer - own)
            if not lost and error < self.PILOT_ERROR * (1 + np.max(np.abs(states))):
                break
        return taus, states, self.ladder[k]

    def _taus(self) -> np.ndarray:
        tau = self.problem.training.tau
        if self.schedule is None or not self.schedule.clock(tau) > 0:
            return np.array(self.FRACTIONS) * tau
        # Where something happens: a burst may hold most of the training.
        return self.schedule.at_clock(np.array(self.FRACTIONS) * self.schedule.clock(tau))

    def _per_clock(self, taus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the clock shows at τ, and dτ by d clock there (0 where it stands still)."""
        if self.schedule is None:
            return taus, np.ones_like(taus)
        rate = np.array([float(self.schedule(t)) for t in taus])
        rate = rate * (1 + rate) / 2
        return self.schedule.clock(taus), np.divide(1.0, rate, out=np.zeros_like(rate), where=rate > 0)

    def _refine(
        self, rungs: list[Rule], states: np.ndarray, taus: np.ndarray, pair: Any, fixed: Rule | None, share: float
    ) -> tuple[Rule, float]:
        """The first rule of a ladder (or ``fixed``) that errs by less than a share of the tolerance, and its error on the path."""
        wanted, k = share * self.tolerance, 0
        if fixed is not None:
            above = [r for r in rungs if r.kind == fixed.kind and r.nodes > 1.2 * fixed.nodes]
            rungs = [fixed, above[0] if above else Rule(fixed.kind, fixed.nodes * 2)]
            rungs = rungs[:1] if fixed.kind == "sobol" else rungs
        values = self._drifts(pair(rungs[0]), states, taus)
        used, error = rungs[0], np.inf
        while True:
            rule = rungs[k]
            if rule.kind == "sobol":
                used, error = rule, self._propagate(taus, states, self._scattered(rule, pair, values, states, taus))
            if (fixed is None and error < wanted) or k + 1 == len(rungs):
                return used, error
            # The error falls at most as 1/N: what is in between would not be enough.
            more = math.log2(error / wanted) if rule.kind == "sobol" and np.isfinite(error) else 1.0
            k = min(k + max(1, int(more)), len(rungs) - 1)
            before, values = values, self._drifts(pair(rungs[k]), states, taus)
            if rungs[k].kind != "sobol":
                used, error = rule, self._propagate(taus, states, values - before)
                if fixed is not None or error < wanted:
                    return used, error

    def _scattered(self, rule: Rule, pair: Any, values: np.ndarray, states: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """What Sobol' points are wrong by: the difference from the mean over other scramblings of as many points, as large as both
        it and their spread say (a difference may be small by chance)."""
        scramblings = [replace(rule, seed=rule.seed + k) for k in range(1, SCRAMBLINGS + 1)]
        others = np.array([self._drifts(pair(other), states, taus) for other in scramblings])
        change = values - others.mean(axis=0)
        size, spread = np.sum(change**2, axis=1), np.sum(others.var(axis=0, ddof=1), axis=1)
        factor = RESERVE * np.sqrt(1.0 + np.divide(spread, size, out=np.zeros_like(size), where=size > 0))
        return np.asarray(factor[:, None] * change)

    def _drifts(self, rules: tuple[Rule, Rule], states: np.ndarray, taus: np.ndarray) -> np.ndarray:
        drift = Drift(self.problem, self.kernels, *rules)
        values, start = np.empty_like(states), time.perf_counter()
        for k, (t, y) in enumerate(zip(taus, states, strict=True)):
            values[k] = drift(t, y)
            if self.watch is not None:
                self.watch.update()
        self.evaluations += drift.evaluations
        self.pace = (time.perf_counter() - start) / len(states)
        return values

    def _propagate(self, taus: np.ndarray, states: np.ndarray, change: np.ndarray) -> float:
        """Largest error of Q, Θ, b along the path that an error ``change`` of the drift causes.

        The error obeys e' = J e + change; J is taken along the change itself, from one more evaluation of the cheap drift
        a state, so that a relaxing direction forgets and a growing one is not overlooked.
        """
        if self.growth_rates is None:
            norm = np.linalg.norm(change, axis=1)
            self.growth_rates = np.zeros(len(taus))
            for k, (t, y, e, size) in enumerate(zip(taus, states, change, norm, strict=True)):
                if size > 0:
                    h = 1e-5 / size
                    difference = self.pilot_drift(t, y + h * e) - self.pilot_drift(t, y)
                    self.growth_rates[k] = difference @ e / (h * size**2)
        # By the clock a burst of the rates is as long as what it does.
        taus, slowness = self._per_clock(taus)
        rates = self.growth_rates * slowness
        # Atoms add up in Q and Θ: that is what the tolerance is about.
        theta, q, b, kappa = self.pilot_drift.layout.unpack(change)
        flat = [x.reshape(len(taus), -1) for x in (theta.sum(axis=1), q.sum(axis=1), b, kappa)]
        source = np.max(np.abs(np.concatenate(flat, axis=1)), axis=1) * slowness
        grid = np.linspace(taus[0], taus[-1], 201)
        rate, source = np.interp(grid, taus, rates), np.interp(grid, taus, source)
        error = worst = 0.0
        growth = largest = 0.0
        for k in range(200):
            step = grid[k + 1] - grid[k]
            x = step * (rate[k] + rate[k + 1]) / 2
            growth = max(growth + x, 0.0)
            largest = max(largest, growth)
            gain = np.expm1(x) / x if abs(x) > 1e-12 else 1.0
            error = error * np.exp(x) + step * gain * (source[k] + source[k + 1]) / 2
            worst = max(worst, error)
        self.amplification = float(np.exp(min(largest, 700.0)))
        return float(worst)
