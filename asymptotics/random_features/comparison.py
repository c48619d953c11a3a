"""Theory against trained networks."""

from __future__ import annotations

import numpy as np

from ..common.input.checks import InputError
from ..common.output.verdict import Row, Verdict
from .flow import Flow
from .problem import Problem
from .ridge import ridge
from .settings import RandomFeatures, Simulation
from .simulation import LOSSES, Runs, extrapolation
from .theory import Solution
from .times import longest


def compare(theory: Solution, runs: Runs) -> Verdict:
    """Rows of the losses along gradient flow and of the ridge estimator, the experiment extrapolated to 1/d = 0.

    The theory is solved again for exactly the counts and variances of every size, and the differences are extrapolated by
    the polynomial in 1/d through them; nothing is allowed beyond. What is left of the finite size is of the order after it.

    Raises
    ------
    InputError
        If the two are of different settings, or the runs have one size alone.
    """
    if not isinstance(theory, Solution) or not isinstance(runs, Runs):
        raise InputError("theory, runs: must come from solve and simulate of random features")
    if theory.settings["random_features"] != runs.settings["random_features"]:
        raise InputError("runs: must have the settings of the theory")
    if len(runs.sizes) < 2:
        raise InputError("runs: have one size alone; a comparison extrapolates in 1/d, simulation.sizes must be 2 or 3")
    problem = Problem(
        RandomFeatures.from_table(runs.settings["random_features"]), Simulation.from_table(runs.settings["simulation"])
    )
    weights = extrapolation(list(runs.sizes))
    flow, points = zip(*(_predicted(problem, dimension, runs.times) for dimension in runs.sizes), strict=True)
    rows = []
    # With the noise averaged exactly the memorisation loss is the train loss.
    kinds = LOSSES if problem.random_features.per_noise > 0 else LOSSES[:2]
    for k, name in enumerate(kinds):
        known = np.einsum("k,kt->t", weights, np.array(flow)[:, k])
        expected = getattr(theory, name)
        rows.append(_row(name, expected, runs.values(name) - known + expected, runs.times > 0))
        expected = np.array(getattr(theory.ridge, name))
        rows.append(
            _row(f"ridge_{name}", expected, runs.values("ridge")[:, k] - weights @ np.array(points)[:, k] + expected)
        )
    order = len(runs.sizes)
    sizes = ", ".join(map(str, runs.sizes))
    return Verdict.of(
        rows, notes=(f"extrapolated from d = {sizes}: what is left of the finite size is of order 1/d^{order}",)
    )


def _predicted(problem: Problem, dimension: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Train, test and memorisation loss at the times, and of the ridge, for exactly what was simulated in this dimension."""
    model, table = problem.simulated(dimension), problem.random_features
    flow = Flow.of(model, longest(model, times), table.weight_decay)
    point = ridge(model, table.ridge)
    return np.array(flow.losses(times)), np.array([getattr(point, name) for name in LOSSES])


def _row(name: str, theory: np.ndarray, values: np.ndarray, keep: np.ndarray | None = None) -> Row:
    """Mean and standard error over runs, shape (runs, …); entries not in ``keep`` do not fluctuate."""
    if keep is not None:
        theory, values = theory[keep], values[:, keep]
    count = len(values)
    return Row(name, theory, values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(count), 0.0, count - 1)
