"""The asymptotic prediction: integrate the order-parameter equations, choosing the expectations' accuracy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import boolean, fail, integer, number
from ..common.numerics.quadrature.expectations import Lattice, Rule
from ..common.numerics.quadrature.lattices import DIMENSIONS
from ..common.running import progress as _progress
from .equations.derivative.drift import Drift
from .equations.integration.errors import fixed_nodes_error, nodes_error, path_error
from .equations.integration.forecast import before_kernels, before_path, before_solve
from .equations.integration.integrate import (
    Controls,
    SolveError,
    check_start,
    integrate,
    kernels_of,
    scale_of,
    without_nodes,
)
from .equations.integration.nodes import LONG, SHARE, Chooser, by_sobol, rough_rule
from .equations.training_path.live import live_states, without_averages
from .equations.training_path.path import TrainingPath
from .equations.training_path.stability import ROUNDING, Stability, analyse, growing
from .kernels.compile import Kernels
from .model.problem import Problem
from .solution import OrderParameterPath

#: Amplification of errors that any training has: the first growth of the weights.
TRANSIENT = 10.0
#: Order parameters above this are measured anew with smaller relative errors, where the wanted absolute one was not reached; the
#: smallest that double precision makes.
LARGE, TIGHTEST = 3.0, 1e-13
#: A path that misses its tolerance by less than the first is found again with one that is smaller by as much, times the second.
MISSED, BY = 10.0, 3.0
#: Errors of the derivative that other nodes than a lattice's make, where fields are wide.
SCATTERED = 1e-4
#: Share of the tolerance that steps may take where nodes converge slowly: a few more evaluations for half as many nodes.
STEPS = 0.03
#: Share of order parameters on the scale of the squared centroids that rounding takes from a derivative.
ROUNDED = 1e-15

_log = logging.getLogger(__name__)


def _integrated(
    problem: Problem,
    kernels: Kernels,
    tolerance: float,
    rules: tuple[Rule | None, Rule | None],
    controls: Controls,
    progress: bool | None,
    natural: bool = True,
) -> tuple[Chooser, Drift, TrainingPath]:
    """A path by the nodes that a `Chooser` takes."""
    chooser = Chooser(without_averages(problem), kernels, tolerance, *rules, natural=natural)
    chooser.clock = _progress.forecast("a first rough solve", problem.training.tau, "tau", progress)
    with _progress.bar(None, "choosing nodes", enabled=progress, unit="evaluation") as chooser.watch:
        chosen, noise = chooser.choose(controls)
    _log.info("nodes chosen after %d evaluations", chooser.evaluations)
    before_path(chooser.expected, chooser.pace)
    allowed = max(SHARE * tolerance * min(1.0, LONG / problem.training.tau), ROUNDED * scale_of(problem))
    wanted, nearer = (chosen, allowed), True
    while True:
        drift = Drift(problem, kernels, chosen, noise)
        try:
            return chooser, drift, integrate(problem, drift, controls, progress, allowed=allowed)
        except SolveError as stopped:
            if not drift.crowded:
                reached = None if stopped.partial is None else OrderParameterPath.of(stopped.partial)
                raise SolveError(str(stopped), reached) from None
            chooser.evaluations += drift.evaluations
        # The fields have grown too wide for so fine a lattice: the finest for which there is room is still better than other nodes.
        chooser.exhausted = True
        if allowed <= SCATTERED:
            allowed *= 4.0
            if nearer and isinstance(chosen, Lattice):
                # One for less does not reach so far: more of its room is left for its spacing.
                chosen = replace(chosen, tolerance=4.0 * chosen.tolerance)
        elif nearer and isinstance(chosen, Lattice):
            # What it does not reach counts where rates are high.
            nearer, chosen, allowed = False, wanted[0], 4.0 * wanted[1]
        else:
            found = _integrated(problem, kernels, tolerance, rules, controls, progress, natural=False)
            found[0].evaluations += chooser.evaluations
            return found


def stability_of(knots: np.ndarray, states: np.ndarray, rough: Drift, exact: Drift) -> Stability:
    """How deviations from a path through the live network's ``states`` at ``knots`` grow."""
    return analyse(knots, states, rough, exact, exact.coefficients.rate_schedule)


