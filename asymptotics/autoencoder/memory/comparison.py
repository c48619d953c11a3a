"""Finite data sets beside the one-pass theory, their limit n → ∞ at fixed τ: differences with errors, not a test."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import InputError
from ...common.output.entries import entries
from ...common.output.verdict import Row, Verdict
from ..equations.training_path.path import TrainingPath
from .result import FiniteRuns

REASON = "the theory is of one pass (n → ∞ at fixed tau); nothing is claimed of many passes over few samples"


def beside(theory: TrainingPath, runs: FiniteRuns) -> Verdict:
    """Rows of what differs, none of them counted: mean and standard error over data sets, and the one-pass theory at the same τ.

    Raises
    ------
    InputError
        If the theory does not reach the τ of the runs.
    """
    keep = runs.tau <= theory.tau_max * (1 + 1e-9)
    if not keep.any():
        raise InputError(f"theory: reaches tau = {theory.tau_max:g}, the runs begin at {runs.tau[0]:g}")
    tau = np.minimum(runs.tau[keep], theory.tau_max)
    at = theory(tau)
    rows = []
    for name, expected in (
        ("train_potential", theory.loss(tau)[1]),
        ("test_potential", theory.loss(tau)[1]),
        ("train_loss", theory.loss_total(tau, runs.dimension) / runs.dimension),
        ("test_loss", theory.loss_total(tau, runs.dimension) / runs.dimension),
        ("Theta", at.Theta),
        ("Q", at.Q),
        ("b", at.b),
    ):
        values = getattr(runs, name)[:, keep]
        if np.shape(values)[1:] == np.shape(expected):
            shape = np.shape(expected)[1:]
            labels = tuple(x for t in tau for x in entries(f"{name}({t:.3g})", shape))
            rows.append(Row.of_runs(name, expected, values, counted=False, labels=labels))
    skipped = [(row.name, REASON) for row in rows]
    return Verdict.of(
        rows, not_tested=tuple(skipped), notes=(f"n = {runs.samples}, {runs.epochs[keep][-1]:.4g} epochs",)
    )
