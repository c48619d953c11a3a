"""Theory against the full process, with the finite-size effects that the theory itself predicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.input.checks import InputError
from ..common.output.verdict import Row, Verdict
from . import theory
from .path import discretise
from .schemes import Grid
from .settings import MixtureFlow, Problem
from .simulation import ALONG, FINAL, Runs, run_grid
from .solution import Solution


def half_space_bias(flow: MixtureFlow, envelope: Any, dimension: int) -> np.ndarray:
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


def second_order_shift(
    flow: MixtureFlow, function: Callable[[float, float, float], np.ndarray], dimension: int
) -> np.ndarray:
    r"""Leading shift of the mean of f(C₀₀, C₀₁, C₁₁), a function of degree 0, from the fluctuations of the overlaps.

    The C's are sums over d independent coordinates; their variances per coordinate follow from Wick's theorem, their
    covariances vanish, and the shift is ½ Σ f'' var /d (second differences are enough for an allowance).

    Parameters
    ----------
    flow : MixtureFlow
    function : callable
        f of the three numbers per dimension.
    dimension : int

    Returns
    -------
    ndarray
        Of the shape of f's value.
    """
    n, k, lam = flow.samples, flow.noises, flow.ridge
    sigma, m = flow.cluster_std, flow.centroid_norm
    total = n * k
    small = (lam / (total + lam)) ** 2
    means = np.array(
        [
            total - total / (total + lam),
            0.0,
            total * (m**2 + sigma**2) - k**2 * ((n * m) ** 2 + n * sigma**2) / (total + lam),
        ]
    )
    matrix = k**2 * (n - 1 + small)
    variances = np.array(
        [
            2 * (total - 1 + small),
            sigma**2 * k * (n - 1 + small) + m**2 * total * small,
            2 * sigma**4 * matrix + 4 * sigma**2 * m**2 * n * k**2 * small,
        ]
    )
    shift: Any = 0.0
    for i in range(3):
        h = 1e-3 * np.sqrt(means[0] * means[2]) if i == 1 else 1e-3 * means[i]
        step = np.zeros(3)
        step[i] = h
        second = function(*(means + step)) - 2 * function(*means) + function(*(means - step))
        shift = shift + 0.5 * variances[i] * second / h**2
    return np.asarray(shift / dimension)


def predict(problem: Problem, grid: Grid) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the simulation of a problem should measure: (value, allowance) by name.

    The values are those of the discretised sampler with the half-space bias added; the allowance is the derived second-order
    shift where there is one (E, Q_ξ, b, w), a few units of 1/d elsewhere.
    """
    flow, d = problem.mixture_flow, problem.simulation.dimension
    n, total = flow.samples, flow.samples * flow.noises
    sigma, m = flow.cluster_std, flow.centroid_norm
    run = discretise(flow, grid)
    alpha, beta = theory.schedule(problem.interpolant, grid.times)
    ridge = theory.order_parameters(alpha, beta, **flow.to_table())
    bias = half_space_bias(flow, run.perp, d)
    big_m, q_eta = run.M + n * bias, run.Q_eta + bias
    data, noise = n * (sigma * q_eta) ** 2, total * run.Q_xi**2
    norm = (m * big_m) ** 2 + noise + data + run.perp**2
    values = {
        "M": big_m,
        "Q_xi": run.Q_xi,
        "Q_eta": q_eta,
        "perp": run.perp,
        "b": ridge.b,
        "w_m": ridge.w_m,
        "w_xi": ridge.w_xi,
        "w_eta": ridge.w_eta,
        "Q": norm,
        "cosine": m * big_m / np.sqrt(norm),
    }
    shift_e, shift_b = _shifts(flow, alpha, beta, d)
    unit = np.full_like(norm, 1.0 / d)
    allowances = {
        "M": n * bias / d * (n + 4),
        "Q_xi": shift_e / (total + flow.ridge) + 2 * bias * np.sqrt(1.0 / d),
        "Q_eta": bias / d * (n + 4),
        "perp": shift_e,
        "b": shift_b,
        "w_m": total * beta * shift_b / (total + flow.ridge),
        "w_xi": alpha * shift_b / (total + flow.ridge),
        "w_eta": flow.noises * beta * shift_b / (total + flow.ridge),
        "Q": 4 * norm * unit + 2 * run.perp * shift_e,
        "cosine": 2 * unit + values["cosine"] * shift_e / np.sqrt(norm),
    }
    out = {name: (values[name][:-1], np.abs(allowances[name][:-1])) for name in ALONG}
    error = (m * (big_m[-1] - 1)) ** 2 + noise[-1] + data[-1]
    length = np.sqrt((m * big_m[-1]) ** 2 + noise[-1] + data[-1])
    overlap = sigma**2 * q_eta[-1]
    end = {
        "mean_error": error,
        "mean_cosine": m * big_m[-1] / length,
        "sigma_generated": run.perp[-1],
        "mw2_squared": error + (run.perp[-1] - sigma) ** 2,
        "data_overlap": overlap,
        "noise_overlap": 0.0 if flow.fresh_noise else run.Q_xi[-1],
        "training_distance": run.perp[-1] ** 2 + error + sigma**2 - 2 * overlap,
    }
    scale = 4.0 * (m**2 + sigma**2 + run.perp[-1] ** 2) / d
    for name in FINAL:
        allowed = scale / n if name in ("mean_error", "data_overlap") else scale
        if name in ("mean_cosine", "noise_overlap"):
            allowed = 4.0 / (n * d) * (1 + (sigma / m) ** 2)
        out[name] = (np.asarray(end[name]), np.asarray(allowed))
    return out


