"""The theory's prediction for an experiment: order parameters along t, the generated density at t = 1."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import choice, fail
from ..common.output.records import Recorded
from .equations.order_parameters import ALONG, FinalState, OrderParameters, at, final_state
from .equations.path import integrate
from .equations.rates import asymptote, error_expansion, optimal_ridge
from .problem import OfProblem, Problem
from .settings import checked_times

METHODS = ("closed", "ode")


@dataclass(frozen=True, kw_only=True)
class Final(FinalState):
    """`FinalState` of an experiment (numbers), and how its error depends on n and on the ridge.

    Parameters
    ----------
    optimal_ridge, optimal_mean_error : float
        As `optimal_ridge`, for this experiment's noises and skip connection.
    asymptote : float
        Leading term of the error in 1/n.
    mean_error_expansion : list of float
        Coefficients of the error in powers of 1/n.
    """

    optimal_ridge: float
    optimal_mean_error: float
    asymptote: float
    mean_error_expansion: list[float]


@dataclass(frozen=True, kw_only=True)
class Solution(OfProblem, Recorded, OrderParameters):
    """Order parameters along t and the generated density at t = 1.

    Parameters
    ----------
    t : ndarray, shape (T,)
        Along it `OrderParameters`.
    final : Final
    experiment : dict
        Its tables.
    method : str
        ``"closed"`` or ``"ode"``.
    evaluations : int
        Evaluations of the equations of motion (0 for the closed form).
    error_estimate : float
        Of M, Q_ξ, Q_η, perp; rounding alone for the closed form.
    seconds : float
    notes : list of str
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "M": "overlap of the sample with the mean, X·μ/d",
        "Q_xi": "overlap with the data average ξ",
        "Q_eta": "overlap with the noise average η",
        "perp": "squared norm outside their span",
        "b": "skip connection",
        "w_m": "coefficients of v = w/√d along μ",
        "w_xi": "along ξ",
        "w_eta": "along η",
        "Q": "‖X‖²/d",
        "cosine": "cosine of a generated point with ±μ",
        "*": "",
    }

    t: np.ndarray
    final: Final
    experiment: dict[str, Any]
    method: str
    evaluations: int
    error_estimate: float
    seconds: float
    notes: list[str] = field(default_factory=list)

    COLUMNS = ("t", *ALONG)

    def __call__(self, t: ArrayLike) -> OrderParameters:
        """Order parameters at any times in [0, 1], by the closed form."""
        problem, times = self.problem, np.asarray(t, dtype=np.float64)
        if not np.all((times >= 0) & (times <= 1)):
            fail("t", t, "in [0, 1]")
        return at(problem.mixture_flow, problem.interpolant, times)

    def summary(self) -> str:
        head = ", ".join(f"{k} = {v}" for k, v in self.experiment["mixture_flow"].items())
        lines = [
            f"binary mixture flow: {head}",
            f"{'t':>6} {'M':>10} {'Q_xi':>10} {'Q_eta':>10} {'perp':>10} {'cosine':>10}",
        ]
        for i in np.unique(np.linspace(0, len(self.t) - 1, min(11, len(self.t))).round().astype(int)):
            row = (self.M[i], self.Q_xi[i], self.Q_eta[i], self.perp[i], self.cosine[i])
            lines.append(f"{self.t[i]:z6.3f} " + " ".join(f"{x:z10.6f}" for x in row))
        lines.append("at t = 1:")
        lines += [f"  {k:<22} {v:z.8g}" for k, v in vars(self.final).items() if isinstance(v, float)]
        return "\n".join(lines + [f"note: {n}" for n in self.notes])


def solve(
    problem: Problem,
    *,
    times: ArrayLike | None = None,
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
    values = dict(vars(at(flow, problem.interpolant, t)))
    evaluations, error = 0, float(np.finfo(float).eps)
    if method == "ode":
        path = dict(vars(integrate(flow, problem.interpolant, t, rtol=rtol)))
        evaluations, error = path.pop("evaluations"), path.pop("error_estimate")
        values |= path
        signal = flow.centroid_norm * values["M"]
        data = flow.samples * (flow.cluster_std * values["Q_eta"]) ** 2
        values["Q"] = signal**2 + flow.samples * flow.noises * values["Q_xi"] ** 2 + data + values["perp"] ** 2
        values["cosine"] = signal / np.sqrt(values["Q"])
    kind: dict[str, Any] = {"fresh_noise": flow.fresh_noise, "skip": flow.skip}
    n, sigma, m, k = flow.samples, flow.cluster_std, flow.centroid_norm, flow.noises
    best, error_there = optimal_ridge(n, sigma, m, k, **kind)
    along: dict[str, Any] = {name: np.array(value) for name, value in values.items()}
    at_end: dict[str, Any] = {name: float(value) for name, value in vars(final_state(**flow.to_table())).items()}
    return Solution(
        t=t,
        **along,
        final=Final(
            **at_end,
            optimal_ridge=best,
            optimal_mean_error=error_there,
            asymptote=float(asymptote(n, sigma, k, **kind)),
            mean_error_expansion=error_expansion(sigma, flow.ridge, m, noises=k, **kind).tolist(),
        ),
        experiment=problem.to_tables(),
        method=method,
        evaluations=evaluations,
        error_estimate=error,
        seconds=time.perf_counter() - started,
    )