@dataclass(frozen=True)
class _Attempt:
    """A path with its estimated error, the size of what is on it, and how it was found."""

    path: TrainingPath
    error: float
    scale: float
    description: str
    stability: Stability | Callable[[], Stability]
    evaluations: int
    #: Share of the error by nodes that are fixed beforehand, or for finer ones of which there is no room.
    by_nodes: float
    #: Whether there are no finer nodes.
    exhausted: bool


def _attempt(
    problem: Problem,
    kernels: Kernels,
    tolerance: float,
    rules: tuple[Rule | None, Rule | None],
    controls: Controls,
    progress: bool | None,
) -> _Attempt:
    """Nodes chosen, the path, and what its errors amount to."""
    chooser, drift, path = _integrated(problem, kernels, tolerance, rules, controls, progress)
    description = "exact moments" if "moments" in kernels.exact else drift.rule_name
    if drift.pairs is not None and not without_nodes(problem, kernels):
        description += f", pairs of times: {drift.pairs.name}"
    _log.info("solved with %s: %d evaluations, %d steps", description, drift.evaluations, len(path.knots) - 1)
    # Averages of the weights change nothing of the live network: growth and stability are its own.
    live = without_averages(problem)
    own = drift
    if live is not problem:
        own = Drift(live, kernels, drift.rule, drift.pairs)
    states = live_states(np.concatenate([path.values[:1, 0], path.values[:, -1]]), own.layout, drift.layout)
    rough = chooser.pilot_drift
    if own is not drift:
        own.hold(states[0])
    if rough is not None:
        rough.hold(states[0])
    else:
        rough = own if isinstance(drift.rule, Rule) else own.with_rule(rough_rule(kernels))
    whole = rough if live is problem else drift.with_rule(rough.rule)
    if whole is not rough and rough.pairs is not None:
        whole = whole.with_pairs(rough.pairs)
    known: Stability | Callable[[], Stability] = partial(stability_of, path.knots, states, rough, own)
    by_nodes = fixed_nodes_error(path.taken, drift, whole)
    error = path_error(path.taken, whole) + by_nodes
    if chooser.exhausted and isinstance(drift.rule, Lattice):
        by_nodes += nodes_error(path.taken, whole)
    scale = max(1.0, float(np.max(np.abs(path.values))))
    if not np.any(path.taken.errors) or growing(path.knots, states, rough, tolerance):
        # Errors of a step grow as all deviations do; where that makes them as large as the path, nothing is known beyond its size.
        known = found = stability_of(path.knots, states, rough, own)
        amplification = found.amplification if len(found.spread) or found.saddle else 1.0
        if not np.any(path.taken.errors) or found.saddle or ROUNDING * amplification > tolerance:
            # A method that says nothing of its local errors is taken to make its tolerance, at every growth; and on a saddle
            # errors grow in directions that the path itself never takes, until rounding alone has made it leave.
            error += controls.rtol * scale * max(TRANSIENT, amplification)
    error = min(error, scale)
    evaluations = drift.evaluations + chooser.evaluations
    return _Attempt(path, error, scale, description, known, evaluations, by_nodes, chooser.exhausted)


def _by_steps(found: _Attempt) -> bool:
    """Whether smaller steps make the error smaller."""
    return found.by_nodes < 0.5 * found.error


