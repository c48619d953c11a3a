"""Optimal protocols: controls along the training that make an objective least, beside the best constant, and both in R^d."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...common.input.checks import ComputationError, InputError, integer, number
from ...common.running.checkpoints import Checkpoint
from ..equations.integration.stepping import StepError
from ..model.problem import Problem
from .gradient import hit
from .keys import Make, replaced
from .objectives.chosen import Chosen, objective_of
from .objectives.collapsed import Collapsed
from .objectives.generated import OfGenerated
from .objectives.trained import Hitting, Objective
from .protocols.controls import Control, control_of, controls_of
from .protocols.optimum import Best, Constant, Estimate, Optimum, Simulated
from .protocols.pontryagin import Arcs, bang_bang, residual, switching
from .protocols.protocol import Protocols
from .protocols.search import constants, minimise, pieces, steady
from .protocols.simulated import simulate_protocol
from .setting import Setting
from .sweep import COARSE, Sweep

#: Accuracy of the expectations in a search, and residual above which its end is polished with all nodes.
SEARCH, POLISHED = 1e-4, 1e-6
#: Iterations of the polish.
POLISH = 60
#: Parts in which a piece of a spline is carried out in R^d.
SHORT = 8

_log = logging.getLogger(__name__)


def optimise(
    problem: Problem,
    *,
    objective: Chosen = "order_one",
    controls: Mapping[str, Any] | Sequence[str] = (),
    make: Make | None = None,
    at: Sequence[float] | None = None,
    cosine: float | None = None,
    horizon: float | None = None,
    basis: str = "constant",
    starts: int = 5,
    seed: int = 0,
    only_theory: bool = False,
    tolerance: float | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Optimum:
    """`asymptotics.optimise` on a problem of this room; what is not said here is as there.

    Parameters
    ----------
    problem : Problem
    objective : str, callable or Objective
        See `chosen.objective_of`.
    controls : mapping or sequence
        Also texts ``KEY=LOW:HIGH[:PIECES]``.
    make : callable, optional
        From changed keys to a problem; default the same problem with other settings.
    only_theory : bool
        Do not carry out the best constant and the optimum in R^d.

    Raises
    ------
    InputError
        If a control, its bounds or the objective are not allowed.
    ComputationError
        If no control within the bounds gives a training that stays finite, or reaches what is to be hit.

    Notes
    -----
    The descent is SciPy's (L-BFGS-B, or SLSQP where entries sum to one) on the exact gradient of the discretised flow. What is
    found at its bounds but for single pieces is bang-bang: its switches are then the variables.
    """
    begin = time.perf_counter()
    if checkpoint is not None:
        raise InputError("checkpoint: must be left out; an optimisation keeps none")
    make = partial(replaced, problem) if make is None else make
    if not isinstance(controls, Mapping) and isinstance(controls, Sequence) and not isinstance(controls, str):
        controls = controls_of(controls)
    if not isinstance(controls, Mapping) or not controls:
        raise InputError(
            "controls: must be a mapping from keys to (low, high) or (low, high, pieces), with at least one key (on the command "
            "line --control KEY=LO:HI[:PIECES])"
        )
    wanted = objective_of(objective, at=at, cosine=cosine)
    if isinstance(wanted, Collapsed):
        raise InputError(
            "objective = 'collapse': has gradients by keys, but no controls along the training; choose another"
        )
    chosen = [control_of(problem, key, bounds, basis) for key, bounds in controls.items()]
    training = problem.training
    own = training.batch * training.tau / (2 * training.learning_rate)
    samples = own if horizon is None else number("horizon", horizon, above=0)
    integer("starts", starts, at_least=1)
    rough = Setting.of(problem, max(SEARCH, tolerance or 0.0))
    search = Protocols(rough, wanted, chosen, samples, COARSE)
    present = [c.present(problem) for c in chosen]
    alone = constants(search, present)
    _log.info("best constant: %.8g after %d trainings", alone[0].value, search.evaluations)
    found, ends = pieces(search, [x.u for x in alone], starts, seed)
    _log.info("searched: %.8g", found.value)
    fine = Setting.of(problem, tolerance)
    exact = Protocols(fine, wanted, chosen, samples)
    best = exact(found.u)
    u = found.u
    if residual(exact, u, best.gradient, best.value) > POLISHED:
        polished = minimise(exact, u, POLISH, 1e-15)
        if polished.value <= best.value:
            u, best = polished.u, exact(polished.u)
    # The search's nodes are rough: the best constant is found again with all of them.
    constant_u = minimise(steady(exact), alone[0].u, POLISH, 1e-15).u
    held = np.concatenate([np.tile(part, c.count) for part, c in zip(_parts(chosen, constant_u), chosen, strict=True)])
    unchanged = exact(held)
    if unchanged.value < best.value:
        u, best = held, unchanged
    arcs = bang_bang(exact, u)
    if arcs is not None and arcs.value > best.value:
        arcs = None
    check = Protocols(fine.finer(), wanted, chosen, samples, refine=2)
    optimum = _optimum(exact, check, u, best, arcs, ends)
    others = [Constant(x.value, _plain(chosen, _parts(chosen, x.u))) for x in alone[1:]]
    constant = Constant(unchanged.value, _plain(chosen, _parts(chosen, constant_u)), others)
    simulated = Simulated(None, None, "not asked for")
    if not only_theory:
        simulated = _simulated(exact, make, u, constant_u, arcs, workers, progress)
    return Optimum(
        objective=wanted.name,
        horizon=samples,
        baseline=_baseline(fine, wanted, make, samples * exact.clock),
        constant=constant,
        optimum=optimum,
        simulated=simulated,
        controls={c.key: [c.low, c.high, c.pieces] for c in chosen},
        state=best.state,
        evaluations=search.evaluations + exact.evaluations,
        seconds=time.perf_counter() - begin,
    )


def _baseline(setting: Setting, objective: Objective, make: Make, tau: float) -> float | None:
    """The objective of the experiment as it is, trained to τ; None where that training does not end well."""
    if not np.isclose(tau, setting.problem.training.tau, rtol=1e-12):
        setting = replace(setting, problem=make({"training.tau": tau}))
    drift = setting.drift()
    start = setting.start(drift)
    try:
        sweep = Sweep(setting.adaptive(drift, start))
        end = sweep.forward(start)
        if isinstance(objective, Hitting):
            sweep, _ = hit(setting, sweep, objective)
            return sweep.taus[-1] * objective.per_tau(setting.problem)
        return objective.value(setting, setting.problem, end)
    except (StepError, ComputationError):
        return None


def _parts(controls: Sequence[Control], u: np.ndarray) -> list[np.ndarray]:
    """The value of every control of a constant protocol."""
    return np.split(u, np.cumsum([c.size for c in controls])[:-1])


def _plain(controls: Sequence[Control], values: Sequence[np.ndarray]) -> Any:
    """Values as in an experiment file; of several controls by key."""
    if len(controls) == 1:
        return controls[0].plain(values[0])
    return {c.key: c.plain(v) for c, v in zip(controls, values, strict=True)}


def _optimum(
    exact: Protocols, check: Protocols, u: np.ndarray, best: Any, arcs: Arcs | None, ends: list[float]
) -> Best:
    """The best protocol with what is known of it."""
    if arcs is not None:
        other, _ = _alone(check, arcs).switched(arcs.values, arcs.knots)
        control: Any = [exact.controls[0].plain(v) for v in arcs.values]
        return Best(
            value=arcs.value, control=control, knots=arcs.knots.tolist(), residual=arcs.residual, starts=ends,
            switching=[], bang_bang=True, error=abs(other - arcs.value),
        )  # fmt: skip
    parts = exact.split(u)
    if exact.varied:
        # Of a spline what it is at the ends of its pieces.
        parts = [c.along.rows(np.linspace(0, 1, c.pieces + 1)) @ v for c, v in zip(exact.controls, parts, strict=True)]
    along = [[c.plain(v) for v in part] for c, part in zip(exact.controls, parts, strict=True)]
    slopes = [s.squeeze(-1).tolist() if s.shape[-1] == 1 else s.tolist() for s in switching(exact, best.gradient)]
    coefficients = [[c.plain(v) for v in part] for c, part in zip(exact.controls, exact.split(u), strict=True)]

    def by_key(values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else {c.key: v for c, v in zip(exact.controls, values, strict=True)}

    return Best(
        value=best.value, control=by_key(along), knots=exact.knots().tolist(),
        residual=residual(exact, u, best.gradient, best.value), starts=ends, switching=by_key(slopes), bang_bang=False,
        error=abs(check(u).value - best.value), basis=exact.controls[0].basis,
        coefficients=by_key(coefficients) if exact.varied else None,
    )  # fmt: skip


def _alone(protocols: Protocols, arcs: Arcs) -> Protocols:
    """Protocols whose one control has as many pieces as there are arcs."""
    controls = [replace(protocols.controls[0], pieces=len(arcs.values))]
    return Protocols(
        protocols.setting, protocols.objective, controls, protocols.horizon, protocols.method, protocols.refine
    )


def _simulated(
    exact: Protocols,
    make: Make,
    u: np.ndarray,
    constant: np.ndarray,
    arcs: Arcs | None,
    workers: int | None,
    progress: bool | None,
) -> Simulated:
    """Both protocols in R^d."""
    problem, why = exact.setting.problem, ""
    if problem.optimiser.moving:
        why = "velocities of the momentum are not carried from one piece of a protocol to the next"
    if isinstance(exact.objective, OfGenerated) and problem.generating is not None:
        why = "averages of the weights are not carried from one piece of a protocol to the next"
    if problem.training.moving and len(exact.knots()) > 2:
        why = f"{problem.training.moving[0].key} moves along the training too"
    if why:
        return Simulated(None, None, why)

    def carried_out(values: Sequence[np.ndarray], knots: np.ndarray, places: Sequence[np.ndarray]) -> Estimate:
        problems: list[Problem] = []
        for j in range(len(knots) - 1):
            changed: dict[str, Any] = {}
            for control, value, place in zip(exact.controls, values, places, strict=True):
                changed |= control.setting(value[place[j]])
            problems.append(make(changed))
        return simulate_protocol(exact.setting, exact.objective, problems, knots, workers=workers, progress=progress)

    parts = [part[None] for part in _parts(exact.controls, constant)]
    ends = np.array([0.0, exact.horizon])
    constant_in_space = carried_out(parts, ends, [np.zeros(1, dtype=int)] * len(parts))
    if arcs is not None:
        optimum = carried_out([arcs.values], arcs.knots, [np.arange(len(arcs.values))])
    elif exact.varied:
        # Splines in short parts, each with the value of its middle.
        count = SHORT * max(3, *(c.pieces for c in exact.controls))
        knots = np.linspace(0.0, exact.horizon, count + 1)
        values = exact.along(exact.split(u), (np.arange(count) + 0.5) / count)
        optimum = carried_out(values, knots, [np.arange(count)] * len(values))
    else:
        knots = exact.knots()
        optimum = carried_out(exact.split(u), knots, exact.places(knots))
    return Simulated(constant_in_space, optimum)
