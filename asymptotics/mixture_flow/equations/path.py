r"""The order parameters by numerical integration of their equations of motion.

The closed solution of `asymptotics.mixture_flow.equations.order_parameters` makes this unnecessary for the model itself; it is the road for
extensions (another skip connection, a discretised sampler) and an independent check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import ComputationError, InputError, number
from ...common.numerics.interpolants import Interpolant
from ..settings import MixtureFlow, checked_times
from .order_parameters import Transported, generated_std, schedule
from .schemes import Grid


class SolveError(ComputationError):
    """A numerical integration that stopped early; ``partial`` holds (times of the clock, values) up to there."""


@dataclass(frozen=True, kw_only=True)
class Path(Transported):
    """M, Q_ξ, Q_η, perp at the times asked for, the number of evaluations and the estimated largest error."""

    evaluations: int
    error_estimate: float


def integrate(
    flow: MixtureFlow,
    interpolant: Interpolant,
    times: ArrayLike,
    *,
    rtol: float = 1e-10,
    skip: Callable[[float], float] | None = None,
) -> Path:
    r"""Integrate the equations of M, Q^ξ, Q^η and X^⊥ by an adaptive eighth-order Runge–Kutta method.

    In φ = arctan(β/α) and X/ρ, ρ² = α² + β², the equations have no pole in α and end exactly at t = 1:

    .. math:: \frac{dy}{d\varphi} = \frac{(\sigma_g^2-1)\sin\varphi\cos\varphi}{D}\,y + \frac{1}{(N+\lambda)D}
       \begin{cases} N\cos\varphi & M\\ -\sigma_g^2\sin\varphi & Q^\xi\\ K\cos\varphi & Q^\eta\\ 0&X^\perp\end{cases},
       \qquad D = \cos^2\varphi + \sigma_g^2\sin^2\varphi .

    Parameters
    ----------
    flow : MixtureFlow
    interpolant : Interpolant
    times : array_like
        Times in [0, 1].
    rtol : float
        Tolerance of the integrator (absolute: a tenth of it).
    skip : callable, optional
        Another skip connection b(t), v being the ridge solution for that b. Integrated in t, where
        ``(β̇ − α̇β/α) b + α̇/α`` has a pole unless b(1) = 1; times must be below 1.

    Returns
    -------
    Path
        The error estimate is the largest difference from a solution with a hundredfold tighter tolerance.

    Raises
    ------
    InputError
        If a time or the tolerance is outside its range, or the generated clusters are points (σ_g = 0) or ``skip`` is
        given and t = 1 is asked for.
    SolveError
        If the integrator stops early; the message says where, ``partial`` holds what was reached.
    """
    t = checked_times("times", times)
    rtol = number("rtol", rtol, above=0, at_most=1e-2)
    if skip is not None and np.any(t >= 1):
        raise InputError("times: must be < 1 with a skip connection of one's own, whose equation has a pole at t = 1")
    if skip is not None:
        equations, clock, radius = _with_skip(flow, interpolant, skip), t, np.ones_like(t)
    else:
        alpha, beta = schedule(interpolant, t)
        equations, clock, radius = _optimal(flow), np.arctan2(beta, alpha), np.hypot(alpha, beta)
        spread = _spread(flow)
        if spread == 0 and np.any(t >= 1):
            raise InputError(
                "times: must be < 1 where the generated clusters are points; the closed form holds there too"
            )
    rough, calls = _solve(equations, clock, rtol)
    fine, more = _solve(equations, clock, max(rtol / 100, 2.5e-14))
    error = float(np.max(np.abs(rough - fine) * radius))
    return Path(**_named(fine * radius), evaluations=calls + more, error_estimate=error)


def _named(values: np.ndarray) -> dict[str, np.ndarray]:
    return {f.name: value for f, value in zip(fields(Transported), values, strict=True)}


def _spread(flow: MixtureFlow) -> float:
    return float(generated_std(flow.samples, flow.cluster_std, flow.ridge, flow.centroid_norm, flow.noises, flow.skip))


def _optimal(flow: MixtureFlow) -> Callable[[float, np.ndarray], np.ndarray]:
    variance = _spread(flow) ** 2
    total = flow.samples * flow.noises
    sums = np.array([total, -variance * (not flow.fresh_noise), flow.noises, 0.0]) / (total + flow.ridge)

    def equations(phi: float, y: np.ndarray) -> np.ndarray:
        cosine, sine = np.cos(phi), np.sin(phi)
        d = cosine**2 + variance * sine**2
        return ((variance - 1) * sine * cosine * y + sums * (cosine, sine, cosine, 0.0)) / d

    return equations


def _with_skip(
    flow: MixtureFlow, interpolant: Interpolant, skip: Callable[[float], float]
) -> Callable[[float, np.ndarray], np.ndarray]:
    total = flow.samples * flow.noises
    scale = total + flow.ridge

    def equations(t: float, y: np.ndarray) -> np.ndarray:
        (alpha, beta), alpha_dot, beta_dot = schedule(interpolant, t), interpolant.alpha_dot(t), interpolant.beta_dot(t)
        b = float(skip(t))
        gain = beta_dot - alpha_dot * beta / alpha
        v = np.array([total * (1 - b * beta), -b * alpha * (not flow.fresh_noise), flow.noises * (1 - b * beta), 0.0])
        return (gain * b + alpha_dot / alpha) * y + gain * v / scale

    return equations


def _solve(
    equations: Callable[[float, np.ndarray], np.ndarray], clock: np.ndarray, rtol: float
) -> tuple[np.ndarray, int]:
    from scipy.integrate import solve_ivp

    start = np.array([0.0, 0.0, 0.0, 1.0])
    points, inverse = np.unique(clock, return_inverse=True)
    if points[-1] == 0:
        return np.repeat(start[:, None], len(clock), axis=1), 0
    answer = solve_ivp(
        equations, (0.0, points[-1]), start, method="DOP853", t_eval=points, rtol=max(rtol, 2.5e-14), atol=rtol / 10
    )
    if not answer.success:
        reached = answer.t[-1] if len(answer.t) else 0.0
        raise SolveError(f"integration stopped at {reached:g}: {answer.message}", (answer.t, answer.y))
    return answer.y[:, inverse], answer.nfev


def discretise(flow: MixtureFlow, grid: Grid) -> Transported:
    r"""Order parameters of the sampler as run: an explicit Runge–Kutta scheme on a grid.

    The equations of motion are linear, so that one step is a linear map of (M, Q^ξ, Q^η, X^⊥). With fresh noises at every
    (Euler) step their variances add:

    .. math:: q_{k+1} = (1 + h a_k)^2 q_k + h^2 g_k^2 ,\qquad Q^\xi = -\sqrt q .

    Parameters
    ----------
    flow : MixtureFlow
    grid : Grid

    Returns
    -------
    Transported
        At ``grid.times``; with fresh noise Q_ξ is minus its root mean square.
    """
    variance = _spread(flow) ** 2
    total = flow.samples * flow.noises
    alpha, beta = grid.alpha, grid.beta
    if variance > 0:
        d = alpha**2 + variance * beta**2
        rate = (alpha * grid.alpha_dot + variance * beta * grid.beta_dot) / d
        gain = (alpha * grid.beta_dot - grid.alpha_dot * beta) / (d * (total + flow.ridge))
        data, noise = gain * alpha, -gain * variance * beta
    else:
        rate = grid.alpha_dot / alpha
        data = (grid.beta_dot - grid.alpha_dot * beta / alpha) / (total + flow.ridge)
        noise = np.zeros_like(data)
    forcing = np.stack([total * data, noise, flow.noises * data, np.zeros_like(data)], axis=-1)
    y = np.array([0.0, 0.0, 0.0, 1.0])
    out = [y.copy()]
    for k, h in enumerate(grid.lengths):

        def slope(j: int, x: np.ndarray, k: int = k) -> np.ndarray:
            return np.asarray(rate[k, j] * x + forcing[k, j])

        step = grid.increment(k, slope, y)
        if flow.fresh_noise:
            step[1] = -np.hypot((1 + h * rate[k, 0]) * y[1], h * noise[k, 0]) - y[1]
        y = y + step
        out.append(y.copy())
    return Transported(**_named(np.array(out)[grid.nodes].T * grid.radius))
