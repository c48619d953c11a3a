"""Theory against trained networks."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..common.input.checks import InputError
from ..common.output.power import detectable, shifts
from ..common.output.verdict import LEVEL, Row, Verdict
from .losses.flow import Flow, relaxation
from .losses.ridge import ridge
from .losses.times import longest
from .problem import Problem
from .resolvents.outlier import of_the_mean
from .simulation import LOSSES, Runs, extrapolation
from .theory import Solution

#: Inputs whose smallest visible change a verdict states; a relative step of each.
INPUTS = ("features", "samples", "diffusion_time", "ridge", "weight_decay", "initial_variance")
STEP = 0.01


def compare(theory: Solution, runs: Runs, *, level: float = LEVEL) -> Verdict:
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
    if theory.experiment["random_features"] != runs.experiment["random_features"]:
        raise InputError("runs: must have the settings of the theory")
    if len(runs.sizes) < 2:
        raise InputError("runs: have one size alone; a comparison extrapolates in 1/d, simulation.sizes must be 2 or 3")
    problem, moving = runs.problem, runs.times > 0
    known = _extrapolated(problem, runs)
    # With the noise averaged exactly the memorisation loss is the train loss.
    kinds = LOSSES if problem.random_features.per_noise > 0 else LOSSES[:2]
    rows = []
    for k, name in enumerate(kinds):
        along, at_ridge = np.asarray(getattr(theory, name)), np.array(getattr(theory.ridge, name))
        # Each loss is a sum over few outlying eigenvalues too: single runs are not Gaussian at small d.
        values = (runs.values(name) - known[name] + along)[:, moving]
        labels = tuple(f"{name}({tau:.3g})" for tau in runs.times[moving])
        rows.append(Row.of_runs(name, along[moving], values, skewed=True, labels=labels))
        values = runs.values("ridge")[:, k] - known[f"ridge_{name}"] + at_ridge
        rows.append(Row.of_runs(f"ridge_{name}", at_ridge, values, skewed=True))
    sizes = ", ".join(map(str, runs.sizes))
    left = f"extrapolated from d = {sizes}: what is left of the finite size is of order 1/d^{len(runs.sizes)}"
    verdict = Verdict.of(rows, level=level, notes=(left,))
    return dataclasses.replace(verdict, power=_power(problem, runs, verdict, known))


def _extrapolated(problem: Problem, runs: Runs) -> dict[str, np.ndarray]:
    """Every row's theory for exactly what was simulated in every size, extrapolated as the experiment is."""
    table, weights = problem.random_features, extrapolation(list(runs.sizes))
    flows, points = [], []
    for dimension in runs.sizes:
        model = problem.simulated(dimension)
        flow = Flow.of(model, longest(model, runs.times), table.weight_decay, table.start)
        mean = _mean(problem, dimension, runs.times)
        flows.append(np.array(flow.losses(runs.times)) + mean[:, :-1])
        point = ridge(model, table.ridge)
        points.append(np.array([getattr(point, name) for name in LOSSES]) + mean[:, -1])
    along, at_ridge = np.einsum("k,knt->nt", weights, np.array(flows)), weights @ np.array(points)
    return dict(zip(LOSSES, along, strict=True)) | {f"ridge_{n}": v for n, v in zip(LOSSES, at_ridge, strict=True)}


def _mean(problem: Problem, dimension: int, times: np.ndarray) -> np.ndarray:
    """What the activation's mean adds to the losses of this size, at every time and then for the ridge, shape (3, times + 1)."""
    table, (p, _, nm) = problem.random_features, problem.counts(dimension)
    u = p * problem.constants.mean**2
    if u == 0:
        return np.zeros((3, times.size + 1))
    filters = np.append(relaxation(np.array(u), times, table.weight_decay), 1 / (u + table.ridge))
    fading = np.append(np.exp(-(u + table.weight_decay) * times), 0.0)
    return of_the_mean(filters, fading, u, p, nm, table.start)


def _power(problem: Problem, runs: Runs, verdict: Verdict, here: dict[str, np.ndarray]) -> dict[str, float]:
    """The smallest relative change of each input that this comparison would have seen with probability ½."""
    table, largest, moved = problem.random_features, max(runs.sizes), {}
    at_size = dataclasses.replace(runs, sizes=(largest,))
    # One size is enough for a derivative: its finite-size part is a correction of a correction.
    base = _extrapolated(problem, at_size)
    for name in INPUTS:
        if getattr(table, name) > 0:
            # Numbers of features and samples are whole: a step that the size can follow.
            step = max(STEP, 1.0 / (getattr(table, name) * largest)) if name in ("features", "samples") else STEP
            changed = dataclasses.replace(
                problem, random_features=table.replace(**{name: (1 + step) * getattr(table, name)})
            )
            there = _extrapolated(changed, at_size)
            moved[f"random_features.{name}"] = {n: here[n] + (there[n] - base[n]) * STEP / step for n in here}
    moving = runs.times > 0
    picked = {key: {n: v[moving] if n in LOSSES else v for n, v in values.items()} for key, values in moved.items()}
    return detectable(
        verdict, shifts(verdict, {n: v[moving] if n in LOSSES else v for n, v in here.items()}, picked, STEP)
    )
