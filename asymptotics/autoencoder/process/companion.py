"""An ensemble in R^d with a companion at d/4: what the experiment itself says about its bias in 1/d."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...common.input.checks import InputError
from ...common.output.ensemble import Ensemble
from ...common.running.ensembles import run_ensemble, spawn
from ..model.problem import Problem
from .training.problem import SgdProblem
from .training.setup import sgd_problem

#: The companion ensemble at d/4 has this many times the runs: its standard error is then the same.
COMPANION = 4


def with_companion(
    member: Callable[..., Mapping[str, Any]],
    arguments: Sequence[Any],
    problem: Problem,
    setup: SgdProblem,
    names: Sequence[str],
    low_names: Sequence[str],
    *,
    companion: bool | None,
    **options: Any,
) -> tuple[Ensemble, Ensemble]:
    """``simulation.runs`` members at d, and 4 times as many at d/4 (none: an ensemble without runs).

    Parameters
    ----------
    member : callable
        ``member((seed, setup), *arguments, run=Run)``, what one run gives, by name.
    setup : SgdProblem
        The training at d, whose start is known to be possible.
    names, low_names : sequence of str
        What is kept of either ensemble.
    companion : bool, optional
        Default: where the initial overlaps fit in d/4 dimensions, and neither data nor one drawn matrix tie the runs to d.
    **options
        Of `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        If a companion is asked for and d/4 is too small for the initial overlaps.
    """
    runs, low = problem.simulation.runs, setup.dimension // COMPANION
    small = None
    if companion or (companion is None and setup.data is None and problem.denoiser.init.realisation is None):
        try:
            small = sgd_problem(problem, dimension=low)
            small.begin(0)
        except InputError:
            if companion:
                raise
            small = None
    seeds = spawn(problem.simulation.seed, runs * (1 + COMPANION * (small is not None)))
    pairs = list(zip(seeds, [setup] * runs + [small] * (len(seeds) - runs), strict=True))
    results = run_ensemble(
        member, pairs, *arguments, description=f"d = {setup.dimension}", watched=True, **options
    )  # fmt: skip
    main = Ensemble.of(results[:runs], setup.dimension, names)
    return main, Ensemble.of(results[runs:], low, low_names) if small is not None else main.take(slice(0), low)
