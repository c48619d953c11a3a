"""Bounded minimisation of protocols on their exact gradients: constants, then pieces from coarse to fine, from several starts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....common.input.checks import ComputationError
from ...equations.integration.stepping import StepError
from .controls import Control
from .protocol import Protocols

#: Values of a constant that are looked at first, per control.
GRID = 17
#: Pieces that the search begins with; each level has at most this many times more.
FIRST, FINER = 8, 3
#: Largest number of iterations of a search at its coarsest level, at the levels between, and at the last.
ITERATIONS = (60, 80, 300)
#: Two ends of a search are one optimum up to this, relative to the value.
SAME = 1e-6


@dataclass(frozen=True)
class Found:
    """Where a search ended."""

    value: float
    u: np.ndarray
    gradient: np.ndarray


def minimise(protocols: Protocols, u: np.ndarray, iterations: int, tolerance: float = 1e-10) -> Found:
    """The end of one bounded descent from ``u``: L-BFGS-B, or SLSQP where entries sum to one."""
    from scipy.optimize import Bounds, minimize

    low, high = protocols.bounds()
    width = high - low
    best: list[Found] = []
    scale = 1.0

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = np.clip(low + width * x, low, high)
        try:
            done = protocols(at)
        except (StepError, ComputationError):
            # No training: a wall that a line search turns back from.
            return (abs(best[0].value) + 1.0) * 1e3 / scale if best else 1e3, np.zeros_like(x)
        if not best or done.value < best[0].value:
            best[:] = [Found(done.value, at, done.gradient)]
        return done.value / scale, done.gradient * width / scale

    x0 = np.clip((u - low) / width, 0.0, 1.0)
    _, slope = function(x0)
    if not best:
        raise ComputationError("the training diverges at the start of a search")
    # The change that bounds allow sets the scale: the solvers' tolerances are then relative to what can be gained.
    reach = float(np.abs(slope).sum())
    scale = reach if reach > 0 else 1.0
    unit = Bounds(np.zeros_like(x0), np.ones_like(x0))  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step of the solver outside the bounds is clipped
        if any(c.share for c in protocols.controls):
            minimize(
                function, x0, jac=True, method="SLSQP", bounds=unit, constraints=_sums(protocols, low, width),
                options={"maxiter": iterations, "ftol": tolerance},
            )  # fmt: skip
        else:
            minimize(
                function, x0, jac=True, method="L-BFGS-B", bounds=unit,
                options={"maxiter": iterations, "ftol": tolerance, "gtol": 1e-12, "maxcor": 30, "maxls": 30},
            )  # fmt: skip
    return best[0]


def _sums(protocols: Protocols, low: np.ndarray, width: np.ndarray) -> list[dict[str, Any]]:
    """The constraints that shares sum to one, in the solver's variables."""
    rows, first = [], 0
    for control, size in zip(protocols.controls, protocols.sizes, strict=True):
        for j in range(control.count if control.share else 0):
            row = np.zeros(len(low))
            row[first + j * control.size : first + (j + 1) * control.size] = 1.0
            rows.append(row)
        first += size
    matrix = np.array(rows)
    target = 1.0 - matrix @ low
    return [{"type": "eq", "fun": lambda x: matrix @ (width * x) - target, "jac": lambda x: matrix * width}]


def with_pieces(protocols: Protocols, pieces: Sequence[int], **changes: Any) -> Protocols:
    """The same with other numbers of pieces."""
    controls = [replace(c, pieces=n) for c, n in zip(protocols.controls, pieces, strict=True)]
    options = {"method": protocols.method, "refine": protocols.refine, "setting": protocols.setting, **changes}
    setting = options.pop("setting")
    return Protocols(setting, protocols.objective, controls, protocols.horizon, **options)


def steady(protocols: Protocols) -> Protocols:
    """The same with controls that stay constant."""
    controls = [replace(c, pieces=1, basis="constant") for c in protocols.controls]
    return Protocols(
        protocols.setting, protocols.objective, controls, protocols.horizon, protocols.method, protocols.refine
    )


def spread(
    controls: Sequence[Control], values: Sequence[np.ndarray], of: Sequence[Control] | None = None
) -> np.ndarray:
    """The vector of controls whose values are read off those of the controls ``of``, or off values on equal pieces."""
    out = []
    for k, (control, value) in enumerate(zip(controls, values, strict=True)):
        centres = control.along.centres
        if of is not None and of[k].basis == "spline":
            out.append((of[k].along.rows(centres) @ value).ravel())
            continue
        middle = centres * len(value)
        if control.share:
            out.append(np.asarray(value)[np.minimum(middle.astype(int), len(value) - 1)].ravel())
        else:
            out.append(np.interp(middle, np.arange(len(value)) + 0.5, np.ravel(value)))
    return np.concatenate(out)


