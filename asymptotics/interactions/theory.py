"""The prediction: how far the learned law is from the truth on average over data, order by order."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..common.output.records import Recorded
from .coupling.averages import kl_learned_target, kl_target_learned
from .coupling.model import PARTS, Split, parameter_count
from .coupling.relaxation import distinct_rates
from .coupling.ridge import component_squares, ridge, ridge_kl
from .coupling.traces import mean_traces, trace_errors, whitened_traces
from .problem import OfProblem, Problem

#: Features up to which rates are worth their eigenvalues.
MOST_RATES = 1500
NOTHING = Split(None, None, None, None, None, None)


@dataclass(frozen=True)
class Solution(OfProblem, Recorded):
    """Averaged divergences of one coupling with a known split (exact but for the traces; ``reasons`` says why one is None).

    Parameters
    ----------
    inputs, outputs, samples : int
        m, r, N.
    kl_target_learned, kl_learned_target : Split
        E KL(p‖p̂), E KL(p̂‖p), in nats, by parts. Maximum likelihood controls the first, which is the larger.
    traces, traces_whitened : ndarray, shape (3,)
        E Tr_j of the inverse Gram matrix of the features by order, also with empirically whitened inputs; with ridge Tr_j R and NaN.
    traces_error : ndarray, shape (3,)
        What ``traces`` may be off, relative.
    parameters : int
        P; at large N both divergences are P/2N.
    features : int
        F.
    gaussian_floor : float
        Divergence of the truth from the Gaussian of its moments, below which no Gaussian (k ≤ 2) model gets.
    aliasing : float or None
        With ridge: the share of the k ≤ 2 part that is interactions read as Gaussian terms.
    rates, multiplicities : ndarray
        Different rates of population gradient flow of (a, b, C), descending, in units of Γ^{-1}, and how often each occurs; empty
        for more than `MOST_RATES` features.
    reasons : tuple of (str, str)
    experiment : dict
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                "inputs",
                "outputs",
                "samples",
                "kl_target_learned",
                "kl_learned_target",
                "traces",
                "traces_whitened",
                "traces_error",
                "parameters",
                "features",
                "gaussian_floor",
                "aliasing",
                "rates",
                "multiplicities",
                "settings",
                "seconds",
            ),
            "",
        ),
        "reasons": "why a field is null",
        "large_samples": "P/2N, what both divergences are at large N",
    }

    inputs: int
    outputs: int
    samples: int
    kl_target_learned: Split
    kl_learned_target: Split
    traces: np.ndarray
    traces_whitened: np.ndarray
    traces_error: np.ndarray
    parameters: int
    features: int
    gaussian_floor: float
    aliasing: float | None
    rates: np.ndarray
    multiplicities: np.ndarray
    reasons: tuple[tuple[str, str], ...]
    experiment: dict[str, Any]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        content = self._kept()
        content["settings"] = content.pop("experiment")
        content |= {"reasons": dict(self.reasons), "large_samples": self.parameters / (2 * self.samples)}
        # A trace that is not known is null as a whole.
        for name in ("traces", "traces_whitened", "traces_error"):
            if not np.isfinite(getattr(self, name)).any():
                content[name] = None
        return content

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "–" if value is None else f"{value:z.6g}"

        lines = [
            f"interactions: one quadratic coupling, {self.inputs} inputs, {self.outputs} outputs, N = {self.samples}, "
            f"{self.parameters} parameters",
            f"  {'':<22} " + " ".join(f"{name:>11}" for name in PARTS),
        ]
        for name, label in (
            ("kl_target_learned", "E KL(target‖learned)"),
            ("kl_learned_target", "E KL(learned‖target)"),
        ):
            split = getattr(self, name)
            lines.append(f"  {label:<22} " + " ".join(f"{show(getattr(split, part)):>11}" for part in PARTS))
        lines += [
            f"  at large N            {self.parameters / (2 * self.samples):z.6g} (both)",
            f"  Gaussian floor        {self.gaussian_floor:z.6g} (no model of orders k ≤ 2 gets below)",
        ]
        if self.aliasing is not None:
            lines.append(f"  aliasing              {self.aliasing:z.4g} of the k ≤ 2 part")
        return "\n".join(lines + [f"  no {name}: {why}" for name, why in self.reasons])


def solve(problem: Problem, *, progress: bool | None = None) -> Solution:
    """Both divergences by parts, averaged over data sets.

    Parameters
    ----------
    problem : Problem
    progress : bool, optional
        Without meaning here: it takes milliseconds.
    """
    started = clock.perf_counter()
    table, truth = problem.interactions, problem.truth
    m, r, n, f = table.inputs, table.outputs, table.samples, problem.features
    reasons: dict[str, str] = {}
    unknown = np.full(3, np.nan)
    forward, backward, traces, white, errors = NOTHING, NOTHING, unknown, unknown, unknown
    aliasing = None
    penalties = problem.penalties
    if penalties is not None:
        reasons["traces_whitened"] = "with ridge the law of the inputs is known"
        if penalties.all() or n - 1 > f:
            found = ridge(m, n, penalties)
            forward = backward = ridge_kl(truth, found)
            traces, aliasing = found.traces, _aliasing(found.bias, problem, forward)
            errors = trace_errors(m, n) if not penalties.any() else unknown
        else:
            why = f"penalties that are 0 need N > F + 1 = {f + 1}"
            reasons |= {"kl_target_learned": why, "kl_learned_target": why, "traces": why}
    else:
        if n - 1 > f:
            traces, white, errors = mean_traces(m, n), whitened_traces(m, n), trace_errors(m, n)
        else:
            reasons["traces"] = reasons["traces_whitened"] = f"infinite or unknown at N <= F + 1 = {f + 1}"
        if n >= f + r + 2:
            forward = kl_target_learned(m, r, n, traces)
        else:
            reasons["kl_target_learned"] = (
                f"infinite for N < F + r + 2 = {f + r + 2}" if n >= f + r else _unbounded(f, r)
            )
        if n >= f + r and n - 1 > f:
            backward = kl_learned_target(m, r, n, white)
        else:
            reasons["kl_learned_target"] = "the traces are unknown at N = F + 1" if n >= f + r else _unbounded(f, r)
    rates, counts = np.zeros(0), np.zeros(0, dtype=int)
    if f <= MOST_RATES:
        rates, counts = distinct_rates(truth.mean, truth.covariance)
    return Solution(
        m, r, n, forward, backward, traces, white, errors, parameter_count(m, r), f, truth.negentropy(), aliasing,
        rates, counts,
        tuple(reasons.items()), problem.to_tables(), clock.perf_counter() - started,
    )  # fmt: skip


def _unbounded(features: int, outputs: int) -> str:
    return f"for N < F + r = {features + outputs} the likelihood is unbounded: a covariance of the noise is 0"


def _aliasing(bias: np.ndarray, problem: Problem, split: Split) -> float | None:
    """Share of order 0 and 1 that comes from truth of order 2."""
    squares = component_squares(problem.truth)
    squares[:2] = 0.0
    whole = (split.order_0 or 0.0) + (split.order_1 or 0.0)
    return float(0.5 * (bias @ squares)[:2].sum() / whole) if whole > 0 else None
