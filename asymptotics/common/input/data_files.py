"""Files of data that an experiment names: known by their content (SHA-256), not by their names."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from .checks import InputError

#: Data shipped with the package: the files behind a name.
SHIPPED = {"mnist": ("mnist_spectrum.npz", "mnist_digits.npz")}
#: How a file stands in the identity of an experiment.
CONTENT = "sha256:"
#: A file changed less than so many seconds ago may change again without another time stamp.
SETTLED = 2.0

_known: dict[tuple[Any, ...], str] = {}


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content; read again only where its inode, size or time stamps say so.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        status = os.stat(path)
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key in _known:
            return _known[key]
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if time.time() - max(status.st_mtime, status.st_ctime) > SETTLED:
        _known[key] = found
    return found


@lru_cache(maxsize=len(SHIPPED))
def _shipped(name: str) -> str:
    folder = files("asymptotics.common") / "data"
    return hashlib.sha256(b"".join((folder / part).read_bytes() for part in SHIPPED[name])).hexdigest()


def _names(value: object) -> Iterator[str]:
    if value is None or isinstance(value, (bool, int, float)):
        return
    if isinstance(value, (str, os.PathLike)):
        yield str(value)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _names(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _names(entry)


def _is_file(name: str, any_name: bool) -> bool:
    # In a table most words are no names of files, even where there is a file of that name (``tanh``).
    looks = any_name or Path(name).suffix or os.sep in name
    try:
        return bool(looks) and os.path.isfile(name)
    except ValueError:  # a null character
        return False


def data_files(value: object, *, any_name: bool = False) -> dict[str, str]:
    """SHA-256 of every file that is named anywhere in nested tables, by that name; and of data shipped with the package.

    Parameters
    ----------
    value : nested mappings and lists
        Such as the tables of an experiment.
    any_name : bool
        Whether a bare word counts as the name of a file where there is one, or only what has a suffix or a folder.
    """
    found = {}
    for name in _names(value):
        if name in SHIPPED:
            found[name] = _shipped(name)
        elif _is_file(name, any_name):
            found[name] = sha256_of(name)
    return found


def by_content(value: object, contents: Mapping[str, str]) -> Any:
    """Nested tables with the content's hash (``sha256:…``) in place of the names of files that `data_files` found."""
    if isinstance(value, (str, os.PathLike)):
        return f"{CONTENT}{contents[str(value)]}" if str(value) in contents else value
    if isinstance(value, Mapping):
        return {key: by_content(entry, contents) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [by_content(entry, contents) for entry in value]
    return value


def unchanged(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on where a file is not what it was.

    Raises
    ------
    InputError
        Naming the file.
    """
    for name, content in before.items():
        if now.get(name) != content:
            raise InputError(f"{name}: its content has changed since the experiment was made of it; load it again")
