"""An experiment as what runs in R^d: the SGD that is told nothing but data and rates, and the steps of the sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, integer
from ..equations.coefficients import Coefficients
from ..kernels.network import Forward
from ..model.extensions import refuse
from ..model.problem import Problem
from ..model.rate_schedule import rate_schedule
from ..model.sampling import KEY, NAMES
from ..model.target import EmpiricalMixture
from .problem import SgdProblem


def forward_of(problem: Problem) -> Forward:
    """The network's φ and slopes, compiled."""
    denoiser = problem.denoiser
    return Forward.from_specification(denoiser.specification(), denoiser.declaration)


@dataclass(frozen=True)
class _Schedule:
    """Mean of s over the SGD step that starts at τ: a picklable function of arrays.

    With the mean no burst falls between two steps, and the sum over steps is ∫s dτ.
    """

    text: Any
    tau: float
    step: float

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        return rate_schedule(self.text, self.tau, "training.schedule").averages(tau, self.step)


def sgd_problem(problem: Problem, *, dimension: int | None = None, data: Any = None) -> SgdProblem:
    """The experiment as an `SgdProblem`: what one training in R^d is told.

    The initial weights have exactly the initial overlaps of the experiment; with ``init.realisation`` they are one drawn
    matrix, the same in every run. ``data`` are samples to train on (array (n, d), name or path); the target must have been
    measured on samples, so that atoms and reference directions are those of its eigenbasis.
    """
    refuse(problem, "the simulation")
    if data is not None:
        if not isinstance(problem.target, EmpiricalMixture):
            raise InputError(
                "data: the target must be made from samples (GaussianMixture.from_samples, or target.samples in a file), so"
                " that theory and experiment have the same atoms and reference directions"
            )
        data, dimension = problem.target.coordinates(data), problem.target.dimension
    target, training, denoiser = problem.target, problem.training, problem.denoiser
    given, forward = Coefficients.of(problem), forward_of(problem)
    d = problem.simulation.dimension if dimension is None else integer("dimension", dimension, at_least=2)
    y0, y1 = forward.target(*given.schedule)
    start: dict[str, Any]
    if denoiser.init.realisation is not None:
        start = {"initial": problem.realised_weights(d)}
    else:
        theta, q = problem.initial_overlaps()
        start = {"theta": theta, "q": q}
        if isinstance(target, EmpiricalMixture) and d == target.dimension:
            start["frame"] = target.references, target.counts
    return SgdProblem(
        denoiser=forward,
        dimension=d,
        centroids=target.centroids,
        alpha=given.schedule[0],
        beta=given.schedule[1],
        y0=y0,
        y1=y1,
        learning_rate=given.eta,
        tau=training.tau,
        weights=given.pi,
        eigenvalues=given.varsigma,
        masses=given.mass,
        reference_overlaps=given.T,
        time_weights=given.time_weights,
        weight_decay=given.decay,
        rates=given.rho,
        rate_b=given.rho_b,
        schedule=None
        if training.schedule is None
        else _Schedule(training.schedule, training.tau, 2 * training.learning_rate / d),
        b=denoiser.skip if denoiser.has_skip else 0.0,
        parameters=denoiser.parameters,
        batch=given.batch,
        average=training.average,
        dtype="float32" if problem.simulation.precision == "single" else "float64",
        data=data,
        **start,
    )


def sampler_steps(problem: Problem, b: float, *, fine: float = 2.5e-3) -> dict[str, Any]:
    """Γ_k, Δ_k, ε_k and h_k of the sampler's steps, from x̂₀ and x̂₁ solved for at each time.

    The continuous scheme is followed by steps of equal length in −ln α, ``fine`` each.
    """
    s, sampling = problem.interpolant, problem.sampling
    grid = sampling.grid()
    if sampling.scheme == "continuous":
        dense = np.linspace(sampling.start, sampling.stop, 200_001)
        clock = dense - np.log(s.alpha(dense))
        count = max(100, int(np.ceil((clock[-1] - clock[0]) / fine)))
        grid = np.interp(np.linspace(clock[0], clock[-1], count + 1), clock, dense)
    t, h = grid[:-1], np.diff(grid)
    alpha, beta, alpha_dot, beta_dot = s.alpha(t), s.beta(t), s.alpha_dot(t), s.beta_dot(t)
    epsilon = sampling.epsilon_function(s)(t)
    y0, y1 = forward_of(problem).target(alpha, beta, alpha_dot, beta_dot)
    gamma, delta = np.empty(len(t)), np.empty(len(t))
    drift = _drift(sampling.drift)
    for k in range(len(t)):
        # (x, f) = [[α, β], [y₀, y₁]] (x̂₀, x̂₁), and the drift is linear in (x̂₀, x̂₁).
        system = np.array([[alpha[k], beta[k]], [np.broadcast_to(y0, t.shape)[k], np.broadcast_to(y1, t.shape)[k]]])
        known = abs(np.linalg.det(system)) >= 1e-300
        inverse = np.linalg.inv(system) if known else np.full((2, 2), np.nan)
        now = {"t": t[k], "epsilon": epsilon[k], "alpha": alpha[k], "beta": beta[k]}
        now |= {"alpha_dot": alpha_dot[k], "beta_dot": beta_dot[k]}
        # Its coefficients are its values at (x, f) = (1, 0) and (0, 1).
        of_x, of_f = (drift(*point, *(inverse @ point), now) for point in np.eye(2))
        if not np.isfinite(of_x + of_f):
            raise InputError(f"sampling: the prediction determines no velocity at t = {t[k]:g}; start later")
        gamma[k], delta[k] = of_f, of_x + of_f * b
    return {"gamma": gamma, "delta": delta, "epsilon": epsilon, "h": h}


def _drift(text: Any) -> Any:
    """The drift of the generative SDE in numbers: a function of x, f, x̂₀, x̂₁ and the schedule, without the derivation."""
    if text is None:
        return lambda x, f, noise, data, now: (
            (now["alpha_dot"] - now["epsilon"] / now["alpha"]) * noise + now["beta_dot"] * data
        )
    from ...common.input import expressions

    function = expressions.to_function(expressions.to_sympy(text, NAMES, KEY), NAMES)

    def drift(x: float, f: float, noise: float, data: float, now: dict[str, float]) -> float:
        velocity = now["alpha_dot"] * noise + now["beta_dot"] * data
        values = {"x": x, "f": f, "noise": noise, "data": data, "velocity": velocity, "score": -noise / now["alpha"]}
        return float(function(*[({**values, **now})[name] for name in NAMES]))

    return drift
