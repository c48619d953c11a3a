"""The asymptotic prediction: integrate the order-parameter equations, choosing the expectations' accuracy."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from ..common import progress as _progress
from ..common.checks import integer, number
from ..common.expectations import Rule, ladder
from .drift import Drift
from .initial import initial_overlaps
from .kernels import Kernels, compile_kernels
from .path import OrderParameterPath
from .settings import Problem

_log = logging.getLogger(__name__)

#: Degrees of the dense output that are stored exactly (8 nodes: polynomials of degree 7, DOP853's).
DENSE_NODES = 8


class SolveError(RuntimeError):
    """The integration stopped early; ``partial`` is the path up to there (or None)."""

    def __init__(self, message: str, partial: OrderParameterPath | None) -> None:
        super().__init__(message)
        self.partial = partial


def kernels_of(problem: Problem, *, backend: str = "numba", form: str = "auto") -> Kernels:
    """Compiled kernels of the problem's denoiser; closed forms for centred fields where all centroids are zero."""
    denoiser = problem.denoiser
    if form == "auto" and not np.any(problem.target.centroids):
        form = "closed"
    return compile_kernels(denoiser.specification(), denoiser.derived, backend=backend, form=form)


def without_nodes(problem: Problem, kernels: Kernels) -> bool:
    """Whether every expectation of the problem has a closed form."""
    return "moments" in kernels.exact and ("noise" in kernels.exact or not problem.training.shares_samples)


def initial_state(problem: Problem, drift: Drift) -> np.ndarray:
    """Packed state at τ = 0."""
    theta, q = initial_overlaps(problem)
    b = problem.denoiser.skip if problem.denoiser.has_skip else 0.0
    return drift.layout.pack(theta, q, b, problem.denoiser.parameters)


