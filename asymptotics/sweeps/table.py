"""The table of a sweep: which scalars of a report it holds, and how it is written."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..common.input.checks import InputError, closest
from ..common.output.entries import entry
from ..common.output.results import Result, to_builtin, write_atomically
from ..common.output.tables import dataset

#: Lists of a report that other lists run along, in the order in which they are looked for.
AXES = ("tau", "times", "t")
#: What a report says about itself: not results, or (seconds) not the same twice.
LEFT_OUT = ("settings", "parameters", "simulation", "notes", "experiment", "version", "provenance", "seconds")
SHORT = 16


def scalars(report: Mapping[str, Any]) -> dict[str, Any]:
    """The scalar results in a report (the JSON object of ``asymptotics solve``), by dotted names.

    - A number, true, false or null is a column; so are those of nested objects (``kl_floor.generated_target``).
    - Of a list as long as the ``tau``, ``times`` or ``t`` of its object (or of the objects around it), the last entry; where
      that is an array, entry by entry (``Q[0,1]``).
    - Any other list of at most 16 numbers entry by entry (``atoms[0]``); longer ones are only in the point's file.
    - Texts and what describes the run itself (`LEFT_OUT`) are left out.
    """
    found: dict[str, Any] = {}
    _collect(report, "", None, found)
    return found


def _collect(value: object, name: str, length: int | None, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping):
        length = next((len(value[axis]) for axis in AXES if isinstance(value.get(axis), list)), length)
        for key, entry in value.items():
            if key not in LEFT_OUT or (key == "parameters" and isinstance(entry, list)):
                _collect(entry, f"{name}.{key}" if name else str(key), length, found)
    elif isinstance(value, list):
        last = value[-1] if value and len(value) == length else value
        entries = dict(_entries(last, ()))
        if last is not value or len(entries) <= SHORT:
            for index, entry in entries.items():
                if not isinstance(entry, (str, Mapping)):
                    found[f"{name}[{','.join(map(str, index))}]" if index else name] = entry
    elif not isinstance(value, str):
        found[name] = value


def _entries(value: object, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    if isinstance(value, list):
        for k, entry in enumerate(value):
            yield from _entries(entry, (*index, k))
    else:
        yield index, value


def columns_of(
    keys: Mapping[str, list[Any]], points: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Columns of the table: the swept keys, then what any of the points has."""
    rows = []
    for answer in answers:
        row = scalars(answer.get("theory", {}))
        row |= {f"simulation.{name}": value for name, value in scalars(answer.get("simulation", {})).items()}
        rows.append(row)
    # A result with the name of a swept key would be that key: the key stays.
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in keys]
    columns = {key: [point[key] for point in points] for key in keys}
    return columns | {name: [row.get(name) for row in rows] for name in names}


@dataclass(frozen=True)
class Sweep(Result):
    """The table of a sweep.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    over : dict
        The swept keys and their values; points are in the order of nested loops, the last key fastest.
    columns : dict of lists
        One entry a point: the swept keys, then the scalar results (None where a point has none; see `scalars`).
    errors : list of str
        One a point; empty where it went well.
    reused : int
        Points that an earlier call had already computed.
    """

    experiment: str
    over: dict[str, list[Any]]
    columns: dict[str, list[Any]]
    errors: list[str]
    reused: int = field(default=0, metadata={"transient": True})

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of values of the swept keys; ``sweep[name].reshape(sweep.shape)`` is the grid."""
        return tuple(len(values) for values in self.over.values())

    def __getitem__(self, name: str) -> np.ndarray:
        """One column as an array: numbers (NaN where there is none), else texts."""
        if name == "error":
            return np.array(self.errors)
        key = self._key(name)
        if key is None:
            raise InputError(f"{name}: no such column{closest(name, list(self.columns))}")
        values = self.columns[key]
        if all(v is None or isinstance(v, (int, float)) for v in values):
            # A minus before 0 says nothing.
            return np.array([math.nan if v is None else v for v in values], dtype=np.float64) + 0.0
        return np.array([text_of(v) for v in values])

    def _key(self, name: str) -> str | None:
        """The column of that name, which may be that of the figures: ``Q_12`` for ``Q[0,1]``."""
        return name if name in self.columns else {figure_name(key): key for key in self.columns}.get(name)

    def to_csv(self) -> str:
        """The table as text: a head, one line a point, floats to the last bit, nothing where there is no value."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*self.columns, "error"])
        for k, error in enumerate(self.errors):
            writer.writerow([*(text_of(values[k]) for values in self.columns.values()), error])
        return file.getvalue()

    def to_dataframe(self) -> Any:
        """The table as a pandas DataFrame, entries of arrays as ``Q_12`` (needs pandas)."""
        try:
            import pandas
        except ImportError:
            raise InputError("to_dataframe: needs pandas; install it by pip install pandas") from None
        return pandas.DataFrame({**{figure_name(name): self[name] for name in self.columns}, "error": self.errors})

    def to_xarray(self) -> Any:
        """The results over the grid as an xarray Dataset: a dimension a swept key, a variable a column (needs xarray)."""
        return dataset(
            {key: list(values) for key, values in self.over.items()}, self._on_grid(), {"experiment": self.experiment}
        )

    def _on_grid(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        keys = tuple(self.over)
        names = [*(name for name in self.columns if name not in self.over), "error"]
        return {name: (keys, self[name].reshape(self.shape)) for name in names}

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``table.csv`` and ``table.npz`` (the columns, and ``__shape__``, that of the grid), each atomically."""
        arrays: dict[str, Any] = {name: self[name] for name in [*self.columns, "error"]}
        arrays["__shape__"] = np.array(self.shape)
        text = self.to_csv().encode()
        return [
            write_atomically(Path(folder) / "table.csv", lambda file: file.write(text)),
            write_atomically(Path(folder) / "table.npz", lambda file: np.savez_compressed(file, **arrays)),
        ]

    def summary(self) -> str:
        """How many points, how many of them failed and how."""
        failed = [error for error in self.errors if error]
        grid = " × ".join(f"{key} ({len(values)})" for key, values in self.over.items())
        lines = [f"{self.experiment}: {len(self.errors)} points over {grid}, {self.reused} of them computed before"]
        if failed:
            lines.append(f"{len(failed)} points failed (column error); the first: {failed[0]}")
        return "\n".join(lines)


def figure_name(column: str) -> str:
    """A column's name as the figures have it: ``Q_12`` for ``Q[0,1]``, the place of an entry in the JSON."""
    found = re.fullmatch(r"(.+)\[(\d+(?:,\d+)*)\]", column)
    if found is None:
        return column
    index = [int(k) for k in found[2].split(",")]
    return entry(found[1], index, [k + 1 for k in index])


def text_of(value: object) -> str:
    """A value as it stands in the table; nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(to_builtin(value))