def _shifts(flow: MixtureFlow, alpha: np.ndarray, beta: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Magnitudes of the second-order shifts of E and b, shape (T,) each."""
    zero = np.zeros_like(alpha)
    if float(theory.order_parameters(0.0, 1.0, **flow.to_table()).perp) == 0:
        return zero, zero

    def envelope(c00: float, c01: float, c11: float) -> np.ndarray:
        return np.sqrt(alpha**2 + (2 * alpha * beta * c01 + beta**2 * c11) / c00)

    def skip(c00: float, c01: float, c11: float) -> np.ndarray:
        return (alpha * c01 + beta * c11) / (alpha**2 * c00 + 2 * alpha * beta * c01 + beta**2 * c11)

    return (
        np.abs(second_order_shift(flow, envelope, d)),
        np.abs(second_order_shift(flow, skip, d)),
    )


def compare(solution: Solution, runs: Runs, *, level: float = 0.01) -> Verdict:
    """Theory against experiment: one row a quantity, and the verdict.

    Parameters
    ----------
    solution : Solution
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
        if solution.parameters[table] != runs.parameters[table]:
            raise InputError(f"runs: their table [{table}] differs from the theory's")
    if runs.runs < 2:
        raise InputError(f"simulation.runs = {runs.runs}: must be at least 2 for a standard error")
    problem = Problem.from_tables(runs.parameters)
    prediction = predict(problem, run_grid(problem))
    rows = []
    for name in (*ALONG, *FINAL):
        value, allowance = prediction[name]
        mean, sem = runs.mean(name), runs.sem(name)
        if np.any(np.isnan(mean)):
            continue
        rows.append(Row(name, value, mean, sem, allowance, degrees=runs.runs - 1))
    flow = problem.mixture_flow
    bias = float(half_space_bias(flow, solution.final["sigma_generated"], runs.dimension))
    notes = [
        f"half-space bias of finite d included: M moves by {flow.samples * bias:.2g} and Q_eta by {bias:.2g} at t = 1",
        f"theory of the sampler as run: {problem.simulation.steps} {problem.simulation.scheme} steps uniform in"
        f" {problem.simulation.clock}",
    ]
    if int(runs.mistakes.sum()):
        notes.append(f"{int(runs.mistakes.sum())} labels were misread; the theory supposes none")
    return Verdict.of(rows, level=level, notes=tuple(notes))