def solve(
    problem: Problem,
    *,
    tolerance: float | None = None,
    method: str = "DOP853",
    rtol: float | None = None,
    atol: float | None = None,
    rule: Rule | None = None,
    noise_rule: Rule | None = None,
    backend: str = "numba",
    form: str = "auto",
    max_steps: int = 100_000,
    progress: bool | None = None,
) -> OrderParameterPath:
    """Solve the order-parameter equations of an auto-encoder experiment.

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Wanted absolute error of Q, Θ and b. The cheapest rule for the Gaussian expectations that reaches it is chosen from
        the drift's change under refinement along a pilot path; its nodes stay fixed during the solve. Default 1e-6, or 2e-5
        where several times share a sample, 1e-4 where a kink needs Sobol' points. Closed forms need no rule.
    method : str
        Any method of `scipy.integrate.solve_ivp`.
    rtol, atol : float, optional
        Of the integrator; default from ``tolerance``.
    rule, noise_rule : Rule, optional
        Fix the expectations by hand (single times; pairs of times); closed forms are then left aside.
    backend : {"numba", "numpy"}
    form : {"auto", "closed", "nodes", "hessian", "regression"}
        See `asymptotics.autoencoder.kernels.compile_kernels`.
    max_steps : int
        A solve that needs more raises `SolveError`.
    progress : bool, optional
        Show a bar; default on a terminal.

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
    integer("max_steps", max_steps, at_least=1)
    by_hand = form == "auto" and not (rule is None and noise_rule is None)
    kernels = kernels_of(problem, backend=backend, form="nodes" if by_hand else form)
    if tolerance is None:
        costly = problem.training.shares_samples or len(kernels.encoders) > 2
        tolerance = 2e-5 if costly and not without_nodes(problem, kernels) else 1e-6
        if not kernels.smooth and not without_nodes(problem, kernels):
            tolerance = 1e-4
    number("tolerance", tolerance, above=0, below=1)
    controls = _Controls(
        method,
        0.1 * tolerance if rtol is None else number("rtol", rtol, above=0),
        0.1 * tolerance if atol is None else number("atol", atol, above=0),
        max_steps,
    )
    _log.info(
        "kernels of %s ready (%.2f s); wanted error %g",
        problem.denoiser.architecture,
        time.perf_counter() - start,
        tolerance,
    )
    chooser = _Chooser(problem, kernels, tolerance, rule, noise_rule)
    with _progress.bar(None, "choosing nodes", enabled=progress, unit="evaluation") as chooser.watch:
        chosen, noise, quadrature_error = chooser.choose(controls)
    _log.info("nodes chosen after %d evaluations", chooser.evaluations)
    drift = Drift(problem, kernels, chosen, noise)
    path = _integrate(problem, drift, controls, progress)
    description = "exact moments" if "moments" in kernels.exact else f"{chosen.kind} {chosen.nodes}"
    if drift.shared_sample and not without_nodes(problem, kernels):
        description += f", pairs of times: {noise.kind} {noise.nodes}"
    _log.info("solved with %s: %d evaluations, %d steps", description, drift.evaluations, len(path.knots) - 1)
    error = quadrature_error + 10 * controls.rtol * max(1.0, float(np.max(np.abs(path.values))))
    from dataclasses import replace

    return replace(
        path,
        evaluations=drift.evaluations + chooser.evaluations,
        error_estimate=error,
        seconds=time.perf_counter() - start,
        rule=description,
    )


class _Controls:
    def __init__(self, method: str, rtol: float, atol: float, max_steps: int) -> None:
        import scipy.integrate

        from ..common.checks import choice

        methods = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
        self.method = choice("method", method, methods)
        self.solver = getattr(scipy.integrate, method)
        self.rtol, self.atol, self.max_steps = max(rtol, 3e-14), atol, max_steps


#: Stands where closed forms look at no nodes.
UNUSED = Rule("hermite", 1)
#: Where the ladder of rules is entered.
_PILOT = {"hermite": 16, "sobol": 512}


class _Chooser:
    """Chooses the cheapest expectations that reach the tolerance, by refinement along a pilot path."""

    #: Fractions of τ_max at which the drift is refined.
    FRACTIONS = (0.0, 0.08, 0.2, 0.35, 0.6, 1.0)
    #: Share of the tolerance that the expectations may take.
    SAFETY = 0.5

    def __init__(
        self, problem: Problem, kernels: Kernels, tolerance: float, rule: Rule | None, noise: Rule | None
    ) -> None:
        self.problem, self.kernels, self.tolerance = problem, kernels, tolerance
        self.rule, self.noise = rule, noise
        self.evaluations = 0
        self.watch: Any = None
        self.growth_rates: np.ndarray | None = None
        n = len(kernels.encoders)
        self.ladder = ladder(n, kink=not kernels.smooth)
        self.noise_ladder = ladder(2 * n, kink=not kernels.smooth) if problem.training.shares_samples else []
        if "moments" in kernels.exact:
            self.ladder = [UNUSED]
        if "noise" in kernels.exact:
            self.noise_ladder = []

    def choose(self, controls: _Controls) -> tuple[Rule, Rule, float]:
        """``(rule, rule for pairs of times, estimated error of the path)``."""
        if without_nodes(self.problem, self.kernels):
            return UNUSED, UNUSED, 0.0
        taus, states, first = self._pilot(controls)
        noise = self.noise or self.pilot_noise
        rule, error = UNUSED, 0.0
        if "moments" not in self.kernels.exact:
            rungs = [r for r in self.ladder if r.nodes >= first.nodes or r.kind != first.kind]
            rule, error = self._refine(rungs, states, taus, lambda r: (r, noise), self.rule)
        if self.noise_ladder:
            noise, more = self._refine(self.noise_ladder, states, taus, lambda r: (rule, r), self.noise)
            error += more
        self.evaluations += self.pilot_drift.evaluations
        return rule, noise, error

    #: A pilot whose own error is above this share of the order parameters says nothing about the path: take more nodes.
    PILOT_ERROR = 0.05
    #: Likewise the relative change of its drift under refinement.
    PILOT_DRIFT = 0.3

    def _pilot(self, controls: _Controls) -> tuple[np.ndarray, np.ndarray, Rule]:
        """Times and states of a rough solve that is right to a few per cent, and the rule that gave it."""
        cheap = min(range(len(self.ladder)), key=lambda k: abs(self.ladder[k].nodes - _PILOT[self.ladder[k].kind]))
        self.pilot_noise = self.noise_ladder[0] if self.noise_ladder else self.ladder[cheap]
        rough = _Controls("RK45", 2e-3, 2e-3, controls.max_steps)
        taus = np.array(self.FRACTIONS) * self.problem.training.tau
        for k in range(cheap, len(self.ladder)):
            self.pilot_drift = Drift(self.problem, self.kernels, self.ladder[k], self.noise or self.pilot_noise)
            self.growth_rates = None
            last = k + 1 == len(self.ladder)
            try:
                states = _integrate(self.problem, self.pilot_drift, rough, False).state(taus)
            except SolveError:
                if last:
                    raise
                continue
            if last:
                break
            finer = self._drifts((self.ladder[k + 1], self.noise or self.pilot_noise), states, taus)
            own = self._drifts((self.ladder[k], self.noise or self.pilot_noise), states, taus)
            # A pilot that has run away is as wrong as it is large: its drift is then not the drift of finer nodes either.
            size = np.linalg.norm(own, axis=1) + np.linalg.norm(states, axis=1) / taus[-1]
            lost = np.any(np.linalg.norm(finer - own, axis=1) > self.PILOT_DRIFT * size)
            error = self._propagate(taus, states, finer - own)
            if not lost and error < self.PILOT_ERROR * (1 + np.max(np.abs(states))):
                break
        return taus, states, self.ladder[k]

    def _refine(self, rungs: list[Rule], states: np.ndarray, taus: np.ndarray, pair: Any, fixed: Rule | None) -> Any:
        if fixed is not None:
            above = [r for r in rungs if r.kind == fixed.kind and r.nodes > 1.2 * fixed.nodes]
            rungs = [fixed, above[0] if above else Rule(fixed.kind, fixed.nodes * 2)]
        before = self._drifts(pair(rungs[0]), states, taus)
        used, error = rungs[0], np.inf
        for finer in rungs[1:]:
            after = self._drifts(pair(finer), states, taus)
            error = self._propagate(taus, states, after - before)
            if fixed is not None:
                return used, error
            if error < self.SAFETY * self.tolerance:
                # Sobol' points gain little from one rung to the next: only the finer one is as good as their difference says.
                return (finer if finer.kind == "sobol" else used), error
            used, before = finer, after
        return used, error

    def _drifts(self, rules: tuple[Rule, Rule], states: np.ndarray, taus: np.ndarray) -> np.ndarray:
        drift = Drift(self.problem, self.kernels, *rules)
        values = np.empty_like(states)
        for k, (t, y) in enumerate(zip(taus, states, strict=True)):
            values[k] = drift(t, y)
            if self.watch is not None:
                self.watch.update()
        self.evaluations += drift.evaluations
        return values

    def _propagate(self, taus: np.ndarray, states: np.ndarray, change: np.ndarray) -> float:
        """Largest error of Q, Θ, b along the path that an error ``change`` of the drift causes.

        The error obeys e' = J e + change; J is taken along the change itself, from one more evaluation of the cheap drift
        a state, so that a relaxing direction forgets and a growing one is not overlooked.
        """
        if self.growth_rates is None:
            norm = np.linalg.norm(change, axis=1)
            self.growth_rates = np.zeros(len(taus))
            for k, (t, y, e, size) in enumerate(zip(taus, states, change, norm, strict=True)):
                if size > 0:
                    h = 1e-5 / size
                    difference = self.pilot_drift(t, y + h * e) - self.pilot_drift(t, y)
                    self.growth_rates[k] = difference @ e / (h * size**2)
        rates = self.growth_rates
        # Atoms add up in Q and Θ: that is what the tolerance is about.
        theta, q, b, kappa = self.pilot_drift.layout.unpack(change)
        flat = [theta.sum(axis=1).reshape(len(taus), -1), q.sum(axis=1).reshape(len(taus), -1)]
        source = np.max(np.abs(np.concatenate([*flat, b[:, None], kappa], axis=1)), axis=1)
        grid = np.linspace(taus[0], taus[-1], 201)
        rate, source = np.interp(grid, taus, rates), np.interp(grid, taus, source)
        error = worst = 0.0
        for k in range(200):
            step = grid[k + 1] - grid[k]
            x = step * (rate[k] + rate[k + 1]) / 2
            gain = np.expm1(x) / x if abs(x) > 1e-12 else 1.0
            error = error * np.exp(x) + step * gain * (source[k] + source[k + 1]) / 2
            worst = max(worst, error)
        return float(worst)


def _integrate(problem: Problem, drift: Drift, controls: _Controls, progress: bool | None) -> OrderParameterPath:
    """Step a SciPy solver to τ_max, keeping its dense output at Chebyshev nodes of every step."""
    tau_max = problem.training.tau
    y0 = initial_state(problem, drift)
    drift.hold(y0)
    if not np.all(np.isfinite(drift(0.0, y0))):
        raise SolveError("the drift is not finite at tau = 0", None)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Q and Θ are sums over the atoms: their errors are what atol is about.
        atol = np.full(len(y0), controls.atol / problem.target.atoms)
        atol[sum(drift.layout.sizes) :] = controls.atol
        solver = controls.solver(drift, 0.0, y0, tau_max, rtol=controls.rtol, atol=atol)
        nodes = (1 - np.cos(np.pi * np.arange(DENSE_NODES) / (DENSE_NODES - 1))) / 2
        knots: list[float] = [0.0]
        values: list[np.ndarray] = []
        message = None
        with _progress.bar(1000, "order parameters", enabled=progress, unit="‰") as watch:
            while solver.status == "running":
                if len(values) >= controls.max_steps:
                    message = f"more than max_steps = {controls.max_steps} steps"
                    break
                message = solver.step()
                if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                    message = message or "a value is not finite"
                    break
                dense = solver.dense_output()
                step = solver.t - solver.t_old
                inside = solver.t_old + step * nodes
                values.append(np.array([dense(t) for t in inside[:-1]] + [solver.y]))
                knots.append(float(solver.t))
                watch.update(int(1000 * solver.t / tau_max) - watch.n)
    stopped = bool(message) or solver.status == "failed"
    path = _path(problem, drift, controls, np.array(knots), values) if values else None
    if stopped or path is None:
        raise SolveError(f"the solve stopped at tau = {knots[-1]:.6g} of {tau_max:g}: {message}", path)
    return path


def _path(problem: Problem, drift: Drift, controls: _Controls, knots: np.ndarray, values: Any) -> OrderParameterPath:
    from .. import __version__

    stacked = np.array(values)
    if controls.method == "DOP853" and len(knots) <= 400:
        loss_tau = np.concatenate([[knots[0]], stacked_times(knots)])
        loss_states = np.concatenate([stacked[:1, 0], stacked[:, [3, -1]].reshape(-1, stacked.shape[-1])])
    else:
        loss_tau, loss_states = knots, np.concatenate([stacked[:1, 0], stacked[:, -1]])
    loss = np.array([drift.loss(y) for y in loss_states])
    return OrderParameterPath(
        knots=knots,
        values=stacked,
        centroids=problem.target.centroids,
        loss_tau=loss_tau,
        loss_bulk=loss[:, 0],
        loss_potential=loss[:, 1],
        atoms=drift.layout.atoms,
        p=drift.layout.p,
        K=drift.layout.K,
        parameters=drift.layout.parameters,
        evaluations=drift.evaluations,
        error_estimate=float("nan"),
        seconds=0.0,
        rule="",
        method=controls.method,
        experiment=problem.to_tables(),
        version=__version__,
        source=problem,
    )


def stacked_times(knots: np.ndarray) -> np.ndarray:
    """The fourth Chebyshev node and the end of every step."""
    fraction = (1 - np.cos(3 * np.pi / (DENSE_NODES - 1))) / 2
    inner = knots[:-1] + fraction * np.diff(knots)
    return np.stack([inner, knots[1:]], axis=1).ravel()
