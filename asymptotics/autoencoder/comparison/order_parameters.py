"""Order parameters along τ, one by one, and which changes of the inputs they and their joint test would have seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...common.output.power import detectable, noncentral
from ...common.output.verdict import Row, Verdict
from ..finite_size.chi_square import deviation, stacked, statistic
from ..finite_size.sensitivity import responses
from ..process.ensemble import Runs
from ..solution import OrderParameterPath
from .finite import JOINT, FiniteSize


def places(path: OrderParameterPath) -> dict[str, Any]:
    """Where each order parameter stands in `asymptotics.autoencoder.finite_size.chi_square.stacked`."""
    first = path.p * path.K
    last = first + path.p * (path.p + 1) // 2
    return {"Q": slice(first, last), "Theta": slice(0, first), "b": last, "parameters": slice(last + 1, None)}


def order_parameter_rows(path: OrderParameterPath, runs: Runs, finite: FiniteSize | None = None) -> list[Row]:
    """One row for every order parameter and τ > 0; M = Θ c is shown and not counted."""
    finite = FiniteSize(path, runs) if finite is None else finite
    rows = []
    p, K = path.p, path.K
    for k, tau in enumerate(runs.tau):
        if tau == 0:
            continue
        at = path(min(float(tau), path.tau_max))
        theory, values = stacked(at, p), finite.values(k)
        options: dict[str, Any] = {"allowance": path.error_estimate, "source": "numerical error"}
        shown: dict[str, tuple[np.ndarray, np.ndarray]] = {
            n: (theory[i], values[:, i]) for n, i in places(path).items()
        }
        M = np.einsum("rak,ck->rac", values[:, : p * K].reshape(-1, p, K), path.centroids)
        shown["M"] = at.M, M
        for name in ("Q", "Theta", "M", "b", "parameters"):
            expected, found = shown[name]
            if not np.size(expected):
                continue
            shape = (p, K) if name == "Theta" else np.shape(expected)
            expected, found = np.reshape(expected, shape), found.reshape(len(found), *shape)
            rows.append(_row(f"{name}({tau:.3g})", expected, found, finite.tested and name != "M", options))
    return rows


def _row(name: str, theory: np.ndarray, values: np.ndarray, counted: bool, options: dict[str, Any]) -> Row:
    if len(values) > 1:
        return Row.of_runs(name, theory, values, counted=counted, **options)
    # One run: its spread is only known where it is predicted, and the χ² test has it.
    return Row(name, theory, values[0], np.full(np.shape(theory), np.nan), counted=False, **options)


def power_of(verdict: Verdict, path: OrderParameterPath, runs: Runs) -> dict[str, float]:
    """Relative changes of the inputs that rows and χ² would have seen."""
    at, _, covariance = deviation(path, runs)
    shifts: dict[str, list[Any]] = {}
    tests: dict[str, dict[str, Callable[[float, float], float]]] = {}
    taus = [float(min(t, path.tau_max)) for t in runs.tau if t > 0]
    for name, response in responses(path).items():
        moved = [response(t) for t in taus]
        of = {
            f"{quantity}({tau:.3g})": y[place].reshape(path.p, path.K) if quantity == "Theta" else y[place]
            for tau, y in zip((t for t in runs.tau if t > 0), moved, strict=True)
            for quantity, place in places(path).items()
        }
        shifts[name] = [of.get(row.name) for row in verdict.rows]
        distance, degrees = statistic(np.concatenate([response(float(t)) for t in at]), covariance, runs.dimension)
        tests[name] = {JOINT: noncentral(distance, degrees)}
    return detectable(verdict, shifts, tests)