def solve(
    problem: Problem,
    *,
    tau: ArrayLike | None = None,
    tolerance: float | None = None,
    method: str = "DOP853",
    rtol: float | None = None,
    atol: float | None = None,
    rule: Rule | None = None,
    noise_rule: Rule | None = None,
    backend: str | None = None,
    form: str = "auto",
    max_steps: int = 100_000,
    progress: bool | None = None,
    generated: bool = False,
) -> OrderParameterPath:
    """Solve the order-parameter equations of an auto-encoder experiment.

    Parameters
    ----------
    problem : Problem
    tau : sequence of float, optional
        Training times that the path reports (`OrderParameterPath.to_json`, ``summary``); it is solved on all of [0, τ_max].
    tolerance : float
        Wanted absolute error of Q, Θ and b. The cheapest rule for the Gaussian expectations that reaches it is chosen from
        the drift's change under refinement along a pilot path; nodes that stay fixed are compared with others on the path.
        Default 1e-6, or 2e-5
        where several times share a sample, 1e-4 where a kink or more than four fields need Sobol' points. Closed forms need no rule.
    method : str
        Any method of `scipy.integrate.solve_ivp`.
    rtol, atol : float, optional
        Of the integrator; default from ``tolerance``.
    rule, noise_rule : Rule, optional
        Fix the expectations by hand (single times; pairs of times); closed forms are then left aside.
    backend : {"numba", "numpy"}, optional
        Compiled or array code; default compiled, unless compiling so large a network takes longer.
    form : {"auto", "closed", "nodes", "hessian", "regression"}
        See `asymptotics.autoencoder.kernels.compile.compile_kernels`.
    max_steps : int
        A solve that needs more raises `SolveError`.
    progress : bool, optional
        Show a bar; default on a terminal.
    generated : bool
        Report the generated law at the last of ``tau`` too (`OrderParameterPath.generated`).

    Raises
    ------
    SolveError
        If the integrator gives up, a value is not finite, or max_steps is exceeded; it carries the partial path.
    InputError
        If an argument is not allowed.

    Notes
    -----
    dΘ/dτ, dq/dτ and db/dτ as derived in `derivations` (Cui, Pehlevan, Lu, arXiv 2501.03937).
    """
    start = time.perf_counter()
    if tau is not None and (np.min(tau) < 0 or np.max(tau) > problem.training.tau):
        fail("tau", tau, f"in [0, training.tau] = [0, {problem.training.tau:g}]")
    integer("max_steps", max_steps, at_least=1)
    by_hand = form == "auto" and not (rule is None and noise_rule is None)
    before_kernels(problem)
    check_start(problem)
    kernels = kernels_of(problem, backend=backend, form="nodes" if by_hand else form)
    if not without_nodes(problem, kernels):
        before_solve(problem, len(kernels.encoders))
    if tolerance is None:
        costly = problem.training.shares_samples or len(kernels.encoders) > 2
        tolerance = 2e-5 if costly and not without_nodes(problem, kernels) else 1e-6
        if (not kernels.smooth or len(kernels.encoders) > DIMENSIONS) and not without_nodes(problem, kernels):
            tolerance = 1e-4
    number("tolerance", tolerance, above=0, below=1)
    share = STEPS if by_sobol(kernels) else 0.1
    controls = Controls(
        method,
        share * tolerance if rtol is None else number("rtol", rtol, above=0),
        share * tolerance if atol is None else number("atol", atol, above=0),
        max_steps,
    )
    _log.info(
        "kernels of %s ready (%.2f s); wanted error %g",
        problem.denoiser.architecture,
        time.perf_counter() - start,
        tolerance,
    )
    by_default = rule is None and noise_rule is None and rtol is None and atol is None
    found = _attempt(problem, kernels, tolerance, (rule, noise_rule), controls, progress)

    def again(tolerance: float, rtol: float) -> _Attempt:
        tight = Controls(method, max(TIGHTEST, rtol), share * tolerance, max_steps)
        other = _attempt(problem, kernels, tolerance, (None, None), tight, progress)
        best = other if other.error < found.error else found
        return replace(best, evaluations=found.evaluations + other.evaluations)

    if found.error > tolerance and by_default and _by_steps(found) and kernels.smooth and found.scale > LARGE:
        # Relative errors of that size are more than what is wanted.
        found = again(tolerance, share * tolerance / found.scale)
    missed = found.error / tolerance
    if 1.0 < missed < MISSED and by_default and (_by_steps(found) or not found.exhausted):
        found = again(tolerance / (BY * missed), share * tolerance / (BY * missed))
    error, description = found.error, found.description
    if error > tolerance and by_default:
        large = f", {error / found.scale:.0e} of the largest order parameter" if found.scale > LARGE else ""
        _log.warning(
            "tolerance = %g is not reached: the path's estimated error is %.1e%s (%s)",
            tolerance, error, large, description,
        )  # fmt: skip
    solved = OrderParameterPath.of(
        found.path,
        stability=found.stability,
        evaluations=found.evaluations,
        error_estimate=error,
        seconds=time.perf_counter() - start,
        rule=description,
        shown=None if tau is None else np.atleast_1d(np.asarray(tau, dtype=np.float64)),
    )
    if not boolean("generated", generated):
        return solved
    from .generated.law import reported  # densities of images and all that they need: only where they are asked for

    last = solved.tau_max if solved.shown is None else float(solved.shown[-1])
    return OrderParameterPath.of(solved, generated=reported(solved, problem, last))
