"""Order parameters along τ, one by one, and which changes of the inputs they and their joint test would have seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...common.output.entries import upper_entries
from ...common.output.power import detectable, noncentral
from ...common.output.verdict import Row, Verdict
from ..finite_size.chi_square import deviation, predicted, statistic
from ..finite_size.sensitivity import responses
from ..process.ensemble import Runs
from ..solution import OrderParameterPath
from .finite import JOINT, FiniteSize


def places(path: OrderParameterPath) -> dict[str, np.ndarray]:
    """Where each order parameter stands in `asymptotics.autoencoder.finite_size.chi_square.stacked`: arrays of its shape.

    Those of averages (``ema``) and velocities come after the network's own.
    """
    layout, K = path.layout, path.K
    P, first = layout.p, layout.p * K
    p = P // (1 + path.moving + layout.averages)
    pair, scalars = np.zeros((P, P), dtype=int), first + P * (P + 1) // 2
    pair[layout.upper] = first + np.arange(len(layout.upper[0]))
    pair = np.maximum(pair, pair.T)
    upper = np.triu_indices(p)

    def of(vectors: int, row: int | None, name: str) -> dict[str, np.ndarray]:
        at = slice(vectors * p, (vectors + 1) * p)
        found = {"Q": pair[at, at][upper], "Theta": (np.arange(P)[at, None] * K + np.arange(K))}
        if vectors:
            found["cross"] = pair[at, :p]
        if row is not None:
            start = scalars + row * layout.scalars
            b = start + np.arange(layout.basis)
            found["b"] = b[0] if layout.basis == 1 else b
            found["parameters"] = start + layout.basis + np.arange(layout.parameters)
        return {f"{name} {key}".strip(): value for key, value in found.items()}

    out = of(0, 0, "")
    if path.moving:
        out |= of(1, None, "velocity")
    for k in range(layout.averages):
        out |= of(1 + path.moving + k, 1 + k, "ema" if layout.averages == 1 else f"ema {k + 1}")
    return out


def order_parameter_rows(path: OrderParameterPath, runs: Runs, finite: FiniteSize | None = None) -> list[Row]:
    """One row for every order parameter and τ > 0; M = Θ c is shown and not counted."""
    finite = FiniteSize(path, runs) if finite is None else finite
    rows, where = [], places(path)
    for k, tau in enumerate(runs.tau):
        if tau == 0:
            continue
        at = min(float(tau), path.tau_max)
        theory, values = predicted(path, at), finite.values(k)
        options: dict[str, Any] = {"allowance": path.error_estimate, "source": "numerical error"}
        shown: dict[str, tuple[np.ndarray, np.ndarray]] = {n: (theory[i], values[:, i]) for n, i in where.items()}
        M = np.einsum("rak,ck->rac", values[:, where["Theta"]], path.centroids)
        shown["M"] = path(at).M, M
        for name in ("Q", "Theta", "M", *[n for n in where if n not in ("Q", "Theta")]):
            expected, found = shown[name]
            if not np.size(expected):
                continue
            title = f"{name}({tau:.3g})"
            options["labels"] = labels_of(title, name, np.size(expected))
            rows.append(_row(title, expected, found, finite.tested and name != "M", options))
    return rows


def labels_of(title: str, name: str, size: int) -> tuple[str, ...]:
    """Names of a row's entries where they are not its indices: of Q (of the network, averages, velocities) its upper triangle."""
    return upper_entries(title, math.isqrt(2 * size)) if name.split()[-1] == "Q" else ()


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
            f"{quantity}({tau:.3g})": y[place]
            for tau, y in zip((t for t in runs.tau if t > 0), moved, strict=True)
            for quantity, place in places(path).items()
        }
        shifts[name] = [of.get(row.name) for row in verdict.rows]
        distance, degrees = statistic(np.concatenate([response(float(t)) for t in at]), covariance, runs.dimension)
        tests[name] = {JOINT: noncentral(distance, degrees)}
    return detectable(verdict, shifts, tests)
