"""Results: frozen dataclasses that print themselves, become JSON, and live in one .npz file (never pickle)."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from .checks import InputError

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
        if not isinstance(value, (list, np.ndarray)) or len(value) != length:
            continue
        array = np.asarray(value, dtype=np.float64)
        for index in np.ndindex(array.shape[1:]):
            columns[f"{name}[{','.join(map(str, index))}]" if index else name] = array[(slice(None), *index)]
    return pandas.DataFrame(columns)


class Result:
    """Mix-in for frozen dataclasses of arrays (float or integer) and plain values.

    Fields that hold arrays are stored as they are; all others must be JSON values, except those with
    ``metadata={"transient": True}``, which are not stored (they need a default). A subclass overrides `to_json`
    where its command-line form differs from its fields, and `summary` for what a person reads.
    """

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one ``.npz`` atomically; `load` gives an equal object back."""
        arrays, plain = {}, {}
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            if f.metadata.get("transient"):
                continue
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                arrays[f.name] = value
            else:
                plain[f.name] = value
        meta = json.dumps({"class": type(self).__name__, "format": FORMAT, "fields": plain})
        return write_atomically(
            path,
            lambda file: np.savez_compressed(file, __meta__=np.array(meta), **arrays),  # type: ignore[arg-type]
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; anything else is one clear error."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                meta = json.loads(str(stored["__meta__"]))
                arrays = {name: stored[name] for name in stored.files if name != "__meta__"}
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{path}: not a result written by asymptotics ({error})") from None
        if meta.get("class") != cls.__name__ or meta.get("format") != FORMAT:
            raise InputError(
                f"{path}: holds a {meta.get('class')}, format {meta.get('format')}; wanted a {cls.__name__}"
            )
        return cls(**meta["fields"], **arrays)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values (what ``--json`` prints)."""
        kept = [f.name for f in dataclasses.fields(self) if not f.metadata.get("transient")]  # type: ignore[arg-type]
        return {name: to_builtin(getattr(self, name)) for name in kept}

    def summary(self) -> str:
        """A few lines for a person."""
        return repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary."""
        return f"<pre>{html.escape(self.summary())}</pre>"
