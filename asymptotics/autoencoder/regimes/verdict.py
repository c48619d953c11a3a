"""Clones and U-turns: the reduced SDE against whole samples in R^d.

Given its weights, the fields and projections of a sample obey the reduced SDE exactly at every d. What is compared are therefore
the shares in R^d beyond what the reduced SDE says of the same network; how networks differ is what the order parameters are
tested for.
"""

from __future__ import annotations

import numpy as np

from ...common.input.checks import present
from ...common.output.verdict import Row, Verdict
from .result import Regimes
from .space import SpaceRuns


def compare_clusters(theory: Regimes, runs: SpaceRuns, *, level: float = 0.01) -> Verdict:
    """One verdict over both curves."""
    rows, not_tested = [], []
    for name in ("clones", "uturns"):
        expected = present(getattr(theory, name), name).phi
        own = getattr(runs, f"reduced_{name}")
        measured = getattr(runs, name)
        if name == "clones" and np.all(measured == 1.0) and np.all(expected == 1.0):
            not_tested.append((name, "epsilon = 0: clones never part, in theory and in R^d"))
            continue
        values = measured - own + expected
        if runs.runs > 2:
            rows.append(Row.of_runs(name, expected, values))
            continue
        p = np.clip(own.mean(axis=0), 1 / runs.pairs, 1 - 1 / runs.pairs)
        rows.append(Row(name, expected, values.mean(axis=0), np.sqrt(p * (1 - p) / (runs.pairs * runs.runs))))
    notes = [
        f"{runs.runs} networks at d = {runs.dimension}, {runs.pairs} pairs each: shares in R^d beyond those of the reduced SDE "
        "with the network's own overlaps"
    ]
    return Verdict.of(rows, level=level, notes=tuple(notes), not_tested=tuple(not_tested))
