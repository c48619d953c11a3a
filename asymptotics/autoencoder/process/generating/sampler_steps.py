"""The steps of the sampler as they are made in R^d, in numbers and without the derivation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....common.input import expressions
from ....common.input.checks import InputError
from ...kernels.written.network import Forward
from ...model.problem import Problem
from ...model.sampling import KEY, NAMES
from ..training.setup import forward_of
from .generate import Generator


def sampler_steps(problem: Problem, b: Any, *, fine: float = 2.5e-3) -> dict[str, Any]:
    """Γ_k, Δ_k, ε_k and h_k of the sampler's steps, from x̂₀ and x̂₁ solved for at each time, and what the network is told there.

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
    skip = problem.skip_at(b, t)
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
        gamma[k], delta[k] = of_f, of_x + of_f * skip[k]
    found = {"gamma": gamma, "delta": delta, "epsilon": epsilon, "h": h, "clock": problem.told(t)}
    labels = problem.target.cluster_labels
    if problem.denoiser.labelled and labels is not None:
        weights = np.bincount(labels, problem.target.weights)
        found["label"] = weights if sampling.label is None else sampling.label
        found["guidance"] = sampling.guidance_at(s, t)
    return found


def generator_of(
    problem: Problem, denoiser: Forward, trained: tuple[np.ndarray, Any, np.ndarray], directions: Any, **options: Any
) -> Generator:
    """What generates by the problem's sampler from a trained network: its kernels, and W, b and κ."""
    weights, b, parameters = trained
    steps = sampler_steps(problem, b)
    return Generator(denoiser, weights, **steps, directions=directions, parameters=parameters, **options)


def _drift(text: Any) -> Any:
    """The drift of the generative SDE in numbers: a function of x, f, x̂₀, x̂₁ and the schedule, without the derivation."""
    if text is None:
        return lambda x, f, noise, data, now: (
            (now["alpha_dot"] - now["epsilon"] / now["alpha"]) * noise + now["beta_dot"] * data
        )
    function = expressions.to_function(expressions.to_sympy(text, NAMES, KEY), NAMES)

    def drift(x: float, f: float, noise: float, data: float, now: dict[str, float]) -> float:
        velocity = now["alpha_dot"] * noise + now["beta_dot"] * data
        values = {"x": x, "f": f, "noise": noise, "data": data, "velocity": velocity, "score": -noise / now["alpha"]}
        return float(function(*[({**values, **now})[name] for name in NAMES]))

    return drift
