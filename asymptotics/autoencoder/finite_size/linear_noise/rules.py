"""The cheapest expectations that give the error bars to a fraction of a per cent."""

from __future__ import annotations

import numpy as np

from ....common.numerics.quadrature.expectations import Rule, climb, ladder
from ...equations.training_path.path import TrainingPath
from ...model.problem import Problem
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
    taus = np.array(FRACTIONS) * path.tau_max
    states = np.stack([path.state(float(tau)) for tau in taus])
    count = 0

    def values(a: Rule, c: Rule) -> list[np.ndarray]:
        found = first.with_rules(a, c).along(taus, states)
        return [found.jacobian, found.noise]

    def agree(finer: Rule, before: list[np.ndarray], after: list[np.ndarray]) -> bool:
        nonlocal count
        count += len(states)
        # Sobol' points converge like 1/N: on that branch a coarser agreement is what the error bars need.
        tolerance = TOLERANCE if finer.kind == "hermite" else 5 * TOLERANCE
        return all(np.max(np.abs(a - b)) < tolerance * np.max(np.abs(b)) for a, b in zip(before, after, strict=True))

    rule, _, _ = climb(rungs, lambda finer: values(finer, noise_rungs[0]), agree)
    noise = climb(noise_rungs, lambda finer: values(rule, finer), agree)[0] if shared else noise_rungs[0]
    name = f"{rule.kind} {rule.nodes}" + (f", pairs of times: {noise.kind} {noise.nodes}" if shared else "")
    return first.with_rules(rule, noise), name, count
