"""Clones and U-turns: the reduced SDE against whole samples in R^d.

Given its weights, the fields and projections of a sample obey the reduced SDE exactly at every d: the pairs of one network are
independent draws with the probability that the reduced SDE has for its overlaps. What is compared are therefore the shares in R^d
beyond these, with the binomial law's own standard error; how networks differ is what the order parameters are tested for.
"""

from __future__ import annotations

import numpy as np

from ...common.input.checks import present
from ...common.output.verdict import LEVEL, Row, Verdict
from .result import Regimes
from .space import REDUCED, SpaceRuns

#: Expected pairs of the rarer kind from which on a share is taken for Gaussian; below, the exact binomial law is used.
MANY = 30


def compare_clusters(theory: Regimes, runs: SpaceRuns, *, level: float = LEVEL) -> Verdict:
    """One verdict over both curves."""
    from scipy.stats import binomtest

    rows: list[Row] = []
    tests: list[tuple[str, float]] = []
    not_tested: list[tuple[str, str]] = []
    total = runs.runs * runs.pairs
    for name in ("clones", "uturns"):
        expected = present(getattr(theory, name), name).phi
        own, measured = getattr(runs, f"reduced_{name}"), getattr(runs, name)
        if name == "clones" and np.all(own == 1.0):
            not_tested.append((name, "epsilon = 0: clones never part"))
            if np.any(measured < 1.0):
                tests.append((name, 0.0))
            continue
        p = own.mean(axis=0)
        many = total * np.minimum(p, 1 - p) >= MANY
        if many.any():
            # Where the reduced SDE is sampled too, by `REDUCED` times as many trajectories.
            variance = np.sum(own * (1 - own), axis=0) / runs.pairs / runs.runs**2 * (1 + 1 / REDUCED)
            mean = expected + np.mean(measured - own, axis=0)
            labels = tuple(f"{name}({t:.3g})" for t in runs.t[many])
            rows.append(Row(name, expected[many], mean[many], np.sqrt(variance[many]), labels=labels))
        for k in np.flatnonzero(~many):
            count = round(float(measured[:, k].sum() * runs.pairs))
            chance = binomtest(count, total, float(np.clip(p[k], 0.0, 1.0))).pvalue
            tests.append((f"{name}, t = {runs.t[k]:g}", float(min(chance, 1.0))))
    notes = [
        f"{runs.runs} networks at d = {runs.dimension}, {runs.pairs} pairs each: shares in R^d beyond those of the reduced SDE "
        "with the network's own overlaps"
    ]
    return Verdict.of(rows, level=level, tests=tuple(tests), notes=tuple(notes), not_tested=tuple(not_tested))
