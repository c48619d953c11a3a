"""One file of nested dicts, lists and tuples of arrays and plain values, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..input.checks import InputError
from ..output.files import read_arrays, write_arrays

FORMAT = 1
OTHER_CONTENT = "has other content"


def _pack(value: object, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        arrays[f"array{len(arrays)}"] = np.asarray(value)
        return {"array": f"array{len(arrays) - 1}"}
    if isinstance(value, Mapping):
        return {"mapping": [[str(k), _pack(v, arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_pack(v, arrays) for v in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise TypeError(f"cannot keep a {type(value).__name__} in a checkpoint")


def _unpack(stored: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    ((kind, value),) = stored.items()
    if kind == "array":
        return arrays[value][()] if arrays[value].ndim == 0 else arrays[value]
    if kind == "mapping":
        return {k: _unpack(v, arrays) for k, v in value}
    if kind in ("list", "tuple"):
        items = [_unpack(v, arrays) for v in value]
        return items if kind == "list" else tuple(items)
    return value


def write(path: str | os.PathLike[str], content: object, fingerprint: str) -> Path:
    """Keep nested dicts, lists, tuples, arrays and plain values in one file, atomically.

    Raises
    ------
    InputError
        If the file cannot be written; one that was there is unharmed.
    """
    arrays: dict[str, np.ndarray] = {}
    meta = {"class": "checkpoint", "format": FORMAT, "fingerprint": fingerprint, "content": _pack(content, arrays)}
    return write_arrays(path, meta, arrays)


def read(path: str | os.PathLike[str], fingerprint: str) -> Any:
    """Read what `write` kept.

    Raises
    ------
    InputError
        If the file is truncated, of another kind or version, or belongs to another experiment; it is left as it is.
    """
    meta, arrays = read_arrays(path, "a checkpoint")
    if meta.get("class") != "checkpoint" or meta.get("format") != FORMAT:
        raise InputError(f"{path}: holds a {meta.get('class')}, format {meta.get('format')}; wanted a checkpoint")
    if meta["fingerprint"] != fingerprint:
        raise InputError(f"{path}: belongs to another experiment; move it away, or take another folder")
    return _unpack(meta["content"], arrays)
