"""The cheapest expectations that give the error bars to a fraction of a per cent."""

from __future__ import annotations

import numpy as np

from ...common.numerics.expectations import Rule, ladder
from ..equations.path import TrainingPath
from ..model.problem import Problem
from .terms import Terms

#: Wanted error of J and Cov(Y), relative to their largest entry.
TOLERANCE = 2e-3
#: Fractions of τ_max at which the expectations are refined.
FRACTIONS = (0.2, 1.0)


def choose_rules(problem: Problem, path: TrainingPath) -> tuple[Terms, str, int]:
    """The cheapest expectations whose refinement moves J and Cov(Y) by less than `TOLERANCE`; how, and evaluations."""
    first = Terms(problem, Rule("hermite", 8), Rule("sobol", 512))
    n, kink, shared = len(first.encoders), bool(first.kernels.module.KINK), first.coefficients.shared_sample
    rungs = [r for r in ladder(n, kink=kink) if r.kind == "sobol" or r.nodes >= 16]
    noise_rungs = ladder(2 * n, kink=kink, largest=40_000) if shared else rungs[:1]
    states = [(f * path.tau_max, path.state(f * path.tau_max)) for f in FRACTIONS]
    rule, noise, count = rungs[0], noise_rungs[0], 0

    def values(a: Rule, c: Rule) -> list[np.ndarray]:
        terms = Terms(problem, a, c)
        found = [terms(t, y) for t, y in states]
        return [np.stack([e.jacobian for e in found]), np.stack([e.noise for e in found])]

    def close(x: list[np.ndarray], y: list[np.ndarray], tolerance: float) -> bool:
        return all(np.max(np.abs(a - b)) < tolerance * np.max(np.abs(b)) for a, b in zip(x, y, strict=True))

    for which, ladder_ in ((0, rungs), (1, noise_rungs)):
        before = values(rule, noise)
        # Sobol' points converge like 1/N: on that branch a coarser agreement is what the error bars need.
        for finer in ladder_[1:]:
            after = values(*((finer, noise) if which == 0 else (rule, finer)))
            count += len(states)
            done = close(before, after, TOLERANCE if finer.kind == "hermite" else 5 * TOLERANCE)
            if done:
                break
            rule, noise = (finer, noise) if which == 0 else (rule, finer)
            before = after
        if not shared:
            break
    name = f"{rule.kind} {rule.nodes}" + (f", pairs of times: {noise.kind} {noise.nodes}" if shared else "")
    return Terms(problem, rule, noise), name, count
