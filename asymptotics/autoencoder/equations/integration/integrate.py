"""A SciPy solver stepped along τ, and what it starts from: kernels, packed state, tolerances."""

from __future__ import annotations

import os
import weakref
from collections import deque
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import ComputationError, InputError, choice
from ....common.numerics.code.cache import CACHE_VARIABLE
from ....common.numerics.flows.panels import lobatto
from ....common.numerics.quadrature.expectations import Lattice, Rule
from ....common.running import progress as _progress
from ...kernels.compile import Kernels, compile_kernels
from ...model.problem import Problem
from ..derivative.drift import Drift
from ..derivative.layout import Layout
from ..training_path.loss_terms import unpredicted_along
from ..training_path.path import TrainingPath
from ..training_path.relaxation import SkipRelaxation
from .forecast import compiled
from .stepping import StepError, finite, pieces_of
from .steps import DENSE_NODES, Course, Steps, compiled_steps, solver_steps

if TYPE_CHECKING:
    from scipy.integrate import OdeSolver


class SolveError(ComputationError):
    """The integration stopped early; ``partial`` is the path up to there (or None)."""


def kernels_of(problem: Problem, *, backend: str | None = None, form: str = "auto") -> Kernels:
    """Kernels of the problem's denoiser; closed forms for centred fields where all centroids are zero.

    Compiled, unless another ``backend`` is named or the network is so large that compiling takes longer than arrays do.
    """
    denoiser = problem.denoiser
    if form == "auto" and not np.any(problem.target.centroids):
        form = "closed"
    if backend is None:
        backend = "numba" if compiled(len(denoiser.vectors)) else "numpy"
    asked = backend, form, os.environ.get(CACHE_VARIABLE)
    for known, of, found in tuple(_recent):
        if known() is denoiser and of == asked:
            return found
    found = compile_kernels(denoiser.specification(), denoiser.derived, backend=backend, form=form)
    _recent.append((weakref.ref(denoiser), asked, found))
    return found


#: Kernels that were asked for last: what a denoiser is made of need not be written out at every solve.
_recent: deque[tuple[weakref.ref[Any], tuple[str, str, str | None], Kernels]] = deque(maxlen=4)


def without_nodes(problem: Problem, kernels: Kernels) -> bool:
    """Whether every expectation of the problem has a closed form."""
    return "moments" in kernels.exact and ("noise" in kernels.exact or not problem.training.shares_samples)


def check_start(problem: Problem) -> None:
    """Refuse a start that nothing ever leaves: all weights zero where the network's slope there is zero too (σ(0) = 0)."""
    theta, q = problem.initial_overlaps()
    rho, _ = problem.denoiser.rates(problem.training.rates or {})
    if np.any(q) or np.any(theta) or not np.any(rho):
        return
    kernels = kernels_of(problem)
    drift = Drift(problem, kernels, Rule("hermite", 4) if kernels.smooth else Rule("sobol", 64))
    start = initial_state(problem, drift)
    slope = finite(lambda _, y: drift.slope(y, 1.0))(0.0, start)
    at_b = drift.layout.at_b
    trained = np.delete(slope, slice(at_b, at_b + drift.layout.basis))
    if np.all(np.abs(np.nan_to_num(trained)) < 1e-12):
        raise InputError(
            "denoiser.init: all weights are zero, and since the activation is 0 at 0 they would stay zero for ever, in theory and "
            "in every run; must have centroids, random, realisation or Theta and Q that are not zero (centroids = 0.1, say)"
        )


def whole_state(
    problem: Problem, layout: Layout, theta: np.ndarray, q: np.ndarray, start: ArrayLike, kappa: np.ndarray
) -> np.ndarray:
    """Packed state of a network that begins to train: velocities are zero, averages are the weights themselves.

    Parameters
    ----------
    problem : Problem
    layout : Layout
    theta, q, start, kappa : (atoms, p, K), (atoms, p, p), (basis,), (parameters,)
        Of the network.
    """
    copies = problem.optimiser.copies
    b = np.zeros(layout.basis)
    b[: problem.denoiser.basis] = np.ravel(start)[: problem.denoiser.basis]
    averaged = np.tile(np.concatenate([b, kappa]), (layout.averages, 1))
    return layout.pack(copies @ theta, copies @ q @ copies.T, b, kappa, averaged)


def initial_state(problem: Problem, drift: Drift) -> np.ndarray:
    """Packed state at τ = 0."""
    denoiser = problem.denoiser
    return whole_state(problem, drift.layout, *problem.initial_overlaps(), denoiser.start, denoiser.parameters)


def scale_of(problem: Problem) -> float:
    """1 + squared centroids and variances: what order parameters are measured in."""
    centroids = np.sum(problem.target.centroids**2, axis=-1)
    return float(1.0 + np.max(centroids, initial=0.0) + np.max(problem.target.eigenvalues, initial=0.0))


