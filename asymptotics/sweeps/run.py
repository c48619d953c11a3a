"""Sweeps: an experiment over a grid of any of its keys, one file a point, one table at the end."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

from ..common.input.checks import InputError
from ..common.input.data_files import data_files
from ..common.running.calls import Failure
from ..common.running.checkpoints import Interrupted
from ..common.running.pool import outcomes
from ..common.running.progress import advance, bar
from ..experiment import Experiment, load
from .grid import grid
from .points import PointFile, folder_in, point_name, solve_point
from .table import Sweep, columns_of

_log = logging.getLogger(__name__)


def sweep(
    experiment: Experiment | str,
    over: Mapping[str, Sequence[Any]],
    *,
    out: str | os.PathLike[str],
    simulate: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Sweep:
    """Solve (and simulate) an experiment at every point of a grid of its keys.

    Each point is kept in its own file, ``out/points/HASH.json``, as soon as it is done: a sweep that was interrupted goes on
    where it stopped when called again, and one with more values computes the new points alone. A point that fails has its
    error in the table and is tried again by the next call. The numbers do not depend on the executor, nor on its workers.
    Files of data that the experiment names count by their content: a point is computed again where that has changed.

    Parameters
    ----------
    experiment : Experiment or str
        An experiment, or the name or file of one.
    over : mapping
        Dotted keys and their values: ``{"training.tau": [1, 2], "denoiser.hidden_units": [1, 2]}``; every combination.
        All points share the experiment's seed, unless ``simulation.seed`` is swept.
    out : path
        Folder of the points, ``table.csv`` and ``table.npz``; made if absent.
    simulate : bool
        The full process too; its columns begin with ``simulation.``.
    executor : concurrent.futures.Executor, optional
        Such as ``mpi4py.futures.MPIPoolExecutor()`` or that of `asymptotics.sweeps.dask`; default processes.
    workers : int, optional
        Number of processes, by default one a core.
    **options
        Options of the room's `solve`.

    Raises
    ------
    InputError
        If no point of the grid is a valid experiment, or ``out`` cannot be written.
    """
    base = experiment if isinstance(experiment, Experiment) else load(experiment)
    keys, points = grid(over)
    answers: list[dict[str, Any]] = [{} for _ in points]
    errors = [""] * len(points)
    tables: dict[int, dict[str, Any]] = {}
    for k, changes in enumerate(points):
        try:
            tables[k] = base.replace(changes).to_table()
        except InputError as error:
            errors[k] = f"InputError: {error}"
    if not tables:
        raise InputError(errors[0].removeprefix("InputError: "))
    folder = folder_in(out)
    files: dict[int, PointFile] = {}
    old: list[str] = []
    for k, table in tables.items():
        files[k] = PointFile(folder / f"{point_name(table, simulate, options)}.json", table)
        answers[k], since = files[k].read()
        old += [since] if since else []
    if old:
        _log.warning("%d of the points in %s are kept from other versions (%s)", len(old), out, old[0])
    wanted = [k for k in tables if not answers[k]]
    reused = done = len(tables) - len(wanted)
    tasks = [(tables[k], base.name, simulate, options, data_files(tables[k])) for k in wanted]
    try:
        with bar(len(points), "sweep", enabled=progress, unit="point") as watch:
            advance(watch, len(points) - len(wanted))
            with closing(outcomes(solve_point, tasks, executor=executor, workers=workers, watch=watch)) as work:
                for index, outcome in work:
                    k = wanted[index]
                    if isinstance(outcome, Failure):
                        errors[k] = str(outcome)
                    else:
                        answers[k] = outcome
                        files[k].keep(outcome)
                        done += 1
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {done} of {len(points)} points are kept in {out}: the same command goes on from there"
        ) from None
    with base.recorded():
        result = Sweep(base.name, keys, columns_of(keys, points, answers), errors, reused)
    result.write(out)
    return result
