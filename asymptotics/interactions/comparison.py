"""Theory against fitted models."""

from __future__ import annotations

import numpy as np

from ..common.input.checks import InputError
from ..common.output.verdict import LEVEL, Row, Verdict
from .coupling.model import Split
from .simulation import DIRECTIONS, Runs
from .theory import Solution

ORDERS = ("order_0", "order_1", "order_2")
ACCURACY = "accuracy of the deterministic equivalent"


def compare(theory: Solution, runs: Runs, *, level: float = LEVEL) -> Verdict:
    """Rows of the divergences by parts.

    Given the features, the means of the orders are exact: their rows have the mean trace of these data sets in place of the
    theory's and allow nothing. That trace is compared with the theory's in rows of its own, with its stated accuracy.

    Raises
    ------
    InputError
        If the two are of different settings.
    """
    if not isinstance(theory, Solution) or not isinstance(runs, Runs):
        raise InputError("theory, runs: must come from solve and simulate of interactions")
    if theory.experiment["interactions"] != runs.experiment["interactions"]:
        raise InputError("runs: must have the settings of the theory")
    judge = _plain if theory.experiment["interactions"].get("ridge") is None else _of_ridge
    return judge(theory, runs, level)


def _plain(theory: Solution, runs: Runs, level: float) -> Verdict:
    m, r, n, f = theory.inputs, theory.outputs, theory.samples, theory.features
    rows: list[Row] = []
    skipped: list[tuple[str, str]] = []
    factors = {"kl_target_learned": 0.5 * r * n / max(n - f - r - 1, 1), "kl_learned_target": 0.5 * r}
    measured = {"kl_target_learned": runs.traces, "kl_learned_target": runs.traces_whitened}
    # An inverse Wishart matrix of ν degrees of freedom has a variance for ν > r + 3, and so has its square for ν > r + 7.
    excess = n - f - r
    heavy = {
        "kl_target_learned": f"heavy-tailed: its moments exist below the order {(excess + 1) / 2:g} only"
        if excess < 8
        else None,
        "kl_learned_target": None,
    }
    for name in DIRECTIONS:
        split: Split = getattr(theory, name)
        if split.total is None or heavy[name]:
            skipped.append((name, heavy[name] or dict(theory.reasons).get(name, "no value")))
            continue
        for part in ("inputs", "noise"):
            if part == "inputs" and name == "kl_target_learned" and n - m <= 9:
                skipped.append((f"{name}.inputs", "heavy-tailed"))
                continue
            rows.append(Row.of_runs(f"{name}.{part}", getattr(split, part), runs.column(name, part), skewed=True))
        for k, part in enumerate(ORDERS):
            given = factors[name] * measured[name][:, k]
            expected = getattr(split, part)
            rows.append(
                Row.of_runs(f"{name}.{part}", expected, runs.column(name, part) - given + expected, skewed=True)
            )
    allowed = theory.traces_error
    for name in ("traces", "traces_whitened"):
        values = getattr(theory, name)
        for k, part in enumerate(ORDERS):
            if not np.isfinite(values[k]):
                continue
            if name == "traces_whitened" and k == 0:
                continue  # 1/N exactly, in every data set
            rows.append(
                Row.of_runs(
                    f"{name}.{part}",
                    values[k],
                    getattr(runs, name)[:, k],
                    allowance=float(allowed[k] * values[k]),
                    source=ACCURACY,
                    skewed=True,
                )
            )
    notes = ("rows of the orders are given the features: their traces have rows of their own",)
    return Verdict.of(rows, level=level, not_tested=tuple(skipped), notes=notes)


def _of_ridge(theory: Solution, runs: Runs, level: float) -> Verdict:
    """Every order, unless the penalties are too small for the stated accuracy."""
    rows = []
    for k, part in enumerate(ORDERS):
        expected = getattr(theory.kl_target_learned, part)
        if expected is None:
            continue
        options = {"allowance": RIDGE[k] * expected, "source": ACCURACY, "skewed": True}
        rows.append(Row.of_runs(f"kl.{part}", expected, runs.column("kl_target_learned", part), **options))
    skipped = [] if rows else [("kl_target_learned", dict(theory.reasons).get("kl_target_learned", "no value"))]
    notes = ("both directions are equal: Γ and the inputs are known",)
    return Verdict.of(rows, level=level, not_tested=tuple(skipped), notes=notes)


#: What ridge may be off by order, relative: the largest differences in simulations of m = 8 … 20, N/F = .17 … 3, penalties not small.
RIDGE = (0.4, 0.11, 0.11)
