"""Escape times of runs: of the exact chain of the order parameters, and of SGD in R^d."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from ....common.input.checks import InputError
from ....common.running.ensembles import Resources, Run, run_ensemble, spawn
from ...finite_size.reduced_chain import Chain
from ...model.problem import Problem
from ...process.training.problem import SgdProblem
from ...process.training.setup import drawn_start, sgd_problem
from ...process.training.sgd import Trainer, prepare
from .orbits import Orbits
from .saddle import Saddle, longer

#: Points of τ at which a run is looked at; between two of them its distance is taken as linear.
POINTS = 250
#: Part of the checkpoint.
PART = {True: "full", False: "chain"}


def setup_of(problem: Problem, dimension: int, initial: str) -> SgdProblem:
    """What one run is told; its random weights are drawn anew where ``initial`` says so."""
    return drawn_start(sgd_problem(problem, dimension=dimension), problem, initial)


def _time(
    seed: np.random.SeedSequence,
    problem: SgdProblem,
    taus: np.ndarray,
    reference: np.ndarray,
    threshold: float,
    full: bool,
    *,
    run: Run,
) -> float:
    """One run up to its escape, and no farther; not-a-number where it is not in time."""
    process: Trainer | Chain = Trainer(problem, seed) if full else Chain(problem, seed)
    before = np.inf
    for k, tau in enumerate(taus):
        process.advance(problem.step_of(float(tau)) - process.step)
        run.progress(k, len(taus))
        found = process.overlaps()
        theta = found[0] if isinstance(found, tuple) else found.theta
        distance = float(np.linalg.norm(theta.sum(axis=0) - reference[k]))
        if not np.isfinite(distance):
            raise InputError(
                f"training.learning_rate: SGD diverged at dimension = {problem.dimension}; must be smaller"
            )
        if distance >= threshold:
            part = (threshold - before) / (distance - before) if k else 1.0
            return float(taus[k - 1] + part * (tau - taus[k - 1])) if k else float(tau)
        before = distance
    return float("nan")


def escape_times(
    saddle: Saddle,
    dimension: int,
    threshold: float,
    count: int,
    end: float,
    *,
    full: bool,
    **resources: Unpack[Resources],
) -> np.ndarray:
    """Escape times of ``count`` runs up to τ = ``end``, (count,); not-a-number: not by then."""
    problem = longer(saddle.path.problem, end)
    setup = setup_of(problem, dimension, saddle.initial)
    step = 2 * setup.learning_rate / dimension
    taus = np.linspace(0.0, setup.steps * step, min(POINTS, setup.steps + 1))
    orbits = Orbits(saddle, threshold)
    reference = np.array([orbits.reference(float(t)) for t in taus])
    seeds = spawn(problem.simulation.seed, count)
    if full:
        prepare(setup)
    else:
        Chain(setup, 0)  # refuses impossible overlaps before any process starts
    return np.array(
        run_ensemble(
            _time, seeds, setup, taus, reference, threshold, full, watched=True, part=PART[full],
            description=f"{PART[full]}, d = {dimension}", **resources,
        )
    )  # fmt: skip
