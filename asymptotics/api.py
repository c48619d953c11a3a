"""The verbs of the package: solve, simulate, compare, for an experiment of any room."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from . import __version__
from .common.input.checks import InputError
from .common.input.data_files import by_content, data_files, unchanged
from .common.output.provenance import made_from
from .common.output.results import Result
from .common.output.verdict import LEVEL, Verdict
from .common.running.checkpoints import Checkpoint
from .common.system import Measured, System
from .experiment import SYSTEMS, Experiment, all_systems, load, system_of
from .places import keys_of, option_elsewhere, with_options

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def opened(experiment: Experiment | str) -> Experiment:
    """An experiment, itself or by the name or file of it."""
    return experiment if isinstance(experiment, Experiment) else load(experiment)


@contextlib.contextmanager
def _places_said(experiment: Experiment) -> Iterator[None]:
    """Within the block the error of an unknown option also says whose it is."""
    try:
        yield
    except InputError as error:
        told = option_elsewhere(error, experiment.room, all_systems)
        if told is error:
            raise
        raise told from None


@with_options("solve", all_systems)
def solve(experiment: Experiment | str, **options: Any) -> Any:
    """The theory's prediction for an experiment.

    Parameters
    ----------
    experiment : Experiment or str
        An experiment, or the name or file of one.
    progress : bool, optional
        Show a bar; default only on a terminal and in notebooks.
    **options
        Those of the experiment's system, listed below.

    Returns
    -------
    Result
        Of the system: it prints itself, ``.plot()``, ``.to_json()``, ``.to_dataframe()``, ``.save(path)``.

    Raises
    ------
    InputError
        If an option is unknown or its value is not allowed.
    """
    experiment = opened(experiment)
    with experiment.recorded(), _places_said(experiment):
        return experiment.room.solve(experiment.problem, **options)


def solve_many(
    experiment: Experiment | str | Sequence[Experiment | str],
    changes: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | None = None,
    **options: Any,
) -> list[Any]:
    """The theory's predictions for several experiments, in this process, one after the other in compiled code.

    Parameters
    ----------
    experiment : Experiment, str or a sequence of them
        One experiment that ``changes`` vary, or all of them.
    changes : sequence of mappings, or mapping of sequences, optional
        Dotted keys and their values: one mapping for every prediction (``[{"training.tau": 1.0}, {"training.tau": 2.0}]``), or
        a mapping of all values, of which every combination is taken, as by `sweep` (``{"training.tau": [1.0, 2.0]}``).
    **options
        Options of the room's `solve`, the same for all.

    Returns
    -------
    list
        One result an experiment, in their order (of combinations: the last key varies fastest).

    Raises
    ------
    InputError
        If a change makes no valid experiment, or there are changes for several experiments.
    """
    if not isinstance(experiment, (Experiment, str)):
        if changes is not None:
            raise InputError("changes: must be left out where several experiments are given")
        return [solve(one, **options) for one in experiment]
    base = opened(experiment)
    if changes is None:
        raise InputError("changes: missing; must be a list of changes, or of experiments in the first place")
    if isinstance(changes, Mapping):
        changes = [dict(zip(changes, values, strict=True)) for values in itertools.product(*changes.values())]
    every = [base.replace(one) for one in changes]
    options.setdefault("progress", False)
    return [solve(one, **options) for one in every]


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


def run(
    experiment: Experiment,
    verb: str,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = None,
    **options: Any,
) -> Any:
    """Long work by any verb of the room, kept in a checkpoint if wanted; keys of the verb's table may be given as options."""
    doors = experiment.room.verb(verb)
    kind = experiment.room.tables.get(doors.table)
    fields = keys_of(experiment.room.tables[doors.table]) if doors.table else []
    names = {*fields, *getattr(kind, "ALIASES", {}), *experiment.room.also(doors.table)} - doors.names
    keys = {key: options.pop(key) for key in names & set(options)}
    if keys:
        experiment = experiment.replace(**{doors.table: keys})
    with (
        experiment.recorded(),
        _places_said(experiment),
        kept_in(checkpoint, experiment, verb, options, checkpoint_every) as keeper,
    ):
        return experiment.room.run(
            verb, experiment.problem, workers=workers, progress=progress, checkpoint=keeper, **options
        )


