"""The nested tables of an experiment as plain values: copied, merged, set by dotted keys, written to and read from files."""

from __future__ import annotations

import datetime
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .checks import InputError


def in_file(key: str, value: Any) -> Any:
    """A value as a TOML file says it; None is left out of tables."""
    if isinstance(value, Mapping):
        return {str(k): in_file(f"{key}.{k}", v) for k, v in value.items() if v is not None}
    if hasattr(value, "to_table"):
        return in_file(key, value.to_table())
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [in_file(key, v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return in_file(key, value.tolist())
    if isinstance(value, (str, bool, int, float, datetime.date, datetime.time)):
        return value
    raise InputError(f"{key}: a {type(value).__name__} cannot be written to a file; it exists in Python only")


def short(value: Any) -> str:
    """A value in a few words."""
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def copied(value: Any) -> Any:
    """A copy of tables and lists, to any depth of tables."""
    # (The usual kinds come first: whether anything is a mapping takes long to find out.)
    if value is None or type(value) in (float, int, str, bool):
        return value
    if isinstance(value, Mapping):
        return {k: copied(v) for k, v in value.items()}
    return list(value) if isinstance(value, list) else value


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of both, tables key by key; those of the new one win."""
    found = dict(old)
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else copied(value)
    return found


def set_key(tables: dict[str, Any], key: str, value: Any, exclusive: Iterable[tuple[str, str]]) -> None:
    """Set a dotted key in nested tables, and drop those that it excludes."""
    parts = key.split(".")
    if len(parts) < 2 or not all(parts):
        raise InputError(f"{key}: must be a dotted key such as training.tau")
    table: Any = tables
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise InputError(f"{key}: {part} is not a table")
    table[parts[-1]] = copied(value)
    for pair in exclusive:
        if key in pair:
            table.pop(pair[1 - pair.index(key)].rpartition(".")[2], None)


def read_table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a TOML file, or one clear error."""
    try:
        # Some editors begin a file with a byte-order mark.
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML ({' '.join(str(error).split())})") from None
