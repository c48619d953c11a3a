"""Exact gradients of what a training leads to, by any numeric keys of the experiment: one solve, one sweep backwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.input.checks import ComputationError
from ...common.numerics.quadrature.expectations import Rule
from ..equations.integration.stepping import StepError
from ..model.problem import Problem
from .differences import rate
from .keys import Key, Make, changes, key_of
from .objectives.chosen import Chosen, objective_of
from .objectives.collapsed import Collapsed, fixed_point, moved
from .objectives.trained import Hitting
from .result import Gradient
from .setting import Setting
from .sweep import Segment, Sweep

#: Iterations of the search for a hitting time.
_SEARCH = 60


def gradient(
    problem: Problem,
    *,
    objective: Chosen = "order_one",
    wrt: Sequence[str] | str = (),
    make: Make,
    at: Sequence[float] | None = None,
    cosine: float | None = None,
    tolerance: float | None = None,
    rule: Rule | None = None,
    noise_rule: Rule | None = None,
    progress: bool | None = None,
) -> Gradient:
    r"""d𝒥/dθ = ∫ p·∂F/∂θ dτ + p(0)·∂y₀/∂θ + ∂Φ/∂θ with p′ = −Jᵀp, p(τ_f) = ∂Φ/∂y, for the discretised expectations.

    Parameters
    ----------
    problem : Problem
    objective : str, callable or Objective
        See `chosen.objective_of`.
    wrt : sequence of str
        Dotted keys with real values, or entries of them (``target.centroids[0][1]``). Of keys whose entries sum to one the
        derivatives are those along changes that keep the sum.
    make : callable
        From changed keys to a problem.
    at, cosine
        Of the objective.
    tolerance, rule, noise_rule
        Of the expectations, as in `solve`; their nodes stay where they are.

    Raises
    ------
    InputError
        If a key or the objective is unknown, or a key is no real number.
    ComputationError
        If the training diverges, or the time to be hit is not reached.

    Notes
    -----
    The steps are those of an adaptive solve to 1e-10 and are held too (discrete adjoint). Of the keys, ``training.tau`` has
    d𝒥/dτ = p·F(τ_f).
    """
    start = time.perf_counter()
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    wanted = objective_of(objective, at=at, cosine=cosine)
    keys = [key_of(problem, name) for name in names]
    if isinstance(wanted, Collapsed):
        return _of_collapse(problem, wanted, keys, make, start)
    setting = Setting.of(problem, tolerance, rule, noise_rule)
    drift = setting.drift()
    y0 = setting.start(drift)
    try:
        segments = setting.adaptive(drift, y0)
        sweep = Sweep(segments)
        end = sweep.forward(y0)
        if isinstance(wanted, Hitting):
            sweep, end = hit(setting, sweep, wanted)
    except StepError as error:
        raise ComputationError(f"the training stops at tau = {error.tau:.6g}: {error.reason}") from None
    tau = sweep.taus[-1]
    value, worth = wanted.gradient(setting, end)
    adjoint = sweep.segments[0].drift
    last = adjoint.record(end, sweep.segments[-1].scale_at(tau), tau).slope
    if isinstance(wanted, Hitting):
        # δT = −(∇c·δy)/(∇c·F), in samples n/d = m τ/(2η).
        worth = -worth / (worth @ last) * wanted.per_tau(problem)
        value = tau * wanted.per_tau(problem)
    by_start = sweep.backward(worth)

    def also(other: Problem) -> float:
        if isinstance(wanted, Hitting):
            return tau * wanted.per_tau(other)
        return wanted.value(setting, other, end)

    found: dict[str, Any] = {}
    for key in keys:
        out = np.empty(key.shape)
        for entry in key.entries:
            by_time = float(worth @ last) if key.key == "training.tau" and not isinstance(wanted, Hitting) else 0.0
            rates = changes(setting, make, key, entry, also)
            by_objective, by_y0 = float(rates.pop("also")), rates.pop("start")
            total = adjoint.worths.of_change(rates) + float(by_start @ by_y0) + by_objective + by_time
            out[entry[len(key.index) :]] = total
        found[key.name] = out.tolist() if out.ndim else float(out)
    exact = "moments" in setting.kernels.exact
    return Gradient(
        objective=wanted.name,
        value=float(value),
        gradient=found,
        state=end,
        by_state=by_start,
        evaluations=adjoint.evaluations + drift.evaluations,
        seconds=time.perf_counter() - start,
        rule="exact moments" if exact else f"{setting.rule.kind} {setting.rule.nodes}",
    )


def _of_collapse(problem: Problem, wanted: Collapsed, keys: Sequence[Key], make: Make, start: float) -> Gradient:
    """The fixed point of the collapse map is a function of the keys: no training is followed."""
    value = fixed_point(problem)
    found: dict[str, Any] = {}
    for key in keys:
        out = np.empty(key.shape)
        for entry in key.entries:

            def at(by: float, key: Key = key, entry: tuple[int, ...] = entry) -> dict[str, np.ndarray]:
                return {"value": np.array(moved(problem, make({key.key: key.changed(entry, by)}), value))}

            out[entry[len(key.index) :]] = rate(at, key.unit(entry))["value"]
        found[key.name] = out.tolist() if out.ndim else float(out)
    return Gradient(
        objective=wanted.name, value=value, gradient=found, state=np.zeros(0), by_state=np.zeros(0), evaluations=0,
        seconds=time.perf_counter() - start, rule="closed form",
    )  # fmt: skip


def hit(setting: Setting, sweep: Sweep, wanted: Hitting) -> tuple[Sweep, np.ndarray]:
    """The sweep up to the first time at which the cosine is reached.

    Raises
    ------
    ComputationError
        If it is not reached.
    """
    values = [wanted.value(setting, setting.problem, y) for y in sweep.states]
    crossed = next((k for k, v in enumerate(values) if v >= 0), None)
    if crossed is None:
        raise ComputationError(
            f"hitting: the cosine {wanted.cosine:g} is not reached within tau = {sweep.taus[-1]:g} (largest "
            f"{max(values) + wanted.cosine:.4g}); take a longer training"
        )
    if crossed == 0:
        raise ComputationError(f"hitting: the cosine {wanted.cosine:g} is there from the start")
    segment = sweep.segments[sweep.segment_of(crossed - 1)]
    tau, y, v = sweep.taus[crossed - 1], sweep.states[crossed - 1], values[crossed - 1]
    low, high = 0.0, sweep.taus[crossed] - tau
    guess = high * v / (v - values[crossed])
    # Newton's steps on one step of the method, kept within the bracket.
    for _ in range(_SEARCH):
        part = Segment(segment.drift, segment.scale, np.array([tau, tau + guess]))
        last = Sweep([part])
        end = last.forward(y)
        value = wanted.value(setting, setting.problem, end)
        low, high = (guess, high) if value < 0 else (low, guess)
        _, slope = wanted.gradient(setting, end)
        speed = float(slope @ segment.drift.record(end, segment.scale_at(tau + guess), tau + guess).slope)
        step = value / speed if speed != 0 else np.inf
        if abs(step) <= 1e-14 * (tau + guess) or high - low <= 1e-15 * (tau + guess):
            break
        guess = guess - step if low < guess - step < high else (low + high) / 2
    return sweep.cut(crossed - 1, tau + guess), end