class Controls:
    """Method and tolerances of the integrator."""

    def __init__(self, method: str, rtol: float, atol: float, max_steps: int) -> None:
        methods = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
        self.method = choice("method", method, methods)
        self.rtol, self.atol, self.max_steps = max(rtol, 3e-14), atol, max_steps

    @property
    def solver(self) -> type[OdeSolver]:
        """SciPy's solver of that name."""
        import scipy.integrate

        return getattr(scipy.integrate, self.method)


def integrate(
    problem: Problem,
    drift: Drift,
    controls: Controls,
    progress: bool | None,
    clock: _progress.Forecast | None = None,
    allowed: float | None = None,
) -> TrainingPath:
    """Step a solver to τ_max, keeping its dense output at Chebyshev nodes of every step.

    ``allowed`` is what the derivative may be wrong by the nodes before their lattice is made finer, and so much less before it is
    made coarser (default: what the lattice is for).
    """
    if allowed is None:
        allowed = drift.rule.tolerance if isinstance(drift.rule, Lattice) else np.inf
    tau_max = problem.training.tau
    y0 = initial_state(problem, drift)
    drift.hold(y0)
    # Q and Θ are sums over the atoms: their errors are what atol is about.
    atol = np.full(len(y0), controls.atol / problem.target.atoms)
    atol[drift.layout.at_b :] = controls.atol
    pieces = pieces_of(drift, tau_max)
    # A solver that starts anew on every piece makes its error anew.
    shares = np.sqrt(len(pieces) - 1)
    rtol, scale = max(controls.rtol / shares, 3e-14), scale_of(problem)
    course = Course(drift, y0, pieces, rtol, atol / shares, scale, allowed, controls.max_steps)
    direct = controls.method == "DOP853" and drift.kernels.compiled
    taken = Steps.none(len(y0))
    message = None
    with _progress.bar(tau_max, "order parameters", enabled=progress, unit=" of tau", unit_scale=True) as watch:
        try:
            for more in compiled_steps(course) if direct else solver_steps(course, controls.solver):
                taken = taken.followed_by(more)
                watch.update(float(taken.knots[-1]) - watch.n)
                if clock is not None:
                    clock.at(float(taken.knots[-1]))
                if len(taken.values) >= controls.max_steps and taken.knots[-1] < tau_max:
                    raise StepError(taken.knots[-1], f"more than max_steps = {controls.max_steps} steps")
        except StepError as error:
            message = error.reason
    path = _path(problem, drift, controls, taken) if len(taken.values) else None
    if message is not None or path is None:
        raise SolveError(f"the solve stopped at tau = {taken.knots[-1]:.6g} of {tau_max:g}: {message}", path)
    return path


def _path(problem: Problem, drift: Drift, controls: Controls, taken: Steps) -> TrainingPath:
    knots, stacked = taken.knots, taken.values
    _close_skip(problem, drift, knots, stacked)
    if controls.method == "DOP853" and len(knots) <= 400:
        loss_tau = np.concatenate([[knots[0]], stacked_times(knots)])
        loss_states = np.concatenate([stacked[:1, 0], stacked[:, [3, -1]].reshape(-1, stacked.shape[-1])])
    else:
        loss_tau, loss_states = knots, np.concatenate([stacked[:1, 0], stacked[:, -1]])
    # Where the path ended fewer nodes may have been enough than where it began.
    drift.as_fine_as_planned()
    losses = cache(partial(drift.losses, loss_tau, loss_states))
    later: dict[str, Any] = {
        "loss_bulk": lambda: losses()[0],
        "loss_potential": lambda: losses()[1],
        "experiment": problem.to_tables,
        "loss_unpredicted": partial(unpredicted_along, problem, loss_tau),
    }
    return TrainingPath(
        knots=knots,
        values=stacked,
        centroids=problem.target.centroids,
        loss_tau=loss_tau,
        atoms=drift.layout.atoms,
        p=drift.layout.p,
        K=drift.layout.K,
        parameters=drift.layout.parameters,
        evaluations=drift.evaluations,
        error_estimate=float("nan"),
        seconds=0.0,
        rule="",
        method=controls.method,
        basis=drift.layout.basis,
        averages=[a.to_builtin() for a in problem.training.averages],
        moving=problem.optimiser.moving,
        source=problem,
        taken=taken,
        **later,
    )


def _close_skip(problem: Problem, drift: Drift, knots: np.ndarray, stacked: np.ndarray) -> None:
    """Put b_τ in closed form in the place of what the integrator found of it, where the times stand still."""
    if not problem.denoiser.has_skip or problem.training.moving:
        return
    nodes = lobatto(DENSE_NODES)
    taus = knots[:-1, None] + nodes * np.diff(knots)[:, None]
    first = drift.layout.at_b
    relaxation = SkipRelaxation(problem)
    stacked[:, :, first : first + drift.layout.basis] = relaxation(taus, problem.target.mean_eigenvalue)


def stacked_times(knots: np.ndarray) -> np.ndarray:
    """The fourth Chebyshev node and the end of every step."""
    inner = knots[:-1] + lobatto(DENSE_NODES)[3] * np.diff(knots)
    return np.stack([inner, knots[1:]], axis=1).ravel()