def lattice(control: Control) -> list[np.ndarray]:
    """Constants of one control to look at: evenly and by ratios between its bounds; shares: corners, edges and the middle."""
    if control.share:
        n = control.size
        corners = np.eye(n)
        mixed = [corners[i] / 2 + corners[j] / 2 for i in range(n) for j in range(i)] if n <= 6 else []
        points = [*corners, *mixed, np.full(n, 1 / n)]
        return [control.low + (1 - n * control.low) * p for p in points if np.all(p <= control.high)] or [
            np.full(n, 1 / n)
        ]
    low, high = control.low, control.high
    even = np.linspace(low, high, GRID // 2 + 2)
    ratio = np.geomspace(max(low, high * 1e-3), high, GRID // 2 + 2)[:-1]
    return [np.array([x]) for x in np.unique(np.concatenate([even, ratio]))]


def constants(protocols: Protocols, present: Sequence[np.ndarray]) -> list[Found]:
    """The locally best constant protocols, the best first.

    Raises
    ------
    ComputationError
        If no constant can be carried out.
    """
    one = steady(protocols)
    low, high = one.bounds()
    begin = np.clip(np.concatenate(list(present)), low, high)
    found: list[Found] = []
    for _ in range(1 if len(one.controls) == 1 else 2):  # of several controls: one after the other, twice
        for k, control in enumerate(one.controls):
            first = sum(one.sizes[:k])
            points = []
            for value in lattice(control):
                u = begin.copy()
                u[first : first + control.size] = value
                points.append((_value(one, u), u))
            points.append((_value(one, begin), begin))
            points.sort(key=lambda p: p[1][first])
            values = [v for v, _ in points]
            if control.share:
                minima = [int(np.argmin(values))]
            else:
                edges = [np.inf, *values, np.inf]
                minima = [i for i, v in enumerate(values) if np.isfinite(v) and v <= edges[i] and v <= edges[i + 2]]
            for i in minima:
                if np.isfinite(values[i]):
                    _add(found, minimise(one, points[i][1], ITERATIONS[0], 1e-14))
            if found:
                begin = min(found, key=lambda f: f.value).u
    if not found:
        raise ComputationError("no constant control between the bounds gives a training that stays finite")
    return sorted(found, key=lambda f: f.value)


def _value(protocols: Protocols, u: np.ndarray) -> float:
    try:
        return protocols.value(u)
    except ComputationError:
        return float("inf")


def _add(found: list[Found], new: Found) -> None:
    """Keep one of each optimum."""
    for k, old in enumerate(found):
        if abs(old.value - new.value) <= SAME * (1 + abs(old.value)) and np.allclose(
            old.u, new.u, rtol=1e-2, atol=1e-4
        ):
            if new.value < old.value:
                found[k] = new
            return
    found.append(new)


def starts(controls: Sequence[Control], best: Sequence[np.ndarray], count: int, seed: int) -> list[list[np.ndarray]]:
    """Where searches begin: the best constants, ramps down and up about the best, and random steps."""
    rng = np.random.default_rng(seed)
    out: list[list[np.ndarray]] = []
    for constant in best[:2]:
        out.append(np.split(constant[None], np.cumsum([c.size for c in controls])[:-1], axis=1))
    shapes = [np.linspace(1.6, 0.4, FIRST), np.linspace(0.4, 1.6, FIRST)]
    while len(out) < count:
        values = []
        kind = len(out) - min(2, len(best))
        for control, constant in zip(controls, out[0], strict=True):
            if control.share:
                weights = rng.dirichlet(np.ones(control.size), FIRST)
                room = 1 - control.size * control.low
                values.append(control.low + room * weights if np.all(weights <= control.high) else constant)
                continue
            shape = shapes[kind] if kind < 2 else rng.uniform(0.2, 1.8, FIRST)
            value = np.repeat(constant, FIRST, axis=0) * shape[:, None]
            if np.all(value == value[0]):  # a constant of zero
                value = control.low + (control.high - control.low) * shape[:, None] / 4
            values.append(np.clip(value, control.low, control.high))
        out.append(values)
    return out[:count]


def levels(pieces: int) -> list[int]:
    """Numbers of pieces from coarse to fine."""
    out = [pieces]
    while out[0] > FIRST:
        out.insert(0, max(min(FIRST, out[0]), -(-out[0] // FINER)))
        if out[0] == out[1]:
            out.pop(0)
            break
    return out


def pieces(protocols: Protocols, best: Sequence[np.ndarray], count: int, seed: int) -> tuple[Found, list[float]]:
    """The best protocol of the wanted pieces, and the values that the searches from all starts ended at (coarsest pieces)."""
    ladders = [levels(c.pieces) for c in protocols.controls]
    depth = max(map(len, ladders))
    ladders = [[ladder[0]] * (depth - len(ladder)) + ladder for ladder in ladders]
    ends: list[Found] = []
    coarse = with_pieces(protocols, [ladder[0] for ladder in ladders])
    values = []
    for begin in starts(protocols.controls, best, count, seed):
        found = minimise(coarse, spread(coarse.controls, begin), ITERATIONS[0])
        values.append(found.value)
        _add(ends, found)
    current = min(ends, key=lambda f: f.value)
    at = coarse
    for level in range(1, depth):
        finer = with_pieces(protocols, [ladder[level] for ladder in ladders])
        begin_at = spread(finer.controls, at.split(current.u), at.controls)
        current, at = minimise(finer, begin_at, ITERATIONS[2 if level + 1 == depth else 1], 1e-13), finer
    return current, values
