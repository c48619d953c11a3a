"""The verbs of the package: solve, simulate, compare, for an experiment of any room."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from . import __version__
from .common.input.checks import InputError
from .common.input.data_files import by_content, data_files, unchanged
from .common.output.results import Result
from .common.output.verdict import Verdict
from .common.running.checkpoints import Checkpoint
from .common.system import System
from .experiment import SYSTEMS, Experiment, load, system_of


def _experiment(experiment: Any) -> Experiment:
    return experiment if isinstance(experiment, Experiment) else load(experiment)


def solve(experiment: Experiment | str, **options: Any) -> Any:
    """The theory's prediction for an experiment (or the name or file of one); options are those of its room."""
    experiment = _experiment(experiment)
    return experiment.room.solve(experiment.problem, **options)


def kept_in(
    folder: str | os.PathLike[str] | None,
    experiment: Experiment,
    verb: str,
    options: dict[str, Any],
    every: float | None = None,
) -> contextlib.AbstractContextManager[Checkpoint | None]:
    """The checkpoint of a verb's work on an experiment; nothing where no folder is given.

    Options that the room calls ``swept`` may change from call to call: each of their values has its own runs. Files count by
    their content.
    """
    if folder is None:
        return contextlib.nullcontext()
    swept = {option.name for option in experiment.room.verb(verb).options if option.swept}
    decisive = {key: value for key, value in options.items() if value is not None and key not in swept}
    decisive = by_content(decisive, data_files(decisive, any_name=True))
    unchanged(experiment.data, data_files(experiment.tables))
    table = {key: by_content(value, experiment.data) for key, value in experiment.to_table().items()}
    table.pop("description")
    return Checkpoint(folder, {"verb": verb, "version": __version__, "options": decisive, "experiment": table}, every)


def _keys(experiment: Experiment, table: str, options: dict[str, Any]) -> dict[str, Any]:
    """Takes from ``options`` those that are keys of that table of the experiment, not options of the verb."""
    kind = experiment.room.tables.get(table)
    names = {*getattr(kind, "__dataclass_fields__", {}), *getattr(kind, "ALIASES", {})}
    return {key: options.pop(key) for key in names & set(options)}


def simulate(
    experiment: Experiment | str,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = None,
    **options: Any,
) -> Any:
    """The full d-dimensional process, as an ensemble of independent runs.

    Keys of the ``[simulation]`` table (``dimension=1000, runs=8, seed=0``) may be given here.

    Parameters
    ----------
    experiment : Experiment or str
        An experiment, or the name or file of one.
    workers : int, optional
        Processes, by default one a core; the answer does not depend on it.
    progress : bool, optional
        Show a bar; default only on a terminal.
    checkpoint : path, optional
        A folder that keeps finished runs and the states of those under way. After Ctrl-C, a crash or a power cut the same
        call goes on from there, and its answer is that of an undisturbed one, bit for bit.
    checkpoint_every : float, optional
        Seconds between two writes of a state (default 20).
    **options
        Options of the room.

    Raises
    ------
    InputError
        If an argument is not allowed, or the checkpoint belongs to another experiment, is damaged or cannot be written (what
        was there stays as it is).
    """
    experiment = _experiment(experiment)
    own = {name for option in experiment.room.verb("simulate").options for name in (option.name, *option.aliases)}
    taken = {name: options.pop(name) for name in own & set(options)}
    keys = _keys(experiment, "simulation", options)
    options |= taken
    if keys:
        experiment = experiment.replace(simulation=keys)
    with kept_in(checkpoint, experiment, "simulate", options, checkpoint_every) as keeper:
        return experiment.room.simulate(
            experiment.problem, workers=workers, progress=progress, checkpoint=keeper, **options
        )


def _room_of(result: Any) -> System:
    parts = type(result).__module__.split(".")
    if len(parts) < 2 or parts[0] != __package__ or parts[1] not in SYSTEMS:
        raise InputError(f"result = {type(result).__name__}: must come from solve or simulate")
    return system_of(parts[1])


def compare(theory: Result, runs: Result, **options: Any) -> Verdict:
    """Theory against experiment, with error bars: the verdict (it prints itself; ``.plot()`` draws it)."""
    room = _room_of(theory)
    if _room_of(runs) is not room:
        raise InputError("runs: must come from the same system as the theory")
    return room.compare(theory, runs, **options)


def plot(theory: Result, runs: Result | None = None, ax: Any = None) -> tuple[Any, Any]:
    """Theory as lines, experiment as points with error bars; returns ``(figure, axes)``."""
    return _room_of(theory).plot(theory, runs, ax=ax)


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
    base = None if experiment is None else _experiment(experiment)
    room = system_of(SYSTEMS[0]) if base is None else base.room
    room.verb("collapse")
    tables = {key: options.pop(key) for key in list(options) if key in {**room.tables, **room.table_aliases}}
    changed = Experiment(**tables) if base is None else base.replace(**tables)
    keys = _keys(changed, "generations", options)
    if keys:
        changed = changed.replace(generations=keys)
    with kept_in(checkpoint, changed, "collapse", options, checkpoint_every) as keeper:
        return room.run(
            "collapse",
            changed.problem,
            simulate=simulate,
            workers=workers,
            progress=progress,
            checkpoint=keeper,
            **options,
        )
