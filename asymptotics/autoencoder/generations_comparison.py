"""Theory against experiment, generation by generation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.verdict import Row, Verdict
from .collapse_map import CollapseMap
from .collapse_result import Collapse
from .extrapolation import paired
from .generations_runs import CollapseRuns

#: Quantities compared.
COMPARED = ("Lambda", "b", "Q", "Theta", "parameters", "v", "mean", "covariance")


def _flat(name: str, values: np.ndarray) -> np.ndarray:
    """Independent entries on the last axis."""
    if name in ("Q", "covariance"):
        i, j = np.triu_indices(values.shape[-1])
        return values[..., i, j]
    return values


def extrapolated(runs: CollapseRuns, name: str, generation: int) -> np.ndarray:
    """Equivalent runs at d → ∞, linear in 1/d from each chain and its share of the companion ensemble."""
    main = _flat(name, runs.values(name)[:, generation - 1])
    low = _flat(name, runs.values(name, low=True)[:, generation - 1])
    return paired(main, low, runs.dimension, runs.low_dimension, 1)


def _skip_beyond_data(theory: Collapse, runs: CollapseRuns, generation: int) -> np.ndarray:
    """Equivalent runs of b without what the norm of each chain's own data explains.

    The data's ‖x‖²/d has a part of order 1/d that is not small beside Λ once the bulk has collapsed, and b(Λ) is curved; b given
    the measured Λ is a closed form.
    """
    g = generation - 1
    closed = CollapseMap(theory.problem)
    warm = theory.problem.generations.start == "warm" and g > 0

    def explained(Lambda: np.ndarray, b: np.ndarray) -> np.ndarray:
        start = b[..., g - 1] if warm else np.full(np.shape(b)[:-1], closed.initial_skip)
        return np.asarray(closed.skip(Lambda[..., g], start))  # type: ignore[arg-type]

    expected = explained(theory.Lambda, theory.b)
    main, low = (
        runs.values("b", k)[:, g] - explained(runs.values("Lambda", k), runs.values("b", k)) + expected
        for k in (False, True)
    )
    return paired(main, low, runs.dimension, runs.low_dimension, 1)


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

    What is allowed besides the spread of the chains is the theory's own error estimate. Without a companion ensemble the bias
    of order 1/d is not known, and nothing is tested. The sliced distance is not a row: that of a finite sample is biased upwards.
    """
    rows, not_tested, notes = [], [], []
    extrapolates = len(runs.low_b) > 1
    for g in range(1, min(theory.count, runs.count) + 1):
        for name in COMPARED:
            expected = _flat(name, getattr(theory, name)[g - 1])
            if np.size(expected) == 0:
                continue
            error = _flat(name, getattr(theory, f"error_{name}")[g - 1])
            title = f"{name}, generation {g}"
            values = _skip_beyond_data(theory, runs, g) if name == "b" else extrapolated(runs, name, g)
            # v is a function of b alone, far from linear where the bulk collapses.
            counted = extrapolates and name != "v"
            options: dict[str, Any] = {"allowance": error, "source": "numerical error", "counted": counted}
            if len(values) > 1:
                rows.append(Row.of_runs(title, expected, values, **options))
            else:
                not_tested.append((title, "one chain has no spread"))
    if extrapolates:
        notes.append("b is compared given the norm of the data that it was trained on; v is a function of b")
        notes.append(
            f"means are extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}; of order 1/d² it is neglected"
        )
    else:
        not_tested.append(("all generations", "the bias of order 1/d is not known without a companion ensemble"))
    details = {"gaps": [gaps(theory, runs, g) for g in range(1, min(theory.count, runs.count) + 1)]}
    return Verdict.of(rows, level=level, notes=tuple(notes), not_tested=tuple(not_tested), details=details)