@with_options("simulate", all_systems)
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
    return run(
        opened(experiment), "simulate", workers=workers, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, **options,
    )  # fmt: skip


def room_of(result: object) -> System:
    """The system whose result this is."""
    parts = type(result).__module__.split(".")
    if len(parts) < 2 or parts[0] != __package__ or parts[1] not in SYSTEMS:
        raise InputError(f"result = {type(result).__name__}: must come from solve or simulate")
    return system_of(parts[1])


def compare(theory: Result, runs: Result | Measured, *, level: float = LEVEL, **options: Any) -> Verdict:
    """Theory against experiment, with error bars: the verdict (it prints itself; ``.plot()`` draws it).

    Parameters
    ----------
    theory : Result
        What `solve` gave.
    runs : Result, mapping or path
        What `simulate` gave; or, of systems that take them (the auto-encoder), your own measurements: a mapping of arrays or an
        ``.npz`` file, of order parameters along training or of trained weights, from whatever framework
        (`asymptotics.autoencoder.measured.as_runs` says which arrays).
    level : float
        Family-wise level of the verdict: the probability that a right theory fails.
    **options
        Those that measurements need.

    Raises
    ------
    InputError
        If the two do not belong together, or are not theory and experiment.
    """
    room = room_of(theory)
    if isinstance(runs, (Mapping, str, os.PathLike)):
        runs, options = room.measured(theory, runs, options)
    if room_of(runs) is not room:
        raise InputError("runs: must come from the same system as the theory")
    _check_roles(room, theory, runs)
    if options:
        raise InputError(f"{next(iter(options))}: the comparison of the system {room.name} has no such option")
    with made_from(runs.provenance.experiment, runs.provenance.seed):
        return room.compare(theory, runs, level=level)


def _check_roles(room: System, theory: Result, runs: Result) -> None:
    """Refuse two theories, two simulations, or other results of the room."""
    function = room.module("comparison").compare
    names = list(inspect.signature(function).parameters)[:2]
    hints = get_type_hints(function)
    for argument, name, value, verb in zip(
        ("theory", "runs"), names, (theory, runs), ("solve", "simulate"), strict=True
    ):
        if not isinstance(value, hints[name]):
            kinds = " or ".join(kind.__name__ for kind in (get_args(hints[name]) or (hints[name],)))
            raise InputError(f"{argument} = {type(value).__name__}: must be what {verb} gives (a {kinds})")


def plot(
    theory: Result,
    runs: Result | Measured | None = None,
    ax: Axes | None = None,
    *,
    tau: Sequence[float] | None = None,
    **options: Any,
) -> tuple[Figure, Axes]:
    """Theory as lines, experiment (or your own measurements, as `compare` takes them) as points; returns ``(figure, axes)``.

    With ``tau`` (of the auto-encoder) a film strip: the generated density at these training times, a panel each, with contours
    of theory and target over the density of the networks of ``runs``, which are trained again from their seeds.
    """
    room = room_of(theory)
    if isinstance(runs, (Mapping, str, os.PathLike)):
        runs, options = room.measured(theory, runs, options)
    if options:
        raise InputError(f"{next(iter(options))}: unknown option; a drawing has none but tau and those of measurements")
    if tau is None:
        return room.plot(theory, runs, ax=ax)
    if ax is not None:
        raise InputError("ax: must be left out with tau, which has a panel a training time")
    drawn: tuple[Figure, Axes] = room.film("strip", theory, runs, tau)
    return drawn


def movie(
    theory: Result, runs: Result | None, file: str | os.PathLike[str], *, tau: Sequence[float] | None = None
) -> Path:
    """The film of `plot` with ``tau`` as a ``.gif`` or ``.mp4``, by default over the whole training; returns the file's path."""
    return room_of(theory).film("movie", theory, runs, file, tau=tau)
