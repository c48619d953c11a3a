"""Verbs that not every room has: regimes, chains of generations, gradients and protocols, saddles and the runs that leave them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .api import opened, room_of, run
from .common.input.checks import InputError
from .common.output.provenance import made_from
from .common.output.results import Result
from .experiment import SYSTEMS, Experiment, all_systems, system_of
from .places import with_options


def regimes(subject: Experiment | Result | str, **options: Any) -> Any:
    """Dynamical regimes of a trained network: bifurcation times, landscapes, clones and U-turns, beside the exact score's.

    Parameters
    ----------
    subject : Experiment, str or result of `solve`
        An experiment, the name or file of one, or its solved path (which is then not solved again).
    **options
        ``tau`` (training times), ``clones`` (times in sampling), ``pairs``, ``seed``, ``simulate``, and keys of ``[simulation]``.
    """
    if not isinstance(subject, Result):
        return run(opened(subject), "regimes", **options)
    room = room_of(subject)
    room.verb("regimes")
    if not hasattr(subject, "problem"):
        raise InputError(f"subject = {type(subject).__name__}: must be an experiment or the result of solve")
    with made_from(subject.provenance.experiment, subject.provenance.seed):
        return room.run("regimes", subject.problem, path=subject, **options)


@with_options("collapse", all_systems)
def generations(
    experiment: Experiment | str | None = None,
    *,
    simulate: bool = False,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = None,
    **options: Any,
) -> Any:
    """A chain of networks, each trained on the samples that the one before generates.

    ``generations(target, denoiser, training, sampling, count)`` as keywords: tables of an experiment (``target={...}``) and keys
    of its ``[generations]`` table (``count=3, start="warm", original=0.1``) change the given experiment, or make one.
    ``simulate=True`` runs the chain in R^d as well. ``checkpoint`` is a folder that keeps the generations done, as in
    `asymptotics.simulate`.
    """
    base = None if experiment is None else opened(experiment)
    room = system_of(SYSTEMS[0]) if base is None else base.room
    room.verb("collapse")
    tables = {key: options.pop(key) for key in list(options) if key in {**room.tables, **room.table_aliases}}
    changed = Experiment(**tables) if base is None else base.replace(**tables)
    return run(
        changed, "collapse", simulate=simulate, workers=workers, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, **options,
    )  # fmt: skip


def gradient(
    experiment: Experiment | str,
    objective: str | Callable[..., float] = "order_one",
    wrt: str | Sequence[str] = (),
    *,
    at: Sequence[float] | None = None,
    cosine: float | None = None,
    tolerance: float | None = None,
    **options: Any,
) -> Any:
    """The exact gradient of what a training leads to, by any real-valued keys of the experiment.

    One solve and one sweep backwards (the adjoint of the derived drift, with the nodes of the expectations where they are),
    whatever the number of keys.

    Parameters
    ----------
    experiment : Experiment or str
        An experiment, or the name or file of one.
    objective : str or callable
        ``potential`` (d·bulk + E[ℓ]), ``order_one``, ``loss`` (d·bulk + order_one; d = ``simulation.dimension``), ``moments``
        (squared distance of the second moments of the generated law from the target's), ``w2`` (W₂² between Gaussians with the
        means and covariances of both), ``collapse`` (the stable fixed point of the collapse map that the chain ends at),
        ``hitting`` (n/d until every centroid's cosine with span(W) has reached ``cosine``), or a function of the
        `OrderParameters` at the end.
    wrt : sequence of str
        Dotted keys, or entries of them: ``"training.learning_rate"``, ``"target.centroids[0][1]"``.
    at : sequence of float, optional
        Times t of a loss; default those of the training.
    cosine : float, optional
        To be hit; default 0.9.
    tolerance : float, optional
        Wanted error of the order parameters, as in `solve`.
    **options
        ``rule`` and ``noise_rule``, which fix the expectations by hand.

    Returns
    -------
    Gradient
        ``gradient[key]`` is a number, or an array of the key's shape; ``gradient.value`` is the objective.

    Raises
    ------
    InputError
        If the objective or a key is unknown, or a key is no real number.
    """
    experiment = opened(experiment)
    experiment.room.verb("optimise")
    with experiment.recorded():
        return experiment.room.module("control.gradient").gradient(
            experiment.problem, objective=objective, wrt=wrt, make=_maker(experiment), at=at, cosine=cosine,
            tolerance=tolerance, **options,
        )  # fmt: skip


def optimise(
    experiment: Experiment | str,
    objective: str | Callable[..., float] = "order_one",
    controls: Mapping[str, Any] | Sequence[str] = (),
    *,
    at: Sequence[float] | None = None,
    cosine: float | None = None,
    horizon: float | None = None,
    basis: str = "constant",
    starts: int = 5,
    seed: int = 0,
    simulate: bool = True,
    tolerance: float | None = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> Any:
    """Controls along the training that make an objective least at given n/d, beside the best constant, and both in R^d.

    Parameters
    ----------
    experiment, objective, at, cosine, tolerance
        As in `gradient`.
    controls : mapping
        Key → ``(low, high)`` or ``(low, high, pieces)``. Keys: ``training.learning_rate`` (it takes the place of the schedule),
        ``training.weight_decay``, ``training.times`` (one time), ``training.time_probabilities``, ``training.weights``,
        ``training.rates.NAME``. Bounds are needed: without them there may be no
        optimum (where noise helps, an ever shorter burst of an ever higher rate is ever better).
    horizon : float, optional
        n/d, samples per dimension; default that of the experiment.
    basis : {"constant", "spline"}
        Controls are constant on equal pieces (default 100), or cubic splines on them (default 12); within their bounds everywhere.
    starts, seed : int
        Number of searches from different starts, and the seed of the random ones.
    simulate : bool
        Carry out the best constant and the optimum in R^d too (``simulation`` table of the experiment).
    workers, progress
        As in `simulate`.

    Returns
    -------
    Optimum
        ``baseline``, ``constant``, ``optimum``, ``simulated``.

    Raises
    ------
    InputError
        If a key cannot be controlled, or its bounds are missing or wrong.
    """
    experiment = opened(experiment)
    options = {
        "at": at,
        "cosine": cosine,
        "horizon": horizon,
        "basis": basis,
        "starts": starts,
        "seed": seed,
        "tolerance": tolerance,
    }
    options = experiment.room.verb("optimise").checked(options)
    with experiment.recorded():
        return experiment.room.module("control.optimise").optimise(
            experiment.problem, objective=objective, controls=controls, make=_maker(experiment), only_theory=not simulate,
            workers=workers, progress=progress, **options,
        )  # fmt: skip


def _maker(experiment: Experiment) -> Callable[[Mapping[str, Any]], Any]:
    """From changed keys to a problem."""
    return lambda changes: experiment.replace(changes).problem


def fixed_points(experiment: Experiment | str, **options: Any) -> Any:
    """Fixed points of the training flow, each confirmed by finer expectations: a sequence of {Theta, Q, b, eigenvalues, kind}."""
    return run(opened(experiment), "fixed_points", **options)


def escape(experiment: Experiment | str, dimension: int | None = None, **options: Any) -> Any:
    """When runs at ``dimension`` leave the saddle of an experiment's path: {rate, direction, mean, std} and the whole law."""
    return run(opened(experiment), "escape", dimension=dimension, **options)


def typical(
    experiment: Experiment | str, dimension: int | None = None, draws: int = 64, seed: int = 0, **options: Any
) -> Any:
    """The law of runs at ``dimension``, also where they leave an unstable path: a mixture of branches with their own noise."""
    return run(opened(experiment), "typical", dimension=dimension, draws=draws, seed=seed, **options)
