"""The verbs of the package: solve, simulate, compare, for an experiment of any room."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from . import __version__
from .common.input.checks import InputError
from .common.input.data_files import by_content, data_files, unchanged
from .common.output.provenance import made_from
from .common.output.results import Result
from .common.output.verdict import Verdict
from .common.running.checkpoints import Checkpoint
from .common.system import System
from .experiment import SYSTEMS, Experiment, load, system_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _experiment(experiment: Experiment | str) -> Experiment:
    return experiment if isinstance(experiment, Experiment) else load(experiment)


def solve(experiment: Experiment | str, **options: Any) -> Any:
    """The theory's prediction for an experiment (or the name or file of one); options are those of its room."""
    experiment = _experiment(experiment)
    with experiment.recorded():
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
    names = {*getattr(kind, "__dataclass_fields__", {}), *getattr(kind, "ALIASES", {})} - doors.names
    keys = {key: options.pop(key) for key in names & set(options)}
    if keys:
        experiment = experiment.replace(**{doors.table: keys})
    with experiment.recorded(), kept_in(checkpoint, experiment, verb, options, checkpoint_every) as keeper:
        return experiment.room.run(
            verb, experiment.problem, workers=workers, progress=progress, checkpoint=keeper, **options
        )


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
        _experiment(experiment), "simulate", workers=workers, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, **options,
    )  # fmt: skip


def _room_of(result: object) -> System:
    parts = type(result).__module__.split(".")
    if len(parts) < 2 or parts[0] != __package__ or parts[1] not in SYSTEMS:
        raise InputError(f"result = {type(result).__name__}: must come from solve or simulate")
    return system_of(parts[1])


def compare(theory: Result, runs: Result, **options: Any) -> Verdict:
    """Theory against experiment, with error bars: the verdict (it prints itself; ``.plot()`` draws it)."""
    room = _room_of(theory)
    if _room_of(runs) is not room:
        raise InputError("runs: must come from the same system as the theory")
    with made_from(runs.provenance.experiment, runs.provenance.seed):
        return room.compare(theory, runs, **options)


def plot(theory: Result, runs: Result | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Theory as lines, experiment as points with error bars; returns ``(figure, axes)``."""
    return _room_of(theory).plot(theory, runs, ax=ax)


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
        return run(_experiment(subject), "regimes", **options)
    room = _room_of(subject)
    room.verb("regimes")
    if not hasattr(subject, "problem"):
        raise InputError(f"subject = {type(subject).__name__}: must be an experiment or the result of solve")
    with made_from(subject.provenance.experiment, subject.provenance.seed):
        return room.run("regimes", subject.problem, path=subject, **options)


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
    return run(
        changed, "collapse", simulate=simulate, workers=workers, progress=progress, checkpoint=checkpoint,
        checkpoint_every=checkpoint_every, **options,
    )  # fmt: skip
