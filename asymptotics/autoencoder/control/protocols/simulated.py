"""Protocols carried out in R^d: trainings piece by piece, each going on from the weights that the one before left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from ....common.running.ensembles import Resources, Run, run_ensemble, spawn
from ...equations.integration.integrate import whole_state
from ...model.problem import Problem
from ...process.training.problem import SgdProblem
from ...process.training.setup import sgd_problem
from ...process.training.sgd import prepare, train
from ..objectives.trained import Hitting, Objective
from ..setting import Setting
from .optimum import Estimate

#: Times of a run at which a cosine is looked at.
LOOKS = 400


def _one(
    seed: np.random.SeedSequence, pieces: Sequence[tuple[SgdProblem, int]], looks: int, *, run: Run
) -> dict[str, Any]:
    """Order parameters of one run after every piece (and at ``looks`` times, in steps, on the way)."""
    total, done = sum(count for _, count in pieces), 0
    state: dict[str, Any] = {}
    steps, theta, q, b, kappa = [], [], [], [], []
    for child, (setup, count) in zip(seed.spawn(len(pieces)), pieces, strict=True):
        if count == 0:
            continue
        per_step = 2 * setup.learning_rate / setup.dimension
        here = replace(setup, tau=count * per_step, **state)
        stride = max(1, total // looks) if looks else count
        marks = sorted({*range(stride, count, stride), count})
        trained = train(here, child, [k * per_step for k in marks])
        for k in range(len(marks)):
            steps.append(done + marks[k])
            theta.append(trained.theta[k])
            q.append(trained.q[k])
            b.append(trained.b[k])
            kappa.append(trained.parameters[k])
        done += count
        state = {
            "theta": None, "q": None, "frame": None, "start": None,
            "initial": (trained.weights, trained.references, trained.counts),
            "b": trained.b[-1], "parameters": trained.parameters[-1],
        }  # fmt: skip
        run.progress(done, total)
    return {
        name: np.array(x)
        for name, x in zip(("steps", "theta", "q", "b", "kappa"), (steps, theta, q, b, kappa), strict=True)
    }


def simulate_protocol(
    setting: Setting,
    objective: Objective,
    problems: Sequence[Problem],
    knots: np.ndarray,
    **resources: Unpack[Resources],
) -> Estimate:
    """Mean and standard error of the objective over runs in R^d.

    Parameters
    ----------
    problems : sequence of Problem
        One for each part of the training, with the controls as constants.
    knots : (parts + 1,)
        Ends of the parts, in n/d.
    """
    problem = setting.problem
    d, batch = problem.simulation.dimension, problem.training.batch
    ends = np.round(np.asarray(knots) * d / batch).astype(int)
    pieces = [(sgd_problem(of), int(n)) for of, n in zip(problems, np.diff(ends), strict=True)]
    prepare(pieces[0][0])
    if pieces[0][0].schedule is not None:
        # A factor along the whole training: every part has its own steps of it.
        whole = sgd_problem(problem)
        pieces = [
            (replace(of, schedule=whole.factors(int(at), n)), n) for (of, n), at in zip(pieces, ends, strict=False)
        ]
    looks = LOOKS if isinstance(objective, Hitting) else 0
    seeds = spawn(problem.simulation.seed, problem.simulation.runs)
    runs = run_ensemble(_one, seeds, pieces, looks, description="protocol in R^d", watched=True, **resources)
    values = np.array([_value(setting, objective, one, d / batch) for one in runs])
    finite = values[np.isfinite(values)]
    mean = float(values.mean()) if len(finite) == len(values) else float("nan")
    sem = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return Estimate(mean, sem)


def _value(setting: Setting, objective: Objective, one: dict[str, Any], per_sample: float) -> float:
    layout = setting.layout
    states = [
        whole_state(setting.problem, layout, theta, q, np.atleast_1d(b), kappa)
        for theta, q, b, kappa in zip(one["theta"], one["q"], one["b"], one["kappa"], strict=True)
    ]
    if not isinstance(objective, Hitting):
        return objective.value(setting, setting.problem, states[-1])
    values = [objective.value(setting, setting.problem, y) for y in states]
    crossed = next((k for k, v in enumerate(values) if v >= 0), None)
    if crossed is None:
        return float("nan")
    x = one["steps"] / per_sample
    if crossed == 0:
        return float(x[0])
    part = -values[crossed - 1] / (values[crossed] - values[crossed - 1])
    return float(x[crossed - 1] + part * (x[crossed] - x[crossed - 1]))
