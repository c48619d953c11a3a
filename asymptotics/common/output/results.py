"""Results: frozen dataclasses that print themselves, become JSON, and live in one .npz file (never pickle)."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..input.checks import InputError
from . import notebook
from .files import read_arrays, write_arrays, write_atomically
from .plain import printed, shown, to_builtin
from .plotting import Drawn
from .provenance import Provenance, current
from .tables import dataframe, dataset, numbers

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset

__all__ = ["Result", "dataframe", "read_arrays", "to_builtin", "write_arrays", "write_atomically"]

FORMAT = 1


def _shown(value: object) -> str:
    """A field in a few words: short arrays in full, long ones by shape and range."""
    if isinstance(value, np.ndarray):
        if value.size <= 8:
            return printed(value, 6) if value.dtype.kind in "iuf" else str(value).replace("\n", "")
        finite = value[np.isfinite(value)]
        reach = f"from {shown(finite.min())} to {shown(finite.max())}" if finite.size else "none finite"
        return f"array of shape {value.shape}, {reach}"
    text = shown(value) if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 90 else text[:87] + "..."


def _tuples(value: object) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _with_provenance(to_json: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    @functools.wraps(to_json)
    def complete(self: Result) -> dict[str, Any]:
        return {**to_builtin(to_json(self)), **self._made()}

    return complete


class Result(Drawn):
    """Base of frozen dataclasses of arrays (float or integer) and plain values.

    Fields that hold arrays are stored as they are; all others must be JSON values, except those with
    ``metadata={"transient": True}``, which are not stored (they need a default). A subclass overrides
    `to_json` where its command-line form differs from its fields, `summary` for what a person reads, and ``COLUMNS`` or
    `to_dataframe` where it is a table; its picture is registered by the ``plots`` of its room.

    Attributes
    ----------
    provenance : Provenance
        Versions, experiment and seed: those of the experiment under way when it was made, or what its file says.
    """

    #: Fields of one length, which are the columns of `to_dataframe`; none: the object is one row.
    COLUMNS: ClassVar[tuple[str, ...]] = ()
    #: What `to_json` has beside or instead of the fields (``"*"``: all fields too), with their meanings where the docstring has none.
    JSON: ClassVar[Mapping[str, str]] = {}
    # No field of the dataclass: two results of equal numbers are equal, and who copies fields makes a new result.
    provenance: Provenance

    def __new__(cls, *values: object, **named: object) -> Self:
        made = super().__new__(cls)
        object.__setattr__(made, "provenance", current())
        return made

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Before `dataclass` gives it one that prints every entry of every array.
        if "__repr__" not in vars(cls):
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]
        # A form of its own becomes JSON values, and says where it comes from too.
        if "to_json" in vars(cls):
            cls.to_json = _with_provenance(cls.to_json)  # type: ignore[method-assign, assignment]

    def __repr__(self) -> str:
        return self.summary()

    @property
    def version(self) -> str:
        """That of this package that made it."""
        return self.provenance.version

    def _made(self) -> dict[str, Any]:
        return {"version": self.version, "provenance": self.provenance.to_json()}

    def _kept(self) -> dict[str, Any]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {f.name: getattr(self, f.name) for f in fields if not f.metadata.get("transient")}

    def _stored(self) -> dict[str, Any]:
        """What `save` writes: arrays and JSON values by name."""
        return self._kept()

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        """The fields, from what `_stored` gave; JSON knows no tuples."""
        kinds = {f.name: str(f.type) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return {k: _tuples(v) if kinds.get(k, "").startswith("tuple") else v for k, v in stored.items()}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one ``.npz`` atomically; `load` gives an equal object back."""
        stored = self._stored()
        arrays = {name: value for name, value in stored.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in stored.items() if name not in arrays}
        made = self.provenance
        kind = type(self)
        head = {
            "class": kind.__name__,
            "module": kind.__module__,
            "format": FORMAT,
            "versions": made.versions,
            "provenance": made.to_json(),
        }
        return write_arrays(path, {**head, "fields": plain}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; anything else is one clear error."""
        meta, arrays = read_arrays(path)
        if meta.get("class") != cls.__name__ or meta.get("format") != FORMAT:
            raise InputError(
                f"{path}: holds a {meta.get('class')}, format {meta.get('format')}; wanted a {cls.__name__}"
            )
        fields = dict(meta["fields"])
        old = "provenance" not in meta
        made = Provenance.of_old(meta, fields) if old else Provenance.from_json(meta["provenance"])
        fields.pop("version", None)  # a field of some until 0.2
        result = cls(**cls._restored({**fields, **arrays}))
        object.__setattr__(result, "provenance", made)
        return result

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values (what ``--json`` prints)."""
        return {**to_builtin(self._kept()), **self._made()}

    def to_dataframe(self) -> DataFrame:
        """The table as a pandas DataFrame, arrays entry by entry (``Q_12``); one row of all numbers where there is none."""
        if self.COLUMNS:
            return dataframe({name: getattr(self, name) for name in self.COLUMNS}, self.COLUMNS[0])
        row = {"": 0, **numbers(self.to_json())}
        return dataframe({name: [value] for name, value in row.items()}, "").drop(columns=["", "version"])

    def to_xarray(self) -> Dataset:
        """The table as an xarray Dataset (needs xarray): `to_dataframe` along its first column."""
        table = self.to_dataframe()
        axis = str(table.columns[0])
        variables = {str(name): ((axis,), table[name].to_numpy()) for name in table.columns[1:]}
        made = self.provenance
        notes = {
            "result": type(self).__name__,
            "version": made.version,
            "experiment": str(made.experiment.get("name", "")),
        }
        return dataset({axis: table[axis].tolist()}, variables, notes)

    def summary(self) -> str:
        """A few lines for a person: what it is, and every field in a few words."""
        doc = (type(self).__doc__ or "").strip().splitlines()
        kept = self._kept()
        width = max(map(len, kept), default=0)
        lines = [f"{type(self).__name__}: {doc[0] if doc else ''}"]
        return "\n".join(lines + [f"  {name:<{width}}  {_shown(value)}" for name, value in kept.items()])

    def _in_maths(self) -> Mapping[str, Any]:
        """The matrices that a notebook shows in maths, by name."""
        return {}

    def _html_table(self) -> str:
        """The table that a notebook shows: that of `to_dataframe`, where pandas is installed."""
        if importlib.util.find_spec("pandas") is None:
            return ""
        frame = self.to_dataframe()
        columns = {str(n): frame[n].tolist() for n in frame.columns if not str(n).startswith("provenance.")}
        if len(frame) == 1:
            rows = ([notebook.label(name), notebook.cell(value)] for name, (value,) in columns.items())
            return notebook.table(["", ""], rows)
        return notebook.thinned(columns)

    def _repr_html_(self) -> str:
        """What a notebook shows: its table, matrices in maths, a small picture, and the summary to open."""
        return notebook.page(
            self.summary(), notebook.all_maths(self._in_maths()), self._html_table(), notebook.thumbnail(self)
        )
