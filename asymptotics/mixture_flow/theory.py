"""The theory's prediction for an experiment: order parameters along t, the generated density at t = 1."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..common.input.checks import choice, fail
from ..common.output.results import Result
from .equations import order_parameters
from .equations.path import integrate
from .equations.rates import asymptote, error_expansion, optimal_ridge
from .problem import Problem
from .settings import checked_times

METHODS = ("closed", "ode")


@dataclass(frozen=True)
class Solution(Result):
    """Order parameters along t and the generated density at t = 1.

    Parameters
    ----------
    t, M, Q_xi, Q_eta, perp, b, w_m, w_xi, w_eta, Q, cosine : ndarray, shape (T,)
        As in `OrderParameters`: a generated point is s(M μ + Q_ξ ξ + Q_η η) + perp X₀^⊥,
        v = w/√d = w_m μ + w_ξ ξ + w_η η, cosine that of a generated point with ±μ.
    final : dict
        As in `final_state`, with the expansion of the error in 1/n, its
        leading term ``asymptote`` and the optimal ridge, each for this experiment's noises and skip connection.
    parameters : dict
        The tables of the experiment.
    method : str
        ``"closed"`` or ``"ode"``.
    evaluations : int
        Evaluations of the equations of motion (0 for the closed form).
    error_estimate : float
        Of M, Q_ξ, Q_η, perp; rounding alone for the closed form.
    seconds : float
    notes : list of str
    """

    t: np.ndarray
    M: np.ndarray
    Q_xi: np.ndarray
    Q_eta: np.ndarray
    perp: np.ndarray
    b: np.ndarray
    w_m: np.ndarray
    w_xi: np.ndarray
    w_eta: np.ndarray
    Q: np.ndarray
    cosine: np.ndarray
    final: dict[str, Any]
    parameters: dict[str, Any]
    method: str
    evaluations: int
    error_estimate: float
    seconds: float
    notes: list[str] = field(default_factory=list)

    COLUMNS = ("t", "M", "Q_xi", "Q_eta", "perp", "b", "w_m", "w_xi", "w_eta", "Q", "cosine")

    def __call__(self, t: Any) -> order_parameters.OrderParameters:
        """Order parameters at any times in [0, 1], by the closed form."""
        problem = Problem.from_tables(self.parameters)
        times = np.asarray(t, dtype=np.float64)
        if not np.all((times >= 0) & (times <= 1)):
            fail("t", t, "in [0, 1]")
        return order_parameters.at(problem.mixture_flow, problem.interpolant, times)

    def summary(self) -> str:
        flow = self.parameters["mixture_flow"]
        head = ", ".join(f"{k} = {v}" for k, v in flow.items())
        lines = [
            f"binary mixture flow: {head}",
            f"{'t':>6} {'M':>10} {'Q_xi':>10} {'Q_eta':>10} {'perp':>10} {'cosine':>10}",
        ]
        for i in np.unique(np.linspace(0, len(self.t) - 1, min(11, len(self.t))).round().astype(int)):
            row = (self.M[i], self.Q_xi[i], self.Q_eta[i], self.perp[i], self.cosine[i])
            lines.append(f"{self.t[i]:6.3f} " + " ".join(f"{x:10.6f}" for x in row))
        lines.append("at t = 1:")
        lines += [f"  {k:<22} {v:.8g}" for k, v in self.final.items() if isinstance(v, float)]
        return "\n".join(lines + [f"note: {n}" for n in self.notes])


def solve(
    problem: Problem,
    *,
    times: Any = None,
    method: str = "closed",
    rtol: float = 1e-10,
    progress: bool | None = None,
) -> Solution:
    """The asymptotic prediction.

    Parameters
    ----------
    problem : Problem
    times : array_like, optional
        Times in [0, 1]; default 0, 0.01, …, 1.
    method : str
        ``"closed"``: the exact solution. ``"ode"``: M, Q_ξ, Q_η, perp by numerical integration.
    rtol : float
        Tolerance of the integration.
    progress : bool, optional
        As in every room; there is nothing to wait for here.

    Raises
    ------
    InputError
        If a time, the method or the tolerance is not allowed.
    """
    started = time.perf_counter()
    method = choice("method", method, METHODS)
    t = np.linspace(0.0, 1.0, 101) if times is None else checked_times("times", times)
    flow = problem.mixture_flow
    values = order_parameters.at(flow, problem.interpolant, t)._asdict()
    evaluations, error = 0, float(np.finfo(float).eps)
    if method == "ode":
        path = integrate(flow, problem.interpolant, t, rtol=rtol)
        values |= {"M": path.M, "Q_xi": path.Q_xi, "Q_eta": path.Q_eta, "perp": path.perp}
        evaluations, error = path.evaluations, path.error_estimate
        values["Q"], values["cosine"] = _norm_and_cosine(problem, path)
    final: dict[str, Any] = {k: float(v) for k, v in order_parameters.final_state(**flow.to_table()).items()}
    kind: dict[str, Any] = {"fresh_noise": flow.fresh_noise, "skip": flow.skip}
    best, error_there = optimal_ridge(flow.samples, flow.cluster_std, flow.centroid_norm, flow.noises, **kind)
    final |= {
        "optimal_ridge": best,
        "optimal_mean_error": error_there,
        "asymptote": float(asymptote(flow.samples, flow.cluster_std, flow.noises, **kind)),
    }
    final["mean_error_expansion"] = error_expansion(
        flow.cluster_std, flow.ridge, flow.centroid_norm, noises=flow.noises, **kind
    ).tolist()
    along: dict[str, Any] = {k: np.array(v) for k, v in values.items()}
    return Solution(
        t=t,
        **along,
        final=final,
        parameters=problem.to_tables(),
        method=method,
        evaluations=evaluations,
        error_estimate=error,
        seconds=time.perf_counter() - started,
    )


def _norm_and_cosine(problem: Problem, path: Any) -> tuple[np.ndarray, np.ndarray]:
    flow = problem.mixture_flow
    signal = flow.centroid_norm * path.M
    data = flow.samples * (flow.cluster_std * path.Q_eta) ** 2
    norm = signal**2 + flow.samples * flow.noises * path.Q_xi**2 + data + path.perp**2
    return norm, signal / np.sqrt(norm)
