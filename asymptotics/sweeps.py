"""Sweeps: an experiment over a grid of any of its keys, one file a point, one table at the end."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .common.input.checks import InputError, fail
from .common.input.data_files import by_content, data_files, unchanged
from .common.output.results import to_builtin, write_atomically
from .common.output.versions import changed, versions
from .common.running.progress import bar
from .common.running.pool import Failure, outcomes
from .experiment import Experiment, load
from .sweep_table import Sweep, scalars

_log = logging.getLogger(__name__)

FORMAT = 1
LARGEST = 1_000_000


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep; the message says what is kept and how to go on."""


def values_of(text: str) -> tuple[str, list[Any]]:
    """One ``--over``: ``KEY=FIRST:LAST:COUNT`` (equal steps), ``KEY=FIRST:LAST:COUNT:log`` (equal ratios) or ``KEY=A,B,…``.

    Integers stay integers: ``1:8:8`` is 1, 2, …, 8. The entries of a list are TOML values, or bare words.

    Raises
    ------
    InputError
        Saying what is wrong with the text.
    """
    key, sign, values = (part.strip() for part in text.partition("="))
    allowed = "KEY=FIRST:LAST:COUNT, KEY=FIRST:LAST:COUNT:log or KEY=A,B,…, such as training.tau=0.5:8:16"
    if not sign or not values or "." not in key or not all(key.split(".")):
        raise InputError(f"--over {text}: must be {allowed}")
    parts = values.split(":")
    if len(parts) in (3, 4) and "[" not in values and '"' not in values:
        return key, _range(text, parts, allowed)
    try:
        return key, list(tomllib.loads(f"values = [{values}]")["values"])
    except tomllib.TOMLDecodeError:
        pass
    words = [_value(word.strip()) for word in values.split(",")]
    if not all(isinstance(word, (int, float)) or word.replace("_", "").replace("-", "").isalnum() for word in words):
        raise InputError(f"--over {text}: must be {allowed}")
    return key, words


def _value(word: str) -> Any:
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word


def _range(text: str, parts: list[str], allowed: str) -> list[Any]:
    try:
        first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError:
        raise InputError(f"--over {text}: must be {allowed}") from None
    logarithmic = len(parts) == 4
    if (logarithmic and parts[3] != "log") or not (math.isfinite(first) and math.isfinite(last)):
        raise InputError(f"--over {text}: must be {allowed}")
    if not 1 <= count <= LARGEST:
        raise InputError(f"--over {text}: COUNT must be from 1 to {LARGEST}")
    if logarithmic and not (first > 0 and last > 0):
        raise InputError(f"--over {text}: FIRST and LAST must be > 0 for equal ratios")
    steps = np.geomspace(first, last, count) if logarithmic else np.linspace(first, last, count)
    integers = not any(c in part for part in parts[:2] for c in ".eE")
    if integers and all(float(x).is_integer() for x in steps):
        return [int(x) for x in steps]
    return [float(x) for x in steps]


def solve_point(
    table: dict[str, Any], name: str, simulate: bool, options: dict[str, Any], data: Mapping[str, str]
) -> dict[str, Any]:
    """Compute one point: the reports of theory and, if wanted, simulation, as JSON values.

    ``data`` are the hashes of the files that the table names (`data_files`): what was computed from others is refused.
    """
    experiment = Experiment.from_table(table, name=name)
    answer = {"theory": to_builtin(experiment.room.solve(experiment.problem, progress=False, **options).to_json())}
    if simulate:
        runs = experiment.room.simulate(experiment.problem, workers=1, progress=False)
        answer["simulation"] = to_builtin(runs.to_json())
    unchanged(data, {**experiment.data, **data_files(table)})
    return answer


def _text_of(value: Any, *, sort: bool) -> str:
    def other(thing: Any) -> Any:
        try:
            return to_builtin(thing)
        except TypeError:
            return repr(thing)

    return json.dumps(value, sort_keys=sort, default=other)


