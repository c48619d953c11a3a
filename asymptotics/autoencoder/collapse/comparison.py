"""Theory against experiment, generation by generation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.output.verdict import Row, Verdict
from ..comparison import BIAS, CURVATURE, combine
from .result import Collapse
from .runs import CollapseRuns

#: Quantities compared, and the power of d with which their variances are pooled (None: each ensemble has its own).
COMPARED: dict[str, float | None] = {
    "Lambda": None,
    "b": None,
    "Q": 1.0,
    "Theta": 1.0,
    "parameters": None,
    "v": None,
    "mean": None,
    "covariance": None,
}


def _flat(name: str, values: np.ndarray) -> np.ndarray:
    """Independent entries on the last axis."""
    if name in ("Q", "covariance"):
        i, j = np.triu_indices(values.shape[-1])
        return values[..., i, j]
    return values


def extrapolated(runs: CollapseRuns, name: str, generation: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean at d → ∞ (linear in 1/d, from the two ensembles), its standard error and degrees of freedom."""
    main = _flat(name, runs.values(name)[:, generation - 1])
    low = _flat(name, runs.values(name, low=True)[:, generation - 1])
    return combine(main, low, runs.dimension, runs.low_dimension, COMPARED.get(name))


def gaps(theory: Collapse, runs: CollapseRuns, generation: int) -> dict[str, Any]:
    """(mean − theory) at both dimensions, with standard errors: a finite-size gap ∝ 1/d is 4 times larger at d/4."""
    out = {}
    for name in COMPARED:
        expected = _flat(name, getattr(theory, name)[generation - 1])
        if np.size(expected) == 0:
            continue
        rows = {}
        for label, low, d in (("high", False, runs.dimension), ("low", True, runs.low_dimension)):
            values = _flat(name, runs.values(name, low)[:, generation - 1])
            if len(values) > 1:
                sem = values.std(axis=0, ddof=1) / np.sqrt(len(values))
                rows[label] = {"dimension": d, "gap": values.mean(axis=0) - expected, "sem": sem}
        out[name] = rows
    return out


def compare(theory: Collapse, runs: CollapseRuns, *, level: float = 0.01) -> Verdict:
    """Λ, b, Q, Θ, v and the moments of the projections in every generation, extrapolated in 1/d; one `Verdict`.

    What is allowed besides the standard errors: the theory's own error estimate and, after the extrapolation, 10 (1 + |theory|)
    /d² with d² the product of the two dimensions (without a companion ensemble: 10 (1 + |theory|)/d). The sliced distance is not
    a row: that of a finite sample is biased upwards.
    """
    rows = []
    extrapolates = len(runs.low_b) > 1
    scale = CURVATURE / (runs.dimension * runs.low_dimension) if extrapolates else BIAS / runs.dimension
    for g in range(1, min(theory.count, runs.count) + 1):
        for name in COMPARED:
            expected = _flat(name, getattr(theory, name)[g - 1])
            if np.size(expected) == 0:
                continue
            error = _flat(name, getattr(theory, f"error_{name}")[g - 1])
            mean, sem, degrees = extrapolated(runs, name, g)
            if not np.any(sem > 0):
                degrees = np.inf  # a number without fluctuations
            rows.append(
                Row(f"{name}, generation {g}", expected, mean, sem, error + scale * (1 + np.abs(expected)), degrees)
            )
    note = f"no companion ensemble: a bias of {BIAS:g} (1 + |theory|)/d is allowed for"
    if extrapolates:
        note = f"means are extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}"
    details = {"gaps": [gaps(theory, runs, g) for g in range(1, min(theory.count, runs.count) + 1)]}
    return Verdict.of(rows, level=level, notes=(note,), details=details)
