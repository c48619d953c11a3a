"""Theory against the full process, with the finite-size effects that the theory itself predicts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError
from ..common.output.power import detectable
from ..common.output.scores import Prediction, judged
from ..common.output.verdict import LEVEL, Verdict
from .equations.order_parameters import ALONG, FINAL, schedule
from .equations.schemes import Grid
from .finite_size import DRAWS, averages
from .problem import Problem
from .settings import MixtureFlow
from .simulation import Runs, run_grid
from .theory import Solution

#: Relative change of an input by which the theory is differentiated, and draws for that.
_CHANGE, _DRAWS_OF_POWER = 0.01, 512
#: Inputs whose change is looked for.
INPUTS = ("cluster_std", "ridge", "centroid_norm")


def half_space_bias(flow: MixtureFlow, envelope: ArrayLike, dimension: int) -> np.ndarray:
    r"""Shift c of the coefficient of X̄ in the mean of s X_t, because s = sign(X̄·X₀) selects a half-space of X₀.

    .. math:: c = E_t\,\sqrt{\frac{2}{\pi}}\,\frac{1}{\sqrt{d\,(n^2m^2 + n\sigma^2)}} ;

    M moves by n c and Q_η by c. (E|g| = √(2/π) for g ~ N(0, 1), along X̄/‖X̄‖.)

    Parameters
    ----------
    flow : MixtureFlow
    envelope : array_like
        E_t, the factor on X₀.
    dimension : int

    Returns
    -------
    ndarray
    """
    n = flow.samples
    length = np.sqrt(dimension * ((n * flow.centroid_norm) ** 2 + n * flow.cluster_std**2))
    return np.asarray(envelope) * np.sqrt(2 / np.pi) / length


def predict(problem: Problem, grid: Grid, draws: int = DRAWS) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the simulation of a problem should measure: (value, allowance) by name.

    The values are those of the discretised sampler at this d (`finite_size.averages`), the allowance what the averages over draws do
    not know: their own standard error, and for ratios over P generated points the next order in 1/P.
    """
    flow, plan = problem.mixture_flow, problem.simulation
    alpha, beta = schedule(problem.interpolant, grid.times[:-1])
    drawn = averages(flow, grid, alpha, beta, plan.dimension, draws)
    out = {}
    for name, values in drawn.items():
        chosen = values[:, :-1] if values.ndim == 2 and values.shape[1] == len(grid.times) else values
        out[name] = chosen.mean(axis=0), chosen.std(axis=0, ddof=1) / np.sqrt(draws)
    d, points, m = plan.dimension, plan.samples, flow.centroid_norm
    spread = float(out["sigma_generated"][0])
    # A square root of an average over P points: −1/8 of its relative variance 2/(Pd). A ratio: at most its relative variance.
    roots = {"perp": 1 / (4 * points * d), "sigma_generated": 1 / (4 * points * d)}
    extra = {name: share * out[name][0] for name, share in roots.items()}
    extra["mw2_squared"] = np.asarray(
        spread**2 / (2 * points * d) + 2 * abs(spread - flow.cluster_std) * spread * roots["perp"]
    )
    extra["mean_cosine"] = np.asarray(2 * (spread / m) ** 2 / (points * d))
    return {name: (value, error + extra.get(name, 0.0)) for name, (value, error) in out.items()}


def compare(theory: Solution, runs: Runs, *, level: float = LEVEL) -> Verdict:
    """Theory against experiment: one row a quantity, and the verdict.

    Parameters
    ----------
    theory : Solution
    runs : Runs
        At least two runs of the same experiment.
    level : float
        Probability that a correct theory fails.

    Returns
    -------
    Verdict

    Raises
    ------
    InputError
        If the two are of different experiments, or there is only one run.
    """
    for table in ("mixture_flow", "interpolant"):
        if theory.experiment[table] != runs.experiment[table]:
            raise InputError(f"runs: their table [{table}] differs from the theory's")
    if runs.runs < 2:
        raise InputError(f"simulation.runs = {runs.runs}: must be at least 2 for a standard error")
    problem = Problem.from_tables(runs.experiment)
    grid = run_grid(problem)
    prediction = predict(problem, grid, max(DRAWS, 100 * runs.runs))
    source, found = "numerical error of the averages over overlaps, next order in 1/samples", []
    for name in (*ALONG, *FINAL):
        value, allowance = prediction.get(name, (None, 0.0))
        reason = "" if value is not None else "fresh noise: it is of the first set of noises, which is one of many"
        if not reason and np.any(np.isnan(getattr(runs, name))):
            reason = "a direction that it belongs to vanishes"
        labels = tuple(f"{name}({t:.3g})" for t in grid.times[:-1]) if name in ALONG else ()
        found.append(Prediction(name, value, allowance, source, reason, labels=labels))
    rows, not_tested = judged(found, {name: getattr(runs, name) for name in (*ALONG, *FINAL)})
    flow = problem.mixture_flow
    bias = float(half_space_bias(flow, theory.final.sigma_generated, runs.dimension))
    notes = [
        f"every order in 1/d included; the half-space bias alone moves M by {flow.samples * bias:.2g} and Q_eta by {bias:.2g} at t = 1",
        f"theory of the sampler as run: {problem.simulation.steps} {problem.simulation.scheme} steps uniform in"
        f" {problem.simulation.clock}",
    ]
    if int(runs.mistakes.sum()):
        notes.append(f"{int(runs.mistakes.sum())} labels were misread; the theory supposes none")
    verdict = Verdict.of(rows, level=level, not_tested=tuple(not_tested), notes=tuple(notes))
    return dataclasses.replace(verdict, power=_power(verdict, problem, grid))


def _power(verdict: Verdict, problem: Problem, grid: Grid) -> dict[str, float]:
    """Relative changes of σ, λ and m that this comparison would have seen with probability 1/2."""
    here = predict(problem, grid, _DRAWS_OF_POWER)
    shifts: dict[str, list[Any]] = {}
    for name in INPUTS:
        value = getattr(problem.mixture_flow, name)
        if value > 0:
            changed = problem.mixture_flow.replace(**{name: value * (1 + _CHANGE)})
            # The same draws on both sides, so that their noise cancels.
            there = predict(dataclasses.replace(problem, mixture_flow=changed), grid, _DRAWS_OF_POWER)
            # What does not fluctuate says nothing of an experiment: any change is seen there.
            shifts[f"mixture_flow.{name}"] = [
                np.where(r.sem > r.floor, (there[r.name][0] - here[r.name][0]) / _CHANGE, 0.0) for r in verdict.rows
            ]
    return detectable(verdict, shifts)
