"""Results: frozen dataclasses that print themselves, become JSON, and live in one .npz file (never pickle)."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..input.checks import InputError
from .plotting import Drawn
from .versions import versions

FORMAT = 1


def to_builtin(value: Any) -> Any:
    """Turn arrays, NumPy scalars, mappings and sequences into JSON values; NaN and infinities become None."""
    if isinstance(value, np.ndarray):
        return to_builtin(value.tolist())
    if isinstance(value, np.generic):
        return to_builtin(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_builtin(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtin(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_builtin(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")


def _umask() -> int:
    # There is no way to read the mask but to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_atomically(path: str | os.PathLike[str], write: Any) -> Path:
    """Call ``write(file)`` on a temporary binary file beside ``path``, then fsync and rename it: all or nothing."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".", suffix=".part")
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # A temporary file is private; the result has the rights of any new file.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def dataframe(table: Mapping[str, Any], axis: str = "tau") -> Any:
    """A pandas DataFrame with one row a value of ``axis``: every array along it, entry by entry (``Q[0,1]``).

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("to_dataframe: needs pandas; install it by pip install pandas") from None
    length = len(table[axis])
    columns: dict[str, Any] = {}
    for name, value in table.items():
        if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != length:
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biuU":  # None among numbers is NaN
            array = array.astype(np.float64)
        for index in np.ndindex(array.shape[1:]):
            columns[f"{name}[{','.join(map(str, index))}]" if index else name] = array[(slice(None), *index)]
    return pandas.DataFrame(columns)


def numbers(report: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The numbers in a nest of mappings by dotted names; texts only of the outermost one, lists not at all."""
    found: dict[str, Any] = {}
    for key, value in report.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (bool, int, float)) or (isinstance(value, str) and not prefix):
            found[f"{prefix}{key}"] = value
        elif value is None:
            found[f"{prefix}{key}"] = math.nan
    return found


def _shown(value: Any) -> str:
    """A field in a few words: short arrays in full, long ones by shape and range."""
    if isinstance(value, np.ndarray):
        if value.size <= 8:
            return np.array2string(value, precision=6, suppress_small=True).replace("\n", "")
        finite = value[np.isfinite(value)]
        reach = f"from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "none finite"
        return f"array of shape {value.shape}, {reach}"
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= 90 else text[:87] + "..."


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def write_arrays(path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays and a JSON header into one ``.npz``, atomically."""
    head = np.array(json.dumps(meta))
    return write_atomically(path, lambda file: np.savez_compressed(file, __meta__=head, **arrays))  # type: ignore[arg-type]


def read_arrays(path: str | os.PathLike[str], kind: str = "a result") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of what `write_arrays` wrote; anything else, whole or cut short, is one clear error."""
    try:
        # NumPy leaves a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            meta = json.loads(str(stored["__meta__"]))
            arrays = {name: stored[name] for name in stored.files if name != "__meta__"}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not {kind} written by asymptotics, or cut short ({error})") from None
    except (AttributeError, TypeError):  # a .npy file has no entries
        raise InputError(f"{path}: not {kind} written by asymptotics") from None
    return meta, arrays


class Result(Drawn):
    """Mix-in for frozen dataclasses of arrays (float or integer) and plain values.

    Fields that hold arrays are stored as they are; all others must be JSON values, except those with
    ``metadata={"transient": True}``, which are not stored (they need a default). A subclass overrides
    `to_json` where its command-line form differs from its fields, `summary` for what a person reads, and ``COLUMNS`` or
    `to_dataframe` where it is a table; its picture is registered by the ``plots`` of its room.
    """

    #: Fields of one length, which are the columns of `to_dataframe`; none: the object is one row.
    COLUMNS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Before `dataclass` gives it one that prints every entry of every array.
        if "__repr__" not in vars(cls):
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return self.summary()

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
        head = {"class": type(self).__name__, "format": FORMAT, "versions": versions()}
        return write_arrays(path, {**head, "fields": plain}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; anything else is one clear error."""
        meta, arrays = read_arrays(path)
        if meta.get("class") != cls.__name__ or meta.get("format") != FORMAT:
            raise InputError(
                f"{path}: holds a {meta.get('class')}, format {meta.get('format')}; wanted a {cls.__name__}"
            )
        return cls(**cls._restored({**meta["fields"], **arrays}))

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values (what ``--json`` prints)."""
        return {name: to_builtin(value) for name, value in self._kept().items()}

    def to_dataframe(self) -> Any:
        """The table as a pandas DataFrame, arrays entry by entry (``Q[0,1]``); one row of all numbers where there is none."""
        if self.COLUMNS:
            return dataframe({name: getattr(self, name) for name in self.COLUMNS}, self.COLUMNS[0])
        return dataframe({name: [value] for name, value in {"": 0, **numbers(self.to_json())}.items()}, "").drop(
            columns=""
        )

    def summary(self) -> str:
        """A few lines for a person: what it is, and every field in a few words."""
        doc = (type(self).__doc__ or "").strip().splitlines()
        kept = self._kept()
        width = max(map(len, kept), default=0)
        lines = [f"{type(self).__name__}: {doc[0] if doc else ''}"]
        return "\n".join(lines + [f"  {name:<{width}}  {_shown(value)}" for name, value in kept.items()])

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary."""
        return f"<pre>{html.escape(self.summary())}</pre>"