def point_name(table: Mapping[str, Any], simulate: bool, options: Mapping[str, Any]) -> str:
    """The name of a point's file: a hash of its whole experiment, of what is computed and of the package's version.

    Files of data that the experiment names count by their content.
    """
    contents = data_files(table)
    kept = {key: by_content(value, contents) for key, value in table.items() if key != "description"}
    text = _text_of({"experiment": kept, "simulate": simulate, "options": options, "version": __version__}, sort=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stored(path: Path) -> tuple[dict[str, Any], str]:
    """Answer of a point's file (empty if there is no file), and how the libraries have changed since it was written.

    A file of another kind is an error, and is left alone.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] == FORMAT and content["point"] == path.stem and isinstance(content["answer"], dict):
            return dict(content["answer"]), changed(content.get("versions", {}))
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path}: not a point written by this version of asymptotics; move it away")


def _folder(out: str | os.PathLike[str]) -> Path:
    folder = Path(out) / "points"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out = {str(out)!r}: cannot be made ({error.strerror})") from None
    if not os.access(folder, os.W_OK) or not os.access(folder.parent, os.W_OK):
        raise InputError(f"out = {str(out)!r}: cannot be written")
    return folder


def _grid(over: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    keys = {}
    for key, values in over.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            fail(f"over[{key!r}]", values, "a list of values")
        keys[str(key)] = [to_builtin(v) for v in values]
        if not keys[str(key)]:
            fail(f"over[{key!r}]", values, "a list of at least one value")
    if not keys:
        raise InputError("over: needs at least one key, such as training.tau")
    size = math.prod(len(values) for values in keys.values())
    if size > LARGEST:
        raise InputError(f"over: has {size} points; at most {LARGEST} are allowed")
    return keys


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
    keys = _grid(over)
    points = [dict(zip(keys, values, strict=True)) for values in itertools.product(*keys.values())]
    answers: list[dict[str, Any]] = [{} for _ in points]
    errors = [""] * len(points)
    tables: dict[int, dict[str, Any]] = {}
    paths: dict[int, Path] = {}
    for k, changes in enumerate(points):
        try:
            tables[k] = base.replace(changes).to_table()
        except InputError as error:
            errors[k] = f"InputError: {error}"
    if not tables:
        raise InputError(errors[0].removeprefix("InputError: "))
    folder = _folder(out)
    old: list[str] = []
    for k, table in tables.items():
        paths[k] = folder / f"{point_name(table, simulate, options)}.json"
        answers[k], since = _stored(paths[k])
        old += [since] if since else []
    if old:
        _log.warning("%d of the points in %s are kept from other versions (%s)", len(old), out, old[0])
    wanted = [k for k in tables if not answers[k]]
    reused = len(tables) - len(wanted)
    tasks = [(tables[k], base.name, simulate, options, data_files(tables[k])) for k in wanted]
    work = outcomes(solve_point, tasks, executor=executor, workers=workers)
    done = reused
    try:
        with bar(len(points), "sweep", enabled=progress, unit="point") as watch, closing(work):
            watch.update(len(points) - len(wanted))
            for index, outcome in work:
                k = wanted[index]
                if isinstance(outcome, Failure):
                    errors[k] = str(outcome)
                else:
                    answers[k] = outcome
                    _keep(paths[k], tables[k], outcome)
                    done += 1
                watch.update()
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {done} of {len(points)} points are kept in {out}: the same command goes on from there"
        ) from None
    result = Sweep(base.name, keys, _columns(keys, points, answers), errors, reused)
    result.write(out)
    return result


def _keep(path: Path, table: dict[str, Any], answer: dict[str, Any]) -> None:
    head = {"format": FORMAT, "point": path.stem, "versions": versions(), "data": data_files(table)}
    text = _text_of({**head, "experiment": table, "answer": answer}, sort=False)
    write_atomically(path, lambda file: file.write(text.encode()))


def _columns(
    keys: Mapping[str, list[Any]], points: list[dict[str, Any]], answers: list[dict[str, Any]]
) -> dict[str, list[Any]]:
    rows = []
    for answer in answers:
        row = scalars(answer.get("theory", {}))
        row |= {f"simulation.{name}": value for name, value in scalars(answer.get("simulation", {})).items()}
        rows.append(row)
    # A result with the name of a swept key would be that key: the key stays.
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in keys]
    columns = {key: [point[key] for point in points] for key in keys}
    return columns | {name: [row.get(name) for row in rows] for name in names}
