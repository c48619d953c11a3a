"""Theory against experiment, generation by generation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...common.output.ensemble import standard_error
from ...common.output.entries import entries, upper_entries
from ...common.output.verdict import LEVEL, Row, Verdict
from ..finite_size.extrapolation import paired
from .result import Collapse
from .runs import CollapseRuns

#: Quantities compared.
COMPARED = ("Lambda", "b", "Q", "Theta", "parameters", "v", "mean", "covariance")


def _flat(name: str, values: np.ndarray) -> np.ndarray:
    """Independent entries on the last axis."""
    if name in ("Q", "covariance"):
        i, j = np.triu_indices(values.shape[-1])
        return values[..., i, j]
    return values


def _names(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of what `_flat` gives of an array of that shape."""
    return upper_entries(name, shape[-1]) if name in ("Q", "covariance") else entries(name, shape)


def extrapolated(runs: CollapseRuns, name: str, generation: int) -> np.ndarray:
    """Equivalent runs at d → ∞, linear in 1/d from each chain and its share of the companion ensemble."""
    main = _flat(name, runs.values(name)[:, generation - 1])
    low = _flat(name, runs.values(name, low=True)[:, generation - 1])
    return paired(main, low, runs.dimension, runs.low_dimension, 1)


def next_order(values: np.ndarray, runs: CollapseRuns, name: str, generation: int, scale: float) -> np.ndarray:
    """What the extrapolation leaves, of order 1/d², if the series in 1/d goes on in the proportion that its first term has."""
    mean = _flat(name, runs.values(name)[:, generation - 1]).mean(axis=0)
    correction = np.abs(mean - values.mean(axis=0))
    return np.asarray(correction**2 * (runs.dimension / runs.low_dimension) / max(scale, 1e-300))


def gaps(theory: Collapse, runs: CollapseRuns, generation: int) -> dict[str, Any]:
    """(mean − theory) at both dimensions, with standard errors: a finite-size gap ∝ 1/d is 4 times larger at d/4."""
    out = {}
    for name in COMPARED:
        expected = _flat(name, getattr(theory, name)[generation - 1])
        if np.size(expected) == 0:
            continue
        rows = {}
        for label, ensemble in (("high", runs.main), ("low", runs.low)):
            values = _flat(name, ensemble[name][:, generation - 1])
            if len(values) > 1:
                gap, sem = values.mean(axis=0) - expected, standard_error(values)
                rows[label] = {"dimension": ensemble.dimension, "gap": gap, "sem": sem}
        out[name] = rows
    return out


def compare(theory: Collapse, runs: CollapseRuns, *, level: float = LEVEL) -> Verdict:
    """Λ, b, Q, Θ, v and the moments of the projections in every generation, extrapolated in 1/d; one `Verdict`.

    What is allowed besides the spread of the chains is the theory's own error estimate. Without a companion ensemble the bias
    of order 1/d is not known, and nothing is tested; nor is a number whose next order may be larger than its standard error.
    The sliced distance is not a row: that of a finite sample is biased upwards.
    """
    rows, not_tested, notes = [], [], []
    extrapolates = runs.low.runs > 1
    for g in range(1, min(theory.count, runs.count) + 1):
        for name in COMPARED:
            expected = _flat(name, getattr(theory, name)[g - 1])
            if np.size(expected) == 0:
                continue
            error = _flat(name, getattr(theory, f"error_{name}")[g - 1])
            values, title = extrapolated(runs, name, g), f"{name}, generation {g}"
            if len(values) < 2:
                not_tested.append((title, "one chain has no spread"))
                continue
            # v is a function of b alone.
            counted = extrapolates and name != "v"
            labels = tuple(f"{x}, generation {g}" for x in _names(name, np.shape(getattr(theory, name)[g - 1])))
            row = Row.of_runs(title, expected, values, allowance=error, source="numerical error", labels=labels)
            # E‖x‖²/d of generated data is linear in 1/d.
            if counted and name != "Lambda":
                # A mean may vanish by symmetry: its scale is the spread of the points.
                scale = np.sqrt(np.max(theory.covariance[g - 1])) if name == "mean" else np.max(np.abs(expected))
                left = next_order(values, runs, name, g, float(scale))
                if np.any(left > np.maximum(row.sem, error)):
                    counted = False
                    reason = f"the next order in 1/d, about {np.max(left):.1g}, is not below the standard error; take a larger d"
                    not_tested.append((title, reason))
            rows.append(dataclasses.replace(row, counted=counted))
    if extrapolates:
        notes.append(
            f"means are extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}; of order 1/d² it is neglected"
        )
    else:
        not_tested.append(("all generations", "the bias of order 1/d is not known without a companion ensemble"))
    details = {"gaps": [gaps(theory, runs, g) for g in range(1, min(theory.count, runs.count) + 1)]}
    return Verdict.of(rows, level=level, notes=tuple(notes), not_tested=tuple(not_tested), details=details)
