"""The accuracy of Gaussian expectations, chosen by refinement along a pilot path."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ....common.numerics.quadrature.expectations import Fields, Lattice, Rule, Split, ladder
from ....common.numerics.quadrature.lattices import DIMENSIONS
from ....common.running.progress import Forecast
from ...kernels.compile import Kernels
from ...model.problem import Problem
from ..derivative.drift import Drift
from .errors import RESERVE, of_other_nodes
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
#: Times as much as is wanted: nodes that differ by more from one other rule are not compared with more of them.
UNLIKELY = 2.0
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


def _entry(rungs: list[Any]) -> int:
    """Where a ladder is entered."""
    return min(range(len(rungs)), key=lambda k: abs(rungs[k].nodes - _PILOT[rungs[k].kind]), default=0)


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
        #: Whether no rule of a ladder was seen to be enough.
        self.exhausted = False
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

    def choose(self, controls: Controls) -> tuple[Fields, Rule]:
        """The rule for single times, and that for pairs of times."""
        if without_nodes(self.problem, self.kernels):
            return UNUSED, UNUSED
        if self.natural is not None and not self.noise_ladder:
            return self.natural, UNUSED
        taus, states, first = self._pilot(controls)
        self.expected = evaluations_of_path(self.pilot_drift.evaluations)
        noise = self.noise or self.pilot_noise
        rule: Fields = UNUSED
        if self.natural is not None:
            rule = self.natural
        elif self.rule is not None:
            rule = self.rule
        elif "moments" not in self.kernels.exact:
            rungs = [r for r in self.ladder if r.nodes >= first.nodes or r.kind != first.kind]
            rule = self._refine(rungs, states, taus, lambda r: (r, noise), self.SAFETY)
        if self.noise_ladder and self.noise is None:
            noise = self._refine(self.noise_ladder, states, taus, lambda r: (rule, r), self.PAIRS)
        self.evaluations += self.pilot_drift.evaluations
        return rule, noise

    #: A pilot whose own error is above this share of the order parameters says nothing about the path: take more nodes.
    PILOT_ERROR = 0.05
    #: Likewise the relative change of its drift under refinement.
    PILOT_DRIFT = 0.3

    def _pilot(self, controls: Controls) -> tuple[np.ndarray, np.ndarray, Rule]:
        """Times and states of a rough solve that is right to a few per cent, and the rule that gave it."""
        rungs = self.ladder if self.natural is not None else self.ladder[_entry(self.ladder) :]
        pairs = [self.noise] if self.noise else self.noise_ladder[_entry(self.noise_ladder) :] or [self.ladder[0]]
        top = max(len(rungs), len(pairs)) - 1
        rules = [(rungs[min(k, len(rungs) - 1)], pairs[min(k, len(pairs) - 1)]) for k in range(top + 1)]
        rough = Controls("DOP853", 2e-3, 2e-3, controls.max_steps)
        taus = self._taus()
        for k, own in enumerate(rules):
            self.pilot_drift, self.pilot_noise = Drift(self.problem, self.kernels, *own), own[1]
            self.growth_rates = None
            try:
                states = integrate(self.problem, self.pilot_drift, rough, False, self.clock, ROUGH_SPLIT).state(taus)
            except SolveError:
                if k == top:
                    raise
                continue
            if k == top:
                break
            first, finer = (self._drifts(of, states, taus) for of in (own, rules[k + 1]))
            # A pilot that has run away is as wrong as it is large: its drift is then not the drift of finer nodes either.
            size = np.linalg.norm(first, axis=1) + np.linalg.norm(states, axis=1) / taus[-1]
            lost = np.any(np.linalg.norm(finer - first, axis=1) > self.PILOT_DRIFT * size)
            error = self._propagate(taus, states, finer - first)
            if not lost and error < self.PILOT_ERROR * (1 + np.max(np.abs(states))):
                break
        return taus, states, own[0]

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
        self,
        rungs: list[Rule],
        states: np.ndarray,
        taus: np.ndarray,
        pair: Callable[[Rule], tuple[Fields, Rule]],
        share: float,
    ) -> Rule:
        """The first rule of a ladder that errs by less than a share of the tolerance."""
        wanted, k, top = share * self.tolerance, 0, len(rungs) - 1
        known: dict[Rule, np.ndarray] = {}

        def values(rule: Rule) -> np.ndarray:
            if rule not in known:
                known[rule] = self._drifts(pair(rule), states, taus)
            return known[rule]

        while k < top:
            rule = rungs[k]
            sobol = rule.kind == "sobol"
            other = replace(rule, seed=rule.seed + 1) if sobol else rungs[min(k + 2, top)]
            error = RESERVE * self._propagate(taus, states, values(rule) - values(other))
            if error < UNLIKELY * wanted:
                # Two rules may agree by chance.
                error = self._propagate(taus, states, of_other_nodes(rule, values(rule), values))
            if error < wanted:
                return rule
            # The error falls at most as 1/N: what is in between would not be enough.
            more = math.log2(error / wanted) if sobol and np.isfinite(error) else 1.0
            k = min(k + max(1, int(more)), top)
        self.exhausted = True
        # What an evaluation takes.
        self._drifts(pair(rungs[top]), states[:1], taus[:1])
        return rungs[top]

    def _drifts(self, rules: tuple[Fields, Rule], states: np.ndarray, taus: np.ndarray) -> np.ndarray:
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
        for k in range(200):
            step = grid[k + 1] - grid[k]
            x = step * (rate[k] + rate[k + 1]) / 2
            gain = np.expm1(x) / x if abs(x) > 1e-12 else 1.0
            error = error * np.exp(x) + step * gain * (source[k] + source[k + 1]) / 2
            worst = max(worst, error)
        return float(worst)
